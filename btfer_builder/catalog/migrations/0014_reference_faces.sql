-- 0.2.0: the faces in the pictures of a training set are compared, too, and what could not be compared counts.

-- Whether every picture of the set was compared. Nobody knows it of a list of hashes that an earlier version wrote.
ALTER TABLE training_sets ADD COLUMN complete INTEGER NOT NULL DEFAULT 0;
UPDATE training_sets SET complete = 1 WHERE dropped = 0 AND lower(source) NOT LIKE '%.csv';
ALTER TABLE training_sets ADD COLUMN faces INTEGER;  -- faces found in its pictures; NULL if they were not searched

-- The faces that were found in the pictures of a training set, as JSON; so that no picture is searched twice.
CREATE TABLE reference_pictures (
    source   TEXT NOT NULL,
    name     TEXT NOT NULL,
    stamp    TEXT NOT NULL,                        -- size and time of the file
    faces    TEXT NOT NULL,
    settings TEXT NOT NULL,                        -- how they were cropped
    PRIMARY KEY (source, name)
) WITHOUT ROWID;

CREATE TABLE leaks_new (
    source        TEXT NOT NULL REFERENCES training_sets ON DELETE CASCADE,
    face_id       TEXT NOT NULL,
    item          TEXT NOT NULL,
    kind          TEXT NOT NULL CHECK (kind IN ('near', 'mirrored')),
    form          TEXT NOT NULL CHECK (form IN ('crop', '48', 'photo', 'face')),
    distance      INTEGER NOT NULL,
    fine_distance INTEGER NOT NULL,
    PRIMARY KEY (source, face_id)
) WITHOUT ROWID;
INSERT INTO leaks_new SELECT source, face_id, item, kind, form, distance, fine_distance FROM leaks;
DROP TABLE leaks;
ALTER TABLE leaks_new RENAME TO leaks;
CREATE INDEX leaks_face ON leaks (face_id);
