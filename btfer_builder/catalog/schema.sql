-- Tables hold what happened; views derive what follows from it. A stage writes its own tables only.
-- Each table's columns are the fields of the dataclass of that name in records.py, plus its keys.

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
    asked           INTEGER NOT NULL,            -- results asked for so far
    error           TEXT,                        -- why the last try brought nothing; NULL when it worked
    UNIQUE (engine, query, emotion)
);

CREATE TABLE candidates (
    candidate_id INTEGER PRIMARY KEY,
    search_id    INTEGER NOT NULL REFERENCES searches,
    rank         INTEGER NOT NULL,
    url          TEXT NOT NULL,
    page_url     TEXT NOT NULL,
    title        TEXT NOT NULL,
    license      TEXT NOT NULL,
    license_url  TEXT NOT NULL,
    creator      TEXT NOT NULL,
    attribution  TEXT NOT NULL,
    UNIQUE (search_id, url)
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
    detail         TEXT NOT NULL
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

-- crop ----------------------------------------------------------------------------------------------

CREATE TABLE crops (
    image_id TEXT PRIMARY KEY REFERENCES images,
    settings TEXT NOT NULL,                      -- what it was cropped with; other settings crop it again
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
    CHECK ((state = 'kept') = (reason IS NULL))
) WITHOUT ROWID;
CREATE INDEX faces_image ON faces (image_id);

-- review --------------------------------------------------------------------------------------------

CREATE TABLE decisions (
    decision_id INTEGER PRIMARY KEY AUTOINCREMENT,
    item_id     TEXT NOT NULL,
    kind        TEXT NOT NULL CHECK (kind IN ('image', 'face')),
    verdict     TEXT NOT NULL CHECK (verdict IN ('accept', 'reject', 'skip', 'undo')),
    emotion     TEXT,
    reason      TEXT,
    reviewer    TEXT NOT NULL,
    undoes      INTEGER REFERENCES decisions,
    decided_at  TEXT NOT NULL
);
CREATE INDEX decisions_item ON decisions (kind, item_id, reviewer);
CREATE UNIQUE INDEX decisions_undoes ON decisions (undoes) WHERE undoes IS NOT NULL;
CREATE TRIGGER decisions_are_never_changed BEFORE UPDATE ON decisions
BEGIN SELECT RAISE(ABORT, 'decisions are appended, never changed'); END;
CREATE TRIGGER decisions_are_never_deleted BEFORE DELETE ON decisions
BEGIN SELECT RAISE(ABORT, 'decisions are appended, never deleted'); END;

-- sample --------------------------------------------------------------------------------------------

CREATE TABLE sample (
    face_id TEXT PRIMARY KEY REFERENCES faces,
    emotion TEXT NOT NULL,
    rank    INTEGER NOT NULL,
    path    TEXT NOT NULL
) WITHOUT ROWID;

-- What follows ---------------------------------------------------------------------------------------

-- The fate of every candidate. Only the first one of a URL is fetched, and the first that led to an image is kept.
CREATE VIEW candidate_fates AS
SELECT c.candidate_id, c.search_id, c.rank, c.url, c.page_url, c.title, c.license, c.license_url, c.creator,
       c.attribution, s.engine, s.query, s.language, s.emotion, s.query_ethnicity, s.query_gender,
       s.query_age, s.expression, f.image_id, f.detail, f.http_status, f.content_type, f.bytes, f.fetched_at,
       CASE WHEN f.url IS NULL THEN 'waiting'
            WHEN f.image_id IS NOT NULL AND c.candidate_id = first_value(c.candidate_id) OVER of_image
            THEN 'kept' ELSE 'dropped' END AS state,
       CASE WHEN f.url IS NULL THEN NULL
            WHEN c.candidate_id <> first_value(c.candidate_id) OVER of_url THEN 'same_url'
            WHEN f.reason IS NOT NULL THEN f.reason
            WHEN c.candidate_id <> first_value(c.candidate_id) OVER of_image THEN 'same_bytes' END AS reason
FROM candidates c JOIN searches s USING (search_id) LEFT JOIN fetches f USING (url)
WINDOW of_image AS (PARTITION BY f.image_id ORDER BY c.candidate_id),
       of_url AS (PARTITION BY c.url ORDER BY c.candidate_id);

-- A reviewer's last word on an item, unless undone.
CREATE VIEW last_words AS
SELECT d.* FROM decisions d
WHERE d.verdict <> 'undo'
  AND NOT EXISTS (SELECT 1 FROM decisions u WHERE u.undoes = d.decision_id)
  AND NOT EXISTS (
      SELECT 1 FROM decisions later
      WHERE later.kind = d.kind AND later.item_id = d.item_id AND later.reviewer = d.reviewer
        AND later.decision_id > d.decision_id AND later.verdict <> 'undo'
        AND NOT EXISTS (SELECT 1 FROM decisions u WHERE u.undoes = later.decision_id));

-- What most reviewers say of an item. A tie decides nothing: the item waits for one more word.
CREATE VIEW verdicts AS
WITH votes AS (
    SELECT kind, item_id, verdict, emotion, count(*) AS votes, min(reason) AS reason,
           rank() OVER (PARTITION BY kind, item_id ORDER BY count(*) DESC) AS place
    FROM last_words WHERE verdict <> 'skip' GROUP BY kind, item_id, verdict, emotion)
SELECT kind, item_id, verdict, emotion, reason, votes FROM votes
WHERE place = 1 GROUP BY kind, item_id HAVING count(*) = 1;

-- Images with where they come from, what dedupe and reviewers made of them, and the label to propose.
CREATE VIEW image_rows AS
SELECT i.image_id, coalesce(v.emotion, s.emotion) AS emotion, d.state, d.reason, i.path, i.format, i.bytes,
       h.width, h.height, c.url, c.page_url, c.title, c.license, c.license_url, c.creator, c.attribution,
       s.engine, s.query, s.language, s.expression, s.query_ethnicity, s.query_gender, s.query_age,
       c.candidate_id, d.duplicate_of, d.distance,
       coalesce(d.conflict, 0) AND v.emotion IS NULL AS conflict,
       v.verdict, v.reason AS verdict_reason
FROM images i
JOIN candidates c ON c.candidate_id = (
    SELECT min(first.candidate_id) FROM fetches f JOIN candidates first USING (url) WHERE f.image_id = i.image_id)
JOIN searches s USING (search_id)
LEFT JOIN hashes h ON h.image_id = i.image_id
LEFT JOIN dedupes d ON d.image_id = i.image_id
LEFT JOIN verdicts v ON v.kind = 'image' AND v.item_id = i.image_id;

-- Images that go on to be cropped: kept by dedupe and not rejected by a reviewer.
CREATE VIEW croppable AS
SELECT * FROM image_rows WHERE state = 'kept' AND verdict IS NOT 'reject';

-- Faces that go on to be reviewed, with their label and verdict. A conflict ends when a label is given.
CREATE VIEW face_rows AS
SELECT f.*, coalesce(v.emotion, i.emotion) AS emotion, i.conflict AND v.emotion IS NULL AS conflict,
       v.verdict, v.reason AS verdict_reason, v.votes,
       i.url, i.page_url, i.license, i.creator, i.engine, i.query, i.language, i.expression,
       i.query_ethnicity, i.query_gender, i.query_age, i.candidate_id
FROM faces f JOIN croppable i USING (image_id)
LEFT JOIN verdicts v ON v.kind = 'face' AND v.item_id = f.face_id;
