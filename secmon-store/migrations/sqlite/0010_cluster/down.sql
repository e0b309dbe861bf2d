DROP TABLE leases;
DROP TABLE uncounted;
