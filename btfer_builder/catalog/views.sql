-- The views derive states from the tables. They are created again after each migration: a change here takes effect in
-- existing catalogs only with a new script in migrations/.

-- The first candidate that led to each image. With a single min(), c.search_id is that of the same candidate.
-- The cast gives the column an affinity; without it, SQLite builds no index for joins.
CREATE VIEW origins AS
SELECT f.image_id, CAST(min(c.candidate_id) AS INTEGER) AS found_by, c.search_id
FROM fetches f CROSS JOIN candidates c USING (url) WHERE f.image_id IS NOT NULL GROUP BY f.image_id;

-- The outcome for each candidate. Only the first one of a URL is fetched, and the first that led to an image is kept.
CREATE VIEW candidate_fates AS
SELECT c.candidate_id, c.search_id, c.rank, c.url, c.page_url, c.title, c.license, c.license_url, c.creator,
       c.attribution, c.sha1, c.found_url, s.engine, s.query, s.language, s.emotion, s.query_ethnicity, s.query_gender,
       s.query_age, s.expression, f.image_id, f.detail, f.http_status, f.content_type, f.bytes, f.fetched_at, f.tries,
       CASE WHEN f.url IS NULL THEN 'waiting' WHEN o.found_by IS NULL THEN 'dropped' ELSE 'kept' END AS state,
       CASE WHEN f.url IS NULL OR o.found_by IS NOT NULL THEN NULL
            WHEN c.candidate_id <> (SELECT min(first.candidate_id) FROM candidates first WHERE first.url = c.url)
            THEN 'same_url'
            ELSE coalesce(f.reason, 'same_bytes') END AS reason
FROM candidates c JOIN searches s USING (search_id) LEFT JOIN fetches f USING (url)
LEFT JOIN origins o ON o.found_by = c.candidate_id;

-- The current decision of each reviewer on each item, without undone ones. Adjudications are kept separately.
CREATE VIEW current_decisions AS
SELECT d.* FROM decisions d
WHERE d.verdict <> 'undo'
  AND NOT EXISTS (SELECT 1 FROM decisions u WHERE u.undoes = d.decision_id)
  AND NOT EXISTS (
      SELECT 1 FROM decisions later
      WHERE later.kind = d.kind AND later.item_id = d.item_id AND later.reviewer = d.reviewer
        AND later.adjudicates = d.adjudicates AND later.decision_id > d.decision_id AND later.verdict <> 'undo'
        AND NOT EXISTS (SELECT 1 FROM decisions u WHERE u.undoes = later.decision_id));

-- Each item with an answer: the votes (`happy:3;sad:1`), and the verdict if there is one. A verdict needs enough
-- votes, a large enough share of equal ones, and more of them than of any other answer; the latest adjudication
-- overrides all votes. A skip is not an answer.
CREATE VIEW vote_counts AS
WITH answers AS (
    SELECT kind, item_id, verdict, emotion, min(reason) AS reason, coalesce(emotion, verdict) AS answer,
           sum(NOT adjudicates) AS votes, max(CASE WHEN adjudicates THEN decision_id END) AS adjudication
    FROM current_decisions WHERE verdict <> 'skip' GROUP BY kind, item_id, verdict, emotion),
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
               AND votes >= agreement * total - 1e-9) AS settled  -- 1e-9: 0.56 of 25 is 14, despite rounding
    FROM counted c CROSS JOIN consensus
    WHERE CASE WHEN last_adjudication IS NULL THEN place = 1 ELSE adjudication IS last_adjudication END)
SELECT kind, item_id, CASE WHEN settled THEN verdict END AS verdict, CASE WHEN settled THEN emotion END AS emotion,
       CASE WHEN settled THEN reason END AS reason, spread AS votes, answers,
       last_adjudication IS NOT NULL AS adjudicated
FROM judged;

-- The items with a verdict.
CREATE VIEW verdicts AS
SELECT kind, item_id, verdict, emotion, reason, votes, adjudicated FROM vote_counts WHERE verdict IS NOT NULL;

