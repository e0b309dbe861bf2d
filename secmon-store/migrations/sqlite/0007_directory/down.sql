DROP INDEX records_directory;
