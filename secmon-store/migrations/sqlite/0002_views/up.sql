-- For people who administer by hand.
CREATE VIEW v_servers AS
SELECT name AS server, datetime(MIN(first_seen) / 1000000, 'unixepoch') AS first_seen,
       datetime(MAX(last_seen) / 1000000, 'unixepoch') AS last_seen, SUM(events) AS events
FROM hosts GROUP BY name;

CREATE VIEW v_logs AS
SELECT streams.label AS writer, records.seq AS seq, datetime(records.ts / 1000000, 'unixepoch') AS time,
       records.host, records.level, records.action, records.outcome, records.source_ip, records.user_name,
       CAST(records.body AS TEXT) AS body
FROM records JOIN streams ON streams.stream_no = records.stream_no;

CREATE VIEW v_incidents AS
SELECT id, rule, title, level, state, grp AS "group", count,
       datetime(first_ts / 1000000, 'unixepoch') AS first, datetime(last_ts / 1000000, 'unixepoch') AS last
FROM incidents;
