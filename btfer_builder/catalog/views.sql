-- The views derive states from the tables. They are created again after each migration: a change here takes effect in
-- existing catalogs only with a new script in migrations/.

-- The outcome for each candidate. Only the first one of a URL is fetched, and the first that led to an image is kept.
CREATE VIEW candidate_fates AS
SELECT c.candidate_id, c.search_id, c.rank, c.url, c.page_url, c.title, c.license, c.license_url, c.creator,
       c.attribution, c.restrictions, c.consent, c.sha1, c.found_url, s.engine,
       coalesce(nullif(c.query_sent, ''), s.query) AS query, s.language, s.emotion, s.query_ethnicity, s.query_gender,
       s.query_age, s.expression, f.image_id, f.detail, f.http_status, f.content_type, f.bytes, f.fetched_at, f.tries,
       CASE WHEN f.url IS NULL THEN 'waiting' WHEN o.found_by IS NULL THEN 'dropped' ELSE 'kept' END AS state,
       CASE WHEN f.url IS NULL OR o.found_by IS NOT NULL THEN NULL
            WHEN c.candidate_id <> (SELECT min(first.candidate_id) FROM candidates first WHERE first.url = c.url)
            THEN 'same_url'
            ELSE coalesce(f.reason, 'same_bytes') END AS reason
FROM candidates c JOIN searches s USING (search_id) LEFT JOIN fetches f USING (url)
LEFT JOIN origins o ON o.found_by = c.candidate_id;

-- The current decision of each reviewer on each item, without undone ones. Adjudications are kept separately. The plus
-- makes SQLite search for later decisions on the same item, not for all later ones of the reviewer.
CREATE VIEW current_decisions AS
SELECT d.* FROM decisions d
WHERE d.verdict <> 'undo'
  AND NOT EXISTS (SELECT 1 FROM decisions u WHERE u.undoes = d.decision_id)
  AND NOT EXISTS (
      SELECT 1 FROM decisions later
      WHERE later.kind = d.kind AND later.item_id = d.item_id AND later.reviewer = d.reviewer
        AND later.adjudicates = d.adjudicates AND +later.decision_id > d.decision_id AND later.verdict <> 'undo'
        AND NOT EXISTS (SELECT 1 FROM decisions u WHERE u.undoes = later.decision_id));

-- Each item with an answer: the votes (`happy:3;sad:1`), and the verdict if there is one. A verdict needs enough
-- votes, a large enough share of equal ones, and more of them than of any other answer; the latest adjudication
-- overrides all votes. A skip is not an answer. With one table and no join, SQLite looks up single items in a LEFT JOIN.
CREATE VIEW vote_counts AS
SELECT kind, item_id, CASE WHEN settled THEN verdict END AS verdict, CASE WHEN settled THEN emotion END AS emotion,
       CASE WHEN settled THEN reason END AS reason, spread AS votes, answers, adjudicated
FROM (SELECT *, adjudicated OR (
                 votes > coalesce(next_votes, 0) AND total >= (SELECT min_votes FROM consensus)
                 AND votes >= (SELECT agreement FROM consensus) * total - 1e-9) AS settled  -- 1e-9: 0.56 of 25 is 14
      FROM tallies);

-- The items with a verdict.
CREATE VIEW verdicts AS
SELECT kind, item_id, verdict, emotion, reason, votes, adjudicated FROM vote_counts WHERE verdict IS NOT NULL;

-- Images with their origin, the outcome of dedupe and review, and the proposed label.
-- The licence is that of the first candidate that states one, as engines differ in what they know.
-- Each image has a row in `images` and in `candidates`; the joins are LEFT JOINs so that SQLite omits them where none of
-- their columns is used.
-- coalesce keeps the join of the verdict a LEFT JOIN where a query has a condition on it: with an inner join, SQLite may
-- start from the verdicts and compare all of them with each image.
CREATE VIEW image_rows AS
SELECT o.image_id, coalesce(v.emotion, s.emotion) AS emotion, d.state, d.reason, i.path, i.format, i.bytes,
       h.width, h.height, c.url, c.page_url, c.title, l.license, l.license_url, l.creator, l.attribution,
       l.restrictions, s.engine, coalesce(nullif(c.query_sent, ''), s.query) AS query, s.language, s.expression,
       s.query_ethnicity, s.query_gender, s.query_age,
       o.found_by AS candidate_id, d.duplicate_of, d.distance,
       coalesce(d.conflict, 0) AND v.emotion IS NULL AS conflict,
       coalesce(v.verdict, NULL) AS verdict, v.reason AS verdict_reason
FROM origins o JOIN searches s USING (search_id)
LEFT JOIN images i ON i.image_id = o.image_id
LEFT JOIN candidates c ON c.candidate_id = o.found_by
LEFT JOIN candidates l ON l.candidate_id = o.licensed_by
LEFT JOIN hashes h ON h.image_id = o.image_id
LEFT JOIN dedupes d ON d.image_id = o.image_id
LEFT JOIN vote_counts v ON v.kind = 'image' AND v.item_id = o.image_id;

-- Images to crop: kept by dedupe and not rejected by reviewers.
CREATE VIEW croppable AS
SELECT * FROM image_rows WHERE state = 'kept' AND verdict IS NOT 'reject';

-- Those whose file was not purged, so that they can be cropped (again).
CREATE VIEW croppable_files AS
SELECT * FROM croppable i
WHERE NOT EXISTS (SELECT 1 FROM purged p WHERE p.kind = 'image' AND p.item_id = i.image_id);

-- Faces that show the same picture as another one, as long as cropping keeps that one.
CREATE VIEW face_copies AS
SELECT d.* FROM face_dedupes d
WHERE d.state = 'dropped' AND (d.duplicate_of IS NULL OR EXISTS (
    SELECT 1 FROM faces keeper WHERE keeper.face_id = d.duplicate_of AND keeper.state = 'kept'));

-- Faces to review, with label and verdict. A label resolves a conflict.
-- State and reason of a copy are those of dedupe; they come first, as f.* repeats those of the crop. `found_as` is the
-- label after the review of the photos, `compared` tells whether dedupe has compared the face. Copies are few: where the
-- key is NULL, SQLite does not search for one. A face whose file was purged before it had a verdict is dropped.
CREATE VIEW face_rows AS
SELECT CASE WHEN copy.face_id IS NULL AND gone.item_id IS NULL THEN f.state ELSE 'dropped' END AS state,
       coalesce(f.reason, copy.reason, CASE WHEN gone.item_id IS NOT NULL THEN 'purged' END) AS reason, f.*, coalesce(v.emotion, i.emotion) AS emotion,
       (i.conflict OR coalesce(d.conflict, 0)) AND v.emotion IS NULL AS conflict,
       coalesce(v.verdict, NULL) AS verdict, v.reason AS verdict_reason, v.votes, v.adjudicated,
       f.state AS cropped, d.face_id IS NOT NULL AS compared, i.emotion AS found_as,
       i.url, i.page_url, i.license, i.creator, i.engine, i.query, i.language, i.expression, i.query_ethnicity,
       i.query_gender, i.query_age, i.candidate_id
FROM faces f JOIN croppable i USING (image_id)
LEFT JOIN face_dedupes d ON d.face_id = f.face_id
LEFT JOIN face_copies copy ON copy.face_id = CASE WHEN f.state = 'kept' AND d.state = 'dropped' THEN f.face_id END
LEFT JOIN vote_counts v ON v.kind = 'face' AND v.item_id = f.face_id
LEFT JOIN purged gone ON gone.kind = 'face' AND gone.item_id = CASE WHEN v.verdict IS NULL THEN f.face_id END;
