-- 0.2.0: the photo of each face is compared with a training set, too.

ALTER TABLE compared_faces ADD COLUMN photo INTEGER NOT NULL DEFAULT 0;  -- whether its photo was compared

CREATE TABLE leaks_new (
    source        TEXT NOT NULL REFERENCES training_sets ON DELETE CASCADE,
    face_id       TEXT NOT NULL,
    item          TEXT NOT NULL,
    kind          TEXT NOT NULL CHECK (kind IN ('near', 'mirrored')),
    form          TEXT NOT NULL CHECK (form IN ('crop', '48', 'photo')),
    distance      INTEGER NOT NULL,
    fine_distance INTEGER NOT NULL,
    PRIMARY KEY (source, face_id)
) WITHOUT ROWID;
INSERT INTO leaks_new SELECT source, face_id, item, kind, form, distance, fine_distance FROM leaks;
DROP TABLE leaks;
ALTER TABLE leaks_new RENAME TO leaks;
CREATE INDEX leaks_face ON leaks (face_id);
