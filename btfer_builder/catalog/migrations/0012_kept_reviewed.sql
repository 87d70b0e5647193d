-- The kept item of a group may be the reviewed one: `kept_because` has a further value, which a CHECK can only get by
-- copying the table.
ALTER TABLE duplicate_groups RENAME TO old_groups;
CREATE TABLE duplicate_groups (
    kind         TEXT NOT NULL CHECK (kind IN ('image', 'face')),
    item_id      TEXT NOT NULL,
    copies       INTEGER NOT NULL,
    diameter     INTEGER NOT NULL,
    kept_because TEXT NOT NULL CHECK (kept_because IN ('reviewed', 'pixels', 'license', 'earliest')),
    PRIMARY KEY (kind, item_id)
) WITHOUT ROWID;
INSERT INTO duplicate_groups SELECT kind, item_id, copies, diameter, kept_because FROM old_groups;
DROP TABLE old_groups;
