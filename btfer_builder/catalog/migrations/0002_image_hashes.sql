-- 0.1.1: more hashes to decide whether two photos are the same picture.

-- Empty until the next dedupe hashes the file again. `parts` are eight 64-bit pHashes: of the picture without its
-- border, of the mirror image of that, and of six parts of it.
ALTER TABLE hashes ADD COLUMN phash_256 TEXT NOT NULL DEFAULT '';
ALTER TABLE hashes ADD COLUMN phash_256_mirrored TEXT NOT NULL DEFAULT '';
ALTER TABLE hashes ADD COLUMN parts TEXT NOT NULL DEFAULT '';

-- NULL where only the 64-bit pHash is known: it alone never makes a match.
ALTER TABLE tombstones ADD COLUMN phash_256 TEXT;
ALTER TABLE tombstones ADD COLUMN phash_256_mirrored TEXT;
ALTER TABLE tombstones ADD COLUMN parts TEXT;

ALTER TABLE dedupes ADD COLUMN fine_distance INTEGER;  -- of the 256-bit pHashes
ALTER TABLE dedupes ADD COLUMN likeness REAL;          -- of the pixels, where the hashes do not decide

-- Pairs of photos whose pixels were compared, image_id < item_id, and their likeness.
CREATE TABLE likenesses (
    image_id TEXT NOT NULL,
    item_id  TEXT NOT NULL,
    mirrored INTEGER NOT NULL,
    likeness REAL NOT NULL,
    PRIMARY KEY (image_id, item_id, mirrored)
) WITHOUT ROWID;
CREATE INDEX likenesses_item ON likenesses (item_id);
