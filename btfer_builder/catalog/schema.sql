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
    asked           INTEGER NOT NULL,            -- results asked for so far: where the next crawl goes on
    error           TEXT,                        -- why the last try ended early; NULL when it did not
    UNIQUE (engine, query, emotion)
);

CREATE TABLE candidates (
    candidate_id INTEGER PRIMARY KEY,            -- grows with search and rank, whatever came first
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
    tries        INTEGER NOT NULL,               -- crawls that tried; passing troubles get a few
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

-- No key of another table: a crop that is made again has the same id and the same pixels.
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
    adjudicates INTEGER NOT NULL DEFAULT 0,      -- settles what reviewers disagree on; it is no vote
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

-- The rule by which votes become a verdict. One row: the view `ballots` reads it, nothing else knows it.
CREATE TABLE consensus (
    only_row  INTEGER PRIMARY KEY CHECK (only_row = 1),
    min_votes INTEGER NOT NULL,                  -- reviewers who must have given an answer
    agreement REAL NOT NULL                      -- the share of them that must have given the same one
);
INSERT INTO consensus VALUES (1, 1, 0.5);

-- What makes an item suspicious and is costly to measure. A face's sharpness is measured when it is cropped.
CREATE TABLE sharpness (
    image_id  TEXT PRIMARY KEY,
    sharpness REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE predictions (
    model         TEXT NOT NULL,                 -- of what file, fed how
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

-- The accepted faces of the last draw that are not in the sample; those with reason `reserve` may come into it.
CREATE TABLE undrawn (
    face_id TEXT PRIMARY KEY,                    -- no reference: a face that is cropped again keeps its place
    emotion TEXT NOT NULL,
    reason  TEXT NOT NULL,
    rank    INTEGER NOT NULL
) WITHOUT ROWID;

-- release -------------------------------------------------------------------------------------------

-- What was given to others. A version is a content: the same one again has the same number.
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

-- Training sets the faces were looked for in, the faces that were compared with each, and those that stand in it.
CREATE TABLE training_sets (
    source      TEXT PRIMARY KEY,
    name        TEXT NOT NULL,
    digest      TEXT NOT NULL,                   -- SHA-256 of its hashes: what it held then
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

-- What must never come back, by hashes only: of the address, of the file, and of what it looked like.
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

-- What follows ---------------------------------------------------------------------------------------

-- The fate of every candidate. Only the first one of a URL is fetched, and the first that led to an image is kept.
CREATE VIEW candidate_fates AS
SELECT c.candidate_id, c.search_id, c.rank, c.url, c.page_url, c.title, c.license, c.license_url, c.creator,
       c.attribution, c.sha1, c.found_url, s.engine, s.query, s.language, s.emotion, s.query_ethnicity, s.query_gender,
       s.query_age, s.expression, f.image_id, f.detail, f.http_status, f.content_type, f.bytes, f.fetched_at, f.tries,
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

-- A reviewer's last word on an item, unless undone; what was said as an adjudicator is a word of its own.
CREATE VIEW last_words AS
SELECT d.* FROM decisions d
WHERE d.verdict <> 'undo'
  AND NOT EXISTS (SELECT 1 FROM decisions u WHERE u.undoes = d.decision_id)
  AND NOT EXISTS (
      SELECT 1 FROM decisions later
      WHERE later.kind = d.kind AND later.item_id = d.item_id AND later.reviewer = d.reviewer
        AND later.adjudicates = d.adjudicates AND later.decision_id > d.decision_id AND later.verdict <> 'undo'
        AND NOT EXISTS (SELECT 1 FROM decisions u WHERE u.undoes = later.decision_id));

-- Every item somebody gave an answer to: how the votes are spread (`happy:3;sad:1`), and the verdict if there is
-- one. Enough reviewers must have answered, enough of them alike, and more of them than any other way; the last
-- adjudication stands above all votes. A skip is no answer.
CREATE VIEW ballots AS
WITH answers AS (
    SELECT kind, item_id, verdict, emotion, min(reason) AS reason, coalesce(emotion, verdict) AS answer,
           sum(NOT adjudicates) AS votes, max(CASE WHEN adjudicates THEN decision_id END) AS adjudication
    FROM last_words WHERE verdict <> 'skip' GROUP BY kind, item_id, verdict, emotion),
counted AS (
    SELECT *, row_number() OVER item AS place, nth_value(votes, 2) OVER item AS next_votes,
           sum(votes) OVER item AS total, sum(votes > 0) OVER item AS answers,
           max(adjudication) OVER item AS last_adjudication,
           group_concat(CASE WHEN votes THEN answer || ':' || votes END, ';') OVER item AS spread
    FROM answers
    WINDOW item AS (PARTITION BY kind, item_id ORDER BY votes DESC, answer
                    ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)),
judged AS (
    SELECT c.*, last_adjudication IS NOT NULL OR (
               votes > coalesce(next_votes, 0) AND total >= min_votes
               AND votes >= agreement * total - 1e-9) AS settled  -- 1e-9: 0.56 of 25 is 14, not a little more
    FROM counted c CROSS JOIN consensus
    WHERE CASE WHEN last_adjudication IS NULL THEN place = 1 ELSE adjudication IS last_adjudication END)
SELECT kind, item_id, CASE WHEN settled THEN verdict END AS verdict, CASE WHEN settled THEN emotion END AS emotion,
       CASE WHEN settled THEN reason END AS reason, spread AS votes, answers,
       last_adjudication IS NOT NULL AS adjudicated
FROM judged;

-- What counts as decided.
CREATE VIEW verdicts AS
SELECT kind, item_id, verdict, emotion, reason, votes, adjudicated FROM ballots WHERE verdict IS NOT NULL;

-- Images with where they come from, what dedupe and reviewers made of them, and the label to propose.
CREATE VIEW image_rows AS
SELECT i.image_id, coalesce(v.emotion, s.emotion) AS emotion, d.state, d.reason, i.path, i.format, i.bytes,
       h.width, h.height, c.url, c.page_url, c.title, l.license, l.license_url, l.creator, l.attribution,
       s.engine, s.query, s.language, s.expression, s.query_ethnicity, s.query_gender, s.query_age,
       c.candidate_id, d.duplicate_of, d.distance,
       coalesce(d.conflict, 0) AND v.emotion IS NULL AS conflict,
       v.verdict, v.reason AS verdict_reason
FROM images i
JOIN candidates c ON c.candidate_id = (
    SELECT min(first.candidate_id) FROM fetches f JOIN candidates first USING (url) WHERE f.image_id = i.image_id)
JOIN candidates l ON l.candidate_id = (       -- engines differ in what they know: the terms are the first ones stated
    SELECT said.candidate_id FROM fetches f JOIN candidates said USING (url) WHERE f.image_id = i.image_id
    ORDER BY said.license = 'unknown', said.candidate_id LIMIT 1)
JOIN searches s ON s.search_id = c.search_id
LEFT JOIN hashes h ON h.image_id = i.image_id
LEFT JOIN dedupes d ON d.image_id = i.image_id
LEFT JOIN ballots v ON v.kind = 'image' AND v.item_id = i.image_id;

-- Images that go on to be cropped: kept by dedupe and not rejected by a reviewer.
CREATE VIEW croppable AS
SELECT * FROM image_rows WHERE state = 'kept' AND verdict IS NOT 'reject';

-- Faces that show the same picture as one that cropping keeps; with other settings that one may be gone.
CREATE VIEW face_copies AS
SELECT d.* FROM face_dedupes d LEFT JOIN faces keeper ON keeper.face_id = d.duplicate_of AND keeper.state = 'kept'
WHERE d.state = 'dropped' AND (d.duplicate_of IS NULL OR keeper.face_id IS NOT NULL);

-- Faces that go on to be reviewed, with their label and verdict. A conflict ends when a label is given.
-- The state and reason of a copy are those of dedupe: they stand first, f.* has those of the crop once more.
CREATE VIEW face_rows AS
SELECT CASE WHEN copy.face_id IS NULL THEN f.state ELSE 'dropped' END AS state,
       coalesce(f.reason, copy.reason) AS reason, f.*, coalesce(v.emotion, i.emotion) AS emotion,
       (i.conflict OR coalesce(d.conflict, 0)) AND v.emotion IS NULL AS conflict,
       v.verdict, v.reason AS verdict_reason, v.votes, v.adjudicated,
       i.url, i.page_url, i.license, i.creator, i.engine, i.query, i.language, i.expression,
       i.query_ethnicity, i.query_gender, i.query_age, i.candidate_id
FROM faces f JOIN croppable i USING (image_id)
LEFT JOIN face_dedupes d ON d.face_id = f.face_id
LEFT JOIN face_copies copy ON copy.face_id = f.face_id AND f.state = 'kept'
LEFT JOIN ballots v ON v.kind = 'face' AND v.item_id = f.face_id;
