-- 0.2.0: how the votes on an item are spread, which nearly every question asks, is looked up instead of counted each time.

-- For every item somebody gave an answer to: what leads (the last adjudication or else the answer with most votes), its
-- votes and those of the next answer, all votes, how many different answers, and their spread (`happy:3;sad:1`). No
-- rule of consensus is in it: that is applied by the view `vote_counts`. A row without numbers is derived by the trigger
-- `tallies_derive`; decisions are only ever appended, so one more trigger keeps the table in step. A skip is no answer.
CREATE TABLE tallies (
    kind        TEXT NOT NULL,
    item_id     TEXT NOT NULL,
    verdict     TEXT,
    emotion     TEXT,
    reason      TEXT,
    votes       INTEGER,
    next_votes  INTEGER,
    total       INTEGER,
    answers     INTEGER,
    adjudicated INTEGER,
    spread      TEXT,
    PRIMARY KEY (kind, item_id)
) WITHOUT ROWID;

CREATE TRIGGER tallies_derive AFTER INSERT ON tallies WHEN new.votes IS NULL
BEGIN
    DELETE FROM tallies WHERE kind = new.kind AND item_id = new.item_id;
    INSERT INTO tallies
    SELECT new.kind, new.item_id, verdict, emotion, reason, votes, next_votes, total, answers,
           last_adjudication IS NOT NULL, spread
    FROM (SELECT *, row_number() OVER item AS place, nth_value(votes, 2) OVER item AS next_votes,
                 sum(votes) OVER item AS total, sum(votes > 0) OVER item AS answers,
                 max(adjudication) OVER item AS last_adjudication,
                 group_concat(CASE WHEN votes THEN answer || ':' || votes END, ';') OVER item AS spread
          FROM (SELECT d.verdict, d.emotion, min(d.reason) AS reason, coalesce(d.emotion, d.verdict) AS answer,
                       sum(NOT d.adjudicates) AS votes,
                       max(CASE WHEN d.adjudicates THEN d.decision_id END) AS adjudication
                FROM decisions d
                WHERE d.kind = new.kind AND d.item_id = new.item_id AND d.verdict NOT IN ('undo', 'skip')
                  AND NOT EXISTS (SELECT 1 FROM decisions u WHERE u.undoes = d.decision_id)
                  AND NOT EXISTS (  -- a later word of the same reviewer, as in the view `current_decisions`
                      SELECT 1 FROM decisions later
                      WHERE later.kind = d.kind AND later.item_id = d.item_id AND later.reviewer = d.reviewer
                        AND later.adjudicates = d.adjudicates AND +later.decision_id > d.decision_id
                        AND later.verdict <> 'undo'
                        AND NOT EXISTS (SELECT 1 FROM decisions u WHERE u.undoes = later.decision_id))
                GROUP BY d.verdict, d.emotion)
          WINDOW item AS (ORDER BY votes DESC, answer ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING))
    WHERE CASE WHEN last_adjudication IS NULL THEN place = 1 ELSE adjudication IS last_adjudication END;
END;

CREATE TRIGGER tallies_decided AFTER INSERT ON decisions
BEGIN  -- no INSERT OR REPLACE: within a trigger, the OR IGNORE of the statement that fires it would count
    DELETE FROM tallies WHERE kind = new.kind AND item_id = new.item_id;
    INSERT INTO tallies (kind, item_id) VALUES (new.kind, new.item_id);
END;

INSERT INTO tallies (kind, item_id) SELECT DISTINCT kind, item_id FROM decisions;
