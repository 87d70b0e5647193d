-- The phrase that was sent, if it is shorter than that of the search; other rights than copyright; requests to engines.
ALTER TABLE candidates ADD COLUMN query_sent TEXT NOT NULL DEFAULT '';    -- '': the phrase of the search
ALTER TABLE candidates ADD COLUMN restrictions TEXT NOT NULL DEFAULT '';
ALTER TABLE candidates ADD COLUMN fallback_url TEXT NOT NULL DEFAULT '';
ALTER TABLE searches ADD COLUMN simplification INTEGER NOT NULL DEFAULT 0;  -- 0: the whole phrase
ALTER TABLE searches ADD COLUMN requests INTEGER NOT NULL DEFAULT 0;      -- pages asked for
UPDATE searches SET requests = (results_requested + 19) / 20 WHERE engine NOT IN ('urls', 'folder');
CREATE TABLE engine_requests (
    engine  TEXT NOT NULL,
    account TEXT NOT NULL,                                                -- '': anonymous
    sent_at REAL NOT NULL                                                 -- seconds since 1970
);
CREATE INDEX engine_requests_sent ON engine_requests (engine, account, sent_at);
