-- 0.1.1: what says that two photos are the same picture, beside the 64-bit pHash.

-- Empty until the next dedupe hashes the file again. `parts` are eight 64-bit pHashes: of the picture without its
-- border, of the mirror image of that, and of six parts of it.
ALTER TABLE hashes ADD COLUMN phash_256 TEXT NOT NULL DEFAULT '';
ALTER TABLE hashes ADD COLUMN phash_256_mirrored TEXT NOT NULL DEFAULT '';
ALTER TABLE hashes ADD COLUMN parts TEXT NOT NULL DEFAULT '';

-- NULL where only the 64-bit pHash is known: such a tombstone drops nothing by itself.
ALTER TABLE tombstones ADD COLUMN phash_256 TEXT;
ALTER TABLE tombstones ADD COLUMN phash_256_mirrored TEXT;
ALTER TABLE tombstones ADD COLUMN parts TEXT;

ALTER TABLE dedupes ADD COLUMN fine_distance INTEGER;  -- of the 256-bit pHashes
ALTER TABLE dedupes ADD COLUMN likeness REAL;          -- of the pixels, where the hashes leave it open

-- Pairs of photos that were laid over one another, image_id < item_id, and how alike their pixels are.
CREATE TABLE likenesses (
    image_id TEXT NOT NULL,
    item_id  TEXT NOT NULL,
    mirrored INTEGER NOT NULL,
    likeness REAL NOT NULL,
    PRIMARY KEY (image_id, item_id, mirrored)
) WITHOUT ROWID;
CREATE INDEX likenesses_item ON likenesses (item_id);
