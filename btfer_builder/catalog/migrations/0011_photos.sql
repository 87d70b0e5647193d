-- What is known of own pictures; the share of a crop beyond its photo, and faces found in a second search.
ALTER TABLE candidates ADD COLUMN consent TEXT NOT NULL DEFAULT '';       -- of the people shown: yes, no, '': unknown
ALTER TABLE faces ADD COLUMN padding REAL;                                -- 0 to 1; NULL where it is not known
ALTER TABLE faces ADD COLUMN found_by TEXT NOT NULL DEFAULT '';           -- 'bordered': only in the photo with a border
UPDATE faces SET padding = (
    SELECT round(1.0 - max(0, min(h.width, crop_x + crop_width) - max(0, crop_x))
                     * max(0, min(h.height, crop_y + crop_height) - max(0, crop_y))
                     / (1.0 * crop_width * crop_height), 4)
    FROM hashes h WHERE h.image_id = faces.image_id AND h.width > 0)
WHERE crop_angle = 0;
