-- The tables of 0.1.0. They record events; the views (views.sql) derive states from them. A stage writes its own
-- tables only. Each table's columns are the fields of the dataclass of that name in records.py, plus its keys.

CREATE TABLE runs (
    run_id     INTEGER PRIMARY KEY,
    command    TEXT NOT NULL,
    recipe     TEXT NOT NULL,
    version    TEXT NOT NULL,
    started_at TEXT NOT NULL,
    ended_at   TEXT,
    outcome    TEXT,
    counts     TEXT
);

-- crawl ---------------------------------------------------------------------------------------------

CREATE TABLE searches (
    search_id       INTEGER PRIMARY KEY,
    engine          TEXT NOT NULL,
    query           TEXT NOT NULL,
    language        TEXT NOT NULL,
    emotion         TEXT NOT NULL,
    query_ethnicity TEXT NOT NULL,
    query_gender    TEXT NOT NULL,
    query_age       TEXT NOT NULL,
    expression      TEXT NOT NULL,
    asked           INTEGER NOT NULL,            -- results requested so far: where the next crawl continues
    error           TEXT,                        -- why the last try ended early, else NULL
    UNIQUE (engine, query, emotion)
);

CREATE TABLE candidates (
    candidate_id INTEGER PRIMARY KEY,            -- by search and rank, not by time
    search_id    INTEGER NOT NULL REFERENCES searches,
    rank         INTEGER NOT NULL,
    url          TEXT NOT NULL,
    page_url     TEXT NOT NULL,
    title        TEXT NOT NULL,
    license      TEXT NOT NULL,
    license_url  TEXT NOT NULL,
    creator      TEXT NOT NULL,
    attribution  TEXT NOT NULL,
    sha1         TEXT NOT NULL,
    found_url    TEXT NOT NULL,
    refused      TEXT NOT NULL,
    UNIQUE (search_id, url, found_url)
);
CREATE INDEX candidates_url ON candidates (url);