-- Images with their origin, the outcome of dedupe and review, and the proposed label.
-- The licence is that of the first candidate that states one, as engines differ in what they know.
-- The votes are materialized: otherwise SQLite counts them again for each joined row.
-- Each image has a row in `images` and in `candidates`; the joins are LEFT JOINs so that SQLite omits them where none of
-- their columns is used.
-- coalesce keeps the join of the verdict a LEFT JOIN where a query has a condition on it: with an inner join, SQLite may
-- start from the verdicts and compare all of them with each image.
CREATE VIEW image_rows AS
WITH counted AS MATERIALIZED (SELECT * FROM vote_counts WHERE kind = 'image')
SELECT o.image_id, coalesce(v.emotion, s.emotion) AS emotion, d.state, d.reason, i.path, i.format, i.bytes,
       h.width, h.height, c.url, c.page_url, c.title, l.license, l.license_url, l.creator, l.attribution,
       s.engine, s.query, s.language, s.expression, s.query_ethnicity, s.query_gender, s.query_age,
       o.found_by AS candidate_id, d.duplicate_of, d.distance,
       coalesce(d.conflict, 0) AND v.emotion IS NULL AS conflict,
       coalesce(v.verdict, NULL) AS verdict, v.reason AS verdict_reason
FROM origins o JOIN searches s USING (search_id)
LEFT JOIN images i ON i.image_id = o.image_id
LEFT JOIN candidates c ON c.candidate_id = o.found_by
LEFT JOIN candidates l ON l.candidate_id = coalesce(
    (SELECT min(stated.candidate_id) FROM fetches f CROSS JOIN candidates stated USING (url)
     WHERE f.image_id = o.image_id AND stated.license <> 'unknown'), o.found_by)
LEFT JOIN hashes h ON h.image_id = o.image_id
LEFT JOIN dedupes d ON d.image_id = o.image_id
LEFT JOIN counted v ON v.item_id = o.image_id;

-- Images to crop: kept by dedupe and not rejected by reviewers.
CREATE VIEW croppable AS
SELECT * FROM image_rows WHERE state = 'kept' AND verdict IS NOT 'reject';

-- Faces that show the same picture as another one, as long as cropping keeps that one.
CREATE VIEW face_copies AS
SELECT d.* FROM face_dedupes d
WHERE d.state = 'dropped' AND (d.duplicate_of IS NULL OR EXISTS (
    SELECT 1 FROM faces keeper WHERE keeper.face_id = d.duplicate_of AND keeper.state = 'kept'));

-- Faces to review, with label and verdict. A label resolves a conflict.
-- State and reason of a copy are those of dedupe; they come first, as f.* repeats those of the crop. `found_as` is the
-- label after the review of the photos, `compared` tells whether dedupe has compared the face. Copies are few: where the
-- key is NULL, SQLite does not search for one.
CREATE VIEW face_rows AS
WITH counted AS MATERIALIZED (SELECT * FROM vote_counts WHERE kind = 'face')
SELECT CASE WHEN copy.face_id IS NULL THEN f.state ELSE 'dropped' END AS state,
       coalesce(f.reason, copy.reason) AS reason, f.*, coalesce(v.emotion, i.emotion) AS emotion,
       (i.conflict OR coalesce(d.conflict, 0)) AND v.emotion IS NULL AS conflict,
       coalesce(v.verdict, NULL) AS verdict, v.reason AS verdict_reason, v.votes, v.adjudicated,
       f.state AS cropped, d.face_id IS NOT NULL AS compared, i.emotion AS found_as,
       i.url, i.page_url, i.license, i.creator, i.engine, i.query, i.language, i.expression, i.query_ethnicity,
       i.query_gender, i.query_age, i.candidate_id
FROM faces f JOIN croppable i USING (image_id)
LEFT JOIN face_dedupes d ON d.face_id = f.face_id
LEFT JOIN face_copies copy ON copy.face_id = CASE WHEN f.state = 'kept' AND d.state = 'dropped' THEN f.face_id END
LEFT JOIN counted v ON v.item_id = f.face_id;
