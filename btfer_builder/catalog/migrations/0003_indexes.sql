-- 0.1.1: indexes that keep each command linear in the size of the catalog.

-- Which candidates led to an image is asked of all images at once: the index holds all that is asked for.
DROP INDEX candidates_url;
CREATE INDEX candidates_url ON candidates (url, search_id, license);

-- The copies of one photo. Without it, taking down an image also scanned the table for the key that refers to it.
CREATE INDEX dedupes_of ON dedupes (duplicate_of);

-- Counting faces needs no other columns of their wide rows.
DROP INDEX faces_image;
CREATE INDEX faces_image ON faces (image_id, state, reason);
