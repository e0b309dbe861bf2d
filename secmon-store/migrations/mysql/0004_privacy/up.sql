-- Part of 0001_records: there was no version before on this database.
DO 0;
