-- 0.2.0: columns have the field's names. The names in manifests/*.csv are unchanged.
ALTER TABLE searches RENAME COLUMN asked TO results_requested;
ALTER TABLE candidates RENAME COLUMN refused TO opt_out;
ALTER TABLE duplicate_groups RENAME COLUMN kept_for TO kept_because;
ALTER TABLE face_hashes RENAME COLUMN fine TO phash_256;
ALTER TABLE face_hashes RENAME COLUMN fine_mirrored TO phash_256_mirrored;
ALTER TABLE face_hashes RENAME COLUMN fine_48 TO phash_256_48;
ALTER TABLE face_hashes RENAME COLUMN fine_48_mirrored TO phash_256_48_mirrored;
ALTER TABLE tombstones RENAME COLUMN why TO reason;
