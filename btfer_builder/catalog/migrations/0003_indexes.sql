-- 0.1.1: indexes that keep each command linear in the size of the catalog.

-- Covers the query of the first candidate of all images.
DROP INDEX candidates_url;
CREATE INDEX candidates_url ON candidates (url, search_id, license);

-- The duplicates of one photo; also used for the foreign key when an image is taken down.
CREATE INDEX dedupes_of ON dedupes (duplicate_of);

-- Counting faces needs only these columns.
DROP INDEX faces_image;
CREATE INDEX faces_image ON faces (image_id, state, reason);
