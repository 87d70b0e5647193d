-- After 0.2.0: counts and CSV views of a large catalog are made again only where something they show has changed.

-- Search results, photos and faces (`items`) by everything the funnel shows of them, as JSON, with their number.
CREATE TABLE item_counts (
    items   TEXT NOT NULL,
    outcome TEXT NOT NULL,
    n       INTEGER NOT NULL,
    PRIMARY KEY (items, outcome)
) WITHOUT ROWID;

-- The files in manifests/ that have what the catalog has, as they were written: length, and nanoseconds since 1970.
CREATE TABLE csv_views (
    name     TEXT PRIMARY KEY,
    bytes    INTEGER NOT NULL,
    modified INTEGER NOT NULL
) WITHOUT ROWID;

-- Whatever is written to a table deletes what was made of it, as an index would follow. A test compares these triggers
-- with the tables that the questions read. Decisions are only ever appended.

-- The crawl, dedupe of photos, the rule of consensus: everything.
CREATE TRIGGER searches_insert_forgets AFTER INSERT ON searches
BEGIN DELETE FROM item_counts; DELETE FROM csv_views; END;
CREATE TRIGGER searches_update_forgets AFTER UPDATE ON searches
BEGIN DELETE FROM item_counts; DELETE FROM csv_views; END;
CREATE TRIGGER searches_delete_forgets AFTER DELETE ON searches
BEGIN DELETE FROM item_counts; DELETE FROM csv_views; END;
CREATE TRIGGER candidates_insert_forgets AFTER INSERT ON candidates
BEGIN DELETE FROM item_counts; DELETE FROM csv_views; END;
CREATE TRIGGER candidates_update_forgets AFTER UPDATE ON candidates
BEGIN DELETE FROM item_counts; DELETE FROM csv_views; END;
CREATE TRIGGER candidates_delete_forgets AFTER DELETE ON candidates
BEGIN DELETE FROM item_counts; DELETE FROM csv_views; END;
CREATE TRIGGER fetches_insert_forgets AFTER INSERT ON fetches
BEGIN DELETE FROM item_counts; DELETE FROM csv_views; END;
CREATE TRIGGER fetches_update_forgets AFTER UPDATE ON fetches
BEGIN DELETE FROM item_counts; DELETE FROM csv_views; END;
CREATE TRIGGER fetches_delete_forgets AFTER DELETE ON fetches
BEGIN DELETE FROM item_counts; DELETE FROM csv_views; END;
CREATE TRIGGER origins_insert_forgets AFTER INSERT ON origins
BEGIN DELETE FROM item_counts; DELETE FROM csv_views; END;
CREATE TRIGGER origins_update_forgets AFTER UPDATE ON origins
BEGIN DELETE FROM item_counts; DELETE FROM csv_views; END;
CREATE TRIGGER origins_delete_forgets AFTER DELETE ON origins
BEGIN DELETE FROM item_counts; DELETE FROM csv_views; END;
CREATE TRIGGER images_insert_forgets AFTER INSERT ON images
BEGIN DELETE FROM item_counts; DELETE FROM csv_views; END;
CREATE TRIGGER images_update_forgets AFTER UPDATE ON images
BEGIN DELETE FROM item_counts; DELETE FROM csv_views; END;
CREATE TRIGGER images_delete_forgets AFTER DELETE ON images
BEGIN DELETE FROM item_counts; DELETE FROM csv_views; END;
CREATE TRIGGER hashes_insert_forgets AFTER INSERT ON hashes
BEGIN DELETE FROM item_counts; DELETE FROM csv_views; END;
CREATE TRIGGER hashes_update_forgets AFTER UPDATE ON hashes
BEGIN DELETE FROM item_counts; DELETE FROM csv_views; END;
CREATE TRIGGER hashes_delete_forgets AFTER DELETE ON hashes
BEGIN DELETE FROM item_counts; DELETE FROM csv_views; END;
CREATE TRIGGER dedupes_insert_forgets AFTER INSERT ON dedupes
BEGIN DELETE FROM item_counts; DELETE FROM csv_views; END;
CREATE TRIGGER dedupes_update_forgets AFTER UPDATE ON dedupes
BEGIN DELETE FROM item_counts; DELETE FROM csv_views; END;
CREATE TRIGGER dedupes_delete_forgets AFTER DELETE ON dedupes
BEGIN DELETE FROM item_counts; DELETE FROM csv_views; END;
CREATE TRIGGER consensus_insert_forgets AFTER INSERT ON consensus
BEGIN DELETE FROM item_counts; DELETE FROM csv_views; END;
CREATE TRIGGER consensus_update_forgets AFTER UPDATE ON consensus
BEGIN DELETE FROM item_counts; DELETE FROM csv_views; END;
CREATE TRIGGER consensus_delete_forgets AFTER DELETE ON consensus
BEGIN DELETE FROM item_counts; DELETE FROM csv_views; END;
CREATE TRIGGER purged_insert_forgets AFTER INSERT ON purged
BEGIN DELETE FROM item_counts; DELETE FROM csv_views; END;
CREATE TRIGGER purged_update_forgets AFTER UPDATE ON purged
BEGIN DELETE FROM item_counts; DELETE FROM csv_views; END;
CREATE TRIGGER purged_delete_forgets AFTER DELETE ON purged
BEGIN DELETE FROM item_counts; DELETE FROM csv_views; END;

