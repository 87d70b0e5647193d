-- 0.2.0: the files that `btfer purge` deleted.

-- Images and faces whose file is no longer needed. Their rows stay: hashes, provenance, boxes, decisions. A row is
-- committed before its file is deleted, and no command makes or fetches that file again.
CREATE TABLE purged (
    kind      TEXT NOT NULL CHECK (kind IN ('image', 'face')),
    item_id   TEXT NOT NULL,
    bytes     INTEGER NOT NULL,                  -- of the file; 0 where there was none
    kept      TEXT NOT NULL,                     -- what was kept: release or sample
    purged_at TEXT NOT NULL,
    PRIMARY KEY (kind, item_id)
) WITHOUT ROWID;
