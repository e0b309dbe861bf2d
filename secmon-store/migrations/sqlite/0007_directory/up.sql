-- What streams say of one another is read apart from all the rest.
CREATE INDEX records_directory ON records (stream_no, seq) WHERE category = 'secmon.directory';
