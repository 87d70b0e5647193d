-- 0.2.0: where an image comes from, which nearly every question asks, is looked up instead of derived each time.

-- For every image the first candidate that led to it, its search, and the first candidate that states a licence
-- (found_by if none does). A row without them is derived by the trigger `origins_derive`; the others keep the table in
-- step, as an index is, whatever is written to fetches and candidates.
CREATE TABLE origins (
    image_id    TEXT PRIMARY KEY,
    found_by    INTEGER,
    search_id   INTEGER,
    licensed_by INTEGER
) WITHOUT ROWID;
CREATE INDEX origins_found_by ON origins (found_by);

CREATE TRIGGER origins_derive AFTER INSERT ON origins WHEN new.found_by IS NULL
BEGIN
    DELETE FROM origins WHERE image_id = new.image_id;
    INSERT INTO origins
    SELECT found.image_id, found.first, c.search_id, coalesce(found.licensed, found.first)
    FROM (SELECT f.image_id, min(c.candidate_id) AS first,
                 min(CASE WHEN c.license <> 'unknown' THEN c.candidate_id END) AS licensed
          FROM fetches f CROSS JOIN candidates c USING (url) WHERE f.image_id = new.image_id GROUP BY f.image_id) found
    JOIN candidates c ON c.candidate_id = found.first;
END;

-- No INSERT OR REPLACE here: within a trigger, the OR IGNORE of the statement that fires it would count.
CREATE TRIGGER origins_fetched AFTER INSERT ON fetches WHEN new.image_id IS NOT NULL
BEGIN
    DELETE FROM origins WHERE image_id = new.image_id;
    INSERT INTO origins (image_id) VALUES (new.image_id);
END;
CREATE TRIGGER origins_unfetched AFTER DELETE ON fetches WHEN old.image_id IS NOT NULL
BEGIN
    DELETE FROM origins WHERE image_id = old.image_id;
    INSERT INTO origins (image_id) VALUES (old.image_id);
END;
CREATE TRIGGER origins_refetched AFTER UPDATE OF url, image_id ON fetches
BEGIN
    DELETE FROM origins WHERE image_id IN (old.image_id, new.image_id);
    INSERT INTO origins (image_id) SELECT old.image_id WHERE old.image_id IS NOT NULL
                                   UNION SELECT new.image_id WHERE new.image_id IS NOT NULL;
END;
CREATE TRIGGER origins_found AFTER INSERT ON candidates
BEGIN
    DELETE FROM origins WHERE image_id = (SELECT image_id FROM fetches WHERE url = new.url);
    INSERT INTO origins (image_id) SELECT image_id FROM fetches WHERE url = new.url AND image_id IS NOT NULL;
END;
CREATE TRIGGER origins_lost AFTER DELETE ON candidates
BEGIN
    DELETE FROM origins WHERE image_id = (SELECT image_id FROM fetches WHERE url = old.url);
    INSERT INTO origins (image_id) SELECT image_id FROM fetches WHERE url = old.url AND image_id IS NOT NULL;
END;
CREATE TRIGGER origins_changed AFTER UPDATE OF candidate_id, search_id, url, license ON candidates
BEGIN
    DELETE FROM origins WHERE image_id IN (SELECT image_id FROM fetches WHERE url IN (old.url, new.url));
    INSERT INTO origins (image_id)
    SELECT DISTINCT image_id FROM fetches WHERE url IN (old.url, new.url) AND image_id IS NOT NULL;
END;

INSERT INTO origins
SELECT found.image_id, found.first, c.search_id, coalesce(found.licensed, found.first)
FROM (SELECT f.image_id, min(c.candidate_id) AS first,
             min(CASE WHEN c.license <> 'unknown' THEN c.candidate_id END) AS licensed
      FROM fetches f CROSS JOIN candidates c USING (url) WHERE f.image_id IS NOT NULL GROUP BY f.image_id) found
JOIN candidates c ON c.candidate_id = found.first;

