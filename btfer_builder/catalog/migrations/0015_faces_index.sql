-- 0.2.0: what the crop and the review ask of all faces, in the order of the photos.

-- Covers both questions: other columns of a face would be looked up elsewhere in the file.
DROP INDEX faces_image;
CREATE INDEX faces_image ON faces (image_id, state, reason, path, bytes, confidence, upscale, padding, found_by);