-- The crop and dedupe of faces.
CREATE TRIGGER crops_insert_forgets AFTER INSERT ON crops
BEGIN DELETE FROM item_counts WHERE items <> 'candidates'; DELETE FROM csv_views WHERE name NOT IN ('candidates', 'images', 'duplicates', 'decisions'); END;
CREATE TRIGGER crops_update_forgets AFTER UPDATE ON crops
BEGIN DELETE FROM item_counts WHERE items <> 'candidates'; DELETE FROM csv_views WHERE name NOT IN ('candidates', 'images', 'duplicates', 'decisions'); END;
CREATE TRIGGER crops_delete_forgets AFTER DELETE ON crops
BEGIN DELETE FROM item_counts WHERE items <> 'candidates'; DELETE FROM csv_views WHERE name NOT IN ('candidates', 'images', 'duplicates', 'decisions'); END;
CREATE TRIGGER faces_insert_forgets AFTER INSERT ON faces
BEGIN DELETE FROM item_counts WHERE items <> 'candidates'; DELETE FROM csv_views WHERE name NOT IN ('candidates', 'images', 'duplicates', 'decisions'); END;
CREATE TRIGGER faces_update_forgets AFTER UPDATE ON faces
BEGIN DELETE FROM item_counts WHERE items <> 'candidates'; DELETE FROM csv_views WHERE name NOT IN ('candidates', 'images', 'duplicates', 'decisions'); END;
CREATE TRIGGER faces_delete_forgets AFTER DELETE ON faces
BEGIN DELETE FROM item_counts WHERE items <> 'candidates'; DELETE FROM csv_views WHERE name NOT IN ('candidates', 'images', 'duplicates', 'decisions'); END;
CREATE TRIGGER face_dedupes_insert_forgets AFTER INSERT ON face_dedupes
BEGIN DELETE FROM item_counts WHERE items <> 'candidates'; DELETE FROM csv_views WHERE name NOT IN ('candidates', 'images', 'duplicates', 'decisions'); END;
CREATE TRIGGER face_dedupes_update_forgets AFTER UPDATE ON face_dedupes
BEGIN DELETE FROM item_counts WHERE items <> 'candidates'; DELETE FROM csv_views WHERE name NOT IN ('candidates', 'images', 'duplicates', 'decisions'); END;
CREATE TRIGGER face_dedupes_delete_forgets AFTER DELETE ON face_dedupes
BEGIN DELETE FROM item_counts WHERE items <> 'candidates'; DELETE FROM csv_views WHERE name NOT IN ('candidates', 'images', 'duplicates', 'decisions'); END;

-- A decision on a face changes neither the photos nor the search results, one on a photo both rounds.
CREATE TRIGGER decisions_insert_forgets AFTER INSERT ON decisions
BEGIN DELETE FROM item_counts WHERE items IN (new.kind || 's', 'faces');
      DELETE FROM csv_views WHERE name NOT IN ('candidates', 'duplicates', 'face_duplicates'); END;