CREATE TABLE images (
    image_id TEXT PRIMARY KEY,
    path     TEXT NOT NULL,
    format   TEXT NOT NULL,
    bytes    INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE fetches (
    url          TEXT PRIMARY KEY,
    image_id     TEXT REFERENCES images,
    reason       TEXT,
    detail       TEXT NOT NULL,
    http_status  INTEGER,
    content_type TEXT NOT NULL,
    bytes        INTEGER NOT NULL,
    fetched_at   TEXT NOT NULL,
    tries        INTEGER NOT NULL,               -- crawls that tried it; temporary failures are tried again
    CHECK ((image_id IS NULL) <> (reason IS NULL))
) WITHOUT ROWID;
CREATE INDEX fetches_image ON fetches (image_id);

-- dedupe --------------------------------------------------------------------------------------------

CREATE TABLE hashes (
    image_id       TEXT PRIMARY KEY REFERENCES images,
    width          INTEGER NOT NULL,
    height         INTEGER NOT NULL,
    pixel_sha256   TEXT NOT NULL,
    phash          TEXT NOT NULL,
    phash_mirrored TEXT NOT NULL,
    reason         TEXT,
    detail         TEXT NOT NULL,
    reduced        INTEGER NOT NULL DEFAULT 0   -- decoded at reduced scale: pHashes within 2 bits, no pixel hash
) WITHOUT ROWID;

CREATE TABLE dedupes (
    image_id     TEXT PRIMARY KEY REFERENCES images,
    state        TEXT NOT NULL,
    reason       TEXT,
    duplicate_of TEXT REFERENCES images,
    kind         TEXT,
    distance     INTEGER,
    conflict     INTEGER NOT NULL,
    CHECK ((state = 'kept') = (reason IS NULL))
) WITHOUT ROWID;

-- Of each group of duplicate images or faces: the one kept, how far its members are apart, and why it was kept.
CREATE TABLE duplicate_groups (
    kind     TEXT NOT NULL CHECK (kind IN ('image', 'face')),
    item_id  TEXT NOT NULL,
    copies   INTEGER NOT NULL,
    diameter INTEGER NOT NULL,
    kept_for TEXT NOT NULL CHECK (kept_for IN ('pixels', 'license', 'earliest')),
    PRIMARY KEY (kind, item_id)
) WITHOUT ROWID;

-- crop ----------------------------------------------------------------------------------------------

CREATE TABLE crops (
    image_id TEXT PRIMARY KEY REFERENCES images,
    settings TEXT NOT NULL,                      -- of the crop; with other settings, the image is cropped again
    reason   TEXT,
    detail   TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE faces (
    face_id       TEXT PRIMARY KEY,
    image_id      TEXT NOT NULL REFERENCES crops ON DELETE CASCADE,
    state         TEXT NOT NULL,
    reason        TEXT,
    path          TEXT,
    x             REAL NOT NULL,
    y             REAL NOT NULL,
    width         REAL NOT NULL,
    height        REAL NOT NULL,
    confidence    REAL NOT NULL,
    left_eye_x    REAL NOT NULL,
    left_eye_y    REAL NOT NULL,
    right_eye_x   REAL NOT NULL,
    right_eye_y   REAL NOT NULL,
    nose_x        REAL NOT NULL,
    nose_y        REAL NOT NULL,
    mouth_left_x  REAL NOT NULL,
    mouth_left_y  REAL NOT NULL,
    mouth_right_x REAL NOT NULL,
    mouth_right_y REAL NOT NULL,
    crop_x        INTEGER NOT NULL,
    crop_y        INTEGER NOT NULL,
    crop_width    INTEGER NOT NULL,
    crop_height   INTEGER NOT NULL,
    crop_angle    REAL NOT NULL,
    blurred       TEXT NOT NULL,
    upscale       REAL NOT NULL,
    roll          REAL NOT NULL,
    yaw           REAL NOT NULL,
    sharpness     REAL,                          -- NULL without a crop
    brightness    REAL,
    CHECK ((state = 'kept') = (reason IS NULL))
) WITHOUT ROWID;
CREATE INDEX faces_image ON faces (image_id);

-- dedupe of faces -----------------------------------------------------------------------------------

-- No reference to `faces`: a crop that is rendered again has the same id and the same pixels.
CREATE TABLE face_hashes (
    face_id           TEXT PRIMARY KEY,
    phash             TEXT NOT NULL,
    fine              TEXT NOT NULL,
    phash_mirrored    TEXT NOT NULL,
    fine_mirrored     TEXT NOT NULL,
    phash_48          TEXT NOT NULL,
    fine_48           TEXT NOT NULL,
    phash_48_mirrored TEXT NOT NULL,
    fine_48_mirrored  TEXT NOT NULL,
    reason            TEXT
) WITHOUT ROWID;

CREATE TABLE face_dedupes (
    face_id      TEXT PRIMARY KEY,
    state        TEXT NOT NULL,
    reason       TEXT,
    duplicate_of TEXT,
    kind         TEXT,
    distance     INTEGER,
    difference   REAL,
    conflict     INTEGER NOT NULL,
    CHECK ((state = 'kept') = (reason IS NULL))
) WITHOUT ROWID;
CREATE INDEX face_dedupes_of ON face_dedupes (duplicate_of);

-- review --------------------------------------------------------------------------------------------

CREATE TABLE decisions (
    decision_id INTEGER PRIMARY KEY AUTOINCREMENT,
    item_id     TEXT NOT NULL,
    kind        TEXT NOT NULL CHECK (kind IN ('image', 'face')),
    verdict     TEXT NOT NULL CHECK (verdict IN ('accept', 'reject', 'skip', 'undo')),
    emotion     TEXT,
    reason      TEXT,
    reviewer    TEXT NOT NULL,
    adjudicates INTEGER NOT NULL DEFAULT 0,      -- overrides the votes and is not one itself
    undoes      INTEGER REFERENCES decisions,
    decided_at  TEXT NOT NULL
);
CREATE INDEX decisions_item ON decisions (kind, item_id, reviewer);
CREATE INDEX decisions_reviewer ON decisions (kind, reviewer);
CREATE UNIQUE INDEX decisions_undoes ON decisions (undoes) WHERE undoes IS NOT NULL;
CREATE TRIGGER decisions_are_never_changed BEFORE UPDATE ON decisions
BEGIN SELECT RAISE(ABORT, 'decisions are appended, never changed'); END;
CREATE TRIGGER decisions_are_never_deleted BEFORE DELETE ON decisions
BEGIN SELECT RAISE(ABORT, 'decisions are appended, never deleted'); END;

-- The rule by which votes become a verdict: one row, which only the view `vote_counts` reads.
CREATE TABLE consensus (
    only_row  INTEGER PRIMARY KEY CHECK (only_row = 1),
    min_votes INTEGER NOT NULL,                  -- minimum number of votes
    agreement REAL NOT NULL                      -- minimum share of equal votes
);
INSERT INTO consensus VALUES (1, 1, 0.5);

-- Measurements for the order by suspicion that are expensive. The sharpness of faces is measured by the crop.
CREATE TABLE sharpness (
    image_id  TEXT PRIMARY KEY,
    sharpness REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE predictions (
    model         TEXT NOT NULL,                 -- its file and its preprocessing
    face_id       TEXT NOT NULL,
    probabilities TEXT NOT NULL,                 -- a JSON list in the order of the emotions
    PRIMARY KEY (model, face_id)
) WITHOUT ROWID;

-- sample --------------------------------------------------------------------------------------------

CREATE TABLE sample (
    face_id TEXT PRIMARY KEY REFERENCES faces,
    emotion TEXT NOT NULL,
    rank    INTEGER NOT NULL,
    path    TEXT NOT NULL,
    split   TEXT NOT NULL,
    sha256  TEXT NOT NULL                        -- of the file, as it was drawn
) WITHOUT ROWID;

-- The accepted faces that are not in the sample; those with reason `reserve` can replace faces taken down.
CREATE TABLE undrawn (
    face_id TEXT PRIMARY KEY,                    -- no reference: a face keeps its row when it is cropped again
    emotion TEXT NOT NULL,
    reason  TEXT NOT NULL,
    rank    INTEGER NOT NULL
) WITHOUT ROWID;

-- release -------------------------------------------------------------------------------------------

-- Releases. A version is a content: the same content has the same number again.
CREATE TABLE releases (
    version      INTEGER PRIMARY KEY,
    content_hash TEXT NOT NULL UNIQUE,
    made_at      TEXT NOT NULL
);
CREATE TABLE release_faces (
    version INTEGER NOT NULL REFERENCES releases,
    face_id TEXT NOT NULL,
    emotion TEXT NOT NULL,
    split   TEXT NOT NULL,
    PRIMARY KEY (version, face_id)
) WITHOUT ROWID;
CREATE TABLE release_copies (
    path    TEXT PRIMARY KEY,                    -- the folder it was written to
    version INTEGER NOT NULL REFERENCES releases,
    recipe  TEXT NOT NULL
) WITHOUT ROWID;

-- leakage -------------------------------------------------------------------------------------------

-- Training sets that were searched, the faces compared with each, and those found in it.
CREATE TABLE training_sets (
    source      TEXT PRIMARY KEY,
    name        TEXT NOT NULL,
    digest      TEXT NOT NULL,                   -- SHA-256 of its hashes
    images      INTEGER NOT NULL,
    dropped     INTEGER NOT NULL,                -- files that could not be decoded
    radius      INTEGER NOT NULL,
    fine_radius INTEGER NOT NULL,
    checked_at  TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE compared_faces (
    source  TEXT NOT NULL REFERENCES training_sets ON DELETE CASCADE,
    face_id TEXT NOT NULL,
    PRIMARY KEY (source, face_id)
) WITHOUT ROWID;
CREATE TABLE leaks (
    source        TEXT NOT NULL REFERENCES training_sets ON DELETE CASCADE,
    face_id       TEXT NOT NULL,
    item          TEXT NOT NULL,
    kind          TEXT NOT NULL CHECK (kind IN ('near', 'mirrored')),
    form          TEXT NOT NULL CHECK (form IN ('crop', '48')),
    distance      INTEGER NOT NULL,
    fine_distance INTEGER NOT NULL,
    PRIMARY KEY (source, face_id)
) WITHOUT ROWID;
CREATE INDEX leaks_face ON leaks (face_id);

-- takedown ------------------------------------------------------------------------------------------

-- What must not come back, as hashes of URL, file and picture.
CREATE TABLE tombstones (
    tombstone_id   INTEGER PRIMARY KEY,
    url_sha256     TEXT,
    image_id       TEXT,
    face_id        TEXT,
    phash          TEXT,
    phash_mirrored TEXT,
    taken_down_at  TEXT NOT NULL,
    why            TEXT NOT NULL
);
CREATE INDEX tombstones_url ON tombstones (url_sha256);
CREATE INDEX tombstones_image ON tombstones (image_id);
