ALTER TABLE detections DROP COLUMN reason;
ALTER TABLE incidents DROP COLUMN reason;