CREATE TRIGGER tallies_insert_forgets AFTER INSERT ON tallies
BEGIN DELETE FROM item_counts WHERE items IN (new.kind || 's', 'faces');
      DELETE FROM csv_views WHERE name NOT IN ('candidates', 'duplicates', 'face_duplicates'); END;
CREATE TRIGGER tallies_update_forgets AFTER UPDATE ON tallies
BEGIN DELETE FROM item_counts WHERE items IN (new.kind || 's', 'faces');
      DELETE FROM csv_views WHERE name NOT IN ('candidates', 'duplicates', 'face_duplicates'); END;
CREATE TRIGGER tallies_delete_forgets AFTER DELETE ON tallies
BEGIN DELETE FROM item_counts WHERE items IN (old.kind || 's', 'faces');
      DELETE FROM csv_views WHERE name NOT IN ('candidates', 'duplicates', 'face_duplicates'); END;

-- The draw, leaks, and the description of groups.
CREATE TRIGGER sample_insert_forgets AFTER INSERT ON sample
BEGIN DELETE FROM item_counts WHERE items <> 'candidates'; DELETE FROM csv_views WHERE name IN ('sample', 'leakage'); END;
CREATE TRIGGER sample_update_forgets AFTER UPDATE ON sample
BEGIN DELETE FROM item_counts WHERE items <> 'candidates'; DELETE FROM csv_views WHERE name IN ('sample', 'leakage'); END;
CREATE TRIGGER sample_delete_forgets AFTER DELETE ON sample
BEGIN DELETE FROM item_counts WHERE items <> 'candidates'; DELETE FROM csv_views WHERE name IN ('sample', 'leakage'); END;
CREATE TRIGGER undrawn_insert_forgets AFTER INSERT ON undrawn
BEGIN DELETE FROM item_counts WHERE items <> 'candidates'; DELETE FROM csv_views WHERE name IN ('sample', 'leakage'); END;
CREATE TRIGGER undrawn_update_forgets AFTER UPDATE ON undrawn
BEGIN DELETE FROM item_counts WHERE items <> 'candidates'; DELETE FROM csv_views WHERE name IN ('sample', 'leakage'); END;
CREATE TRIGGER undrawn_delete_forgets AFTER DELETE ON undrawn
BEGIN DELETE FROM item_counts WHERE items <> 'candidates'; DELETE FROM csv_views WHERE name IN ('sample', 'leakage'); END;
CREATE TRIGGER leaks_insert_forgets AFTER INSERT ON leaks
BEGIN DELETE FROM csv_views WHERE name = 'leakage'; END;
CREATE TRIGGER leaks_update_forgets AFTER UPDATE ON leaks
BEGIN DELETE FROM csv_views WHERE name = 'leakage'; END;
CREATE TRIGGER leaks_delete_forgets AFTER DELETE ON leaks
BEGIN DELETE FROM csv_views WHERE name = 'leakage'; END;
CREATE TRIGGER training_sets_insert_forgets AFTER INSERT ON training_sets
BEGIN DELETE FROM csv_views WHERE name = 'leakage'; END;
CREATE TRIGGER training_sets_update_forgets AFTER UPDATE ON training_sets
BEGIN DELETE FROM csv_views WHERE name = 'leakage'; END;
CREATE TRIGGER training_sets_delete_forgets AFTER DELETE ON training_sets
BEGIN DELETE FROM csv_views WHERE name = 'leakage'; END;
CREATE TRIGGER duplicate_groups_insert_forgets AFTER INSERT ON duplicate_groups
BEGIN DELETE FROM csv_views WHERE name IN ('duplicates', 'face_duplicates'); END;
CREATE TRIGGER duplicate_groups_update_forgets AFTER UPDATE ON duplicate_groups
BEGIN DELETE FROM csv_views WHERE name IN ('duplicates', 'face_duplicates'); END;
CREATE TRIGGER duplicate_groups_delete_forgets AFTER DELETE ON duplicate_groups
BEGIN DELETE FROM csv_views WHERE name IN ('duplicates', 'face_duplicates'); END;
