-- 0.2.0: what is being written, and how long a finished face is.

-- Files and folders that a command is about to write: committed before it begins, deleted with the commit of the rows
-- that name the result. What a killed command left there belongs to nobody.
CREATE TABLE intentions (
    path     TEXT PRIMARY KEY,                   -- relative to the workspace, or absolute
    stage    TEXT NOT NULL,                      -- whose lock its writer holds
    begun_at TEXT NOT NULL
) WITHOUT ROWID;

ALTER TABLE faces ADD COLUMN bytes INTEGER;      -- of the file; NULL without a crop, or where 0.1 wrote it
