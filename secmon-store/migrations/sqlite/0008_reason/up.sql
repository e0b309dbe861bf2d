-- What a rule that learns expected, and what it saw.
ALTER TABLE incidents ADD COLUMN reason TEXT;
ALTER TABLE detections ADD COLUMN reason TEXT;
