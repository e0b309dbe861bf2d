-- For people who administer by hand.
CREATE OR REPLACE VIEW v_servers AS
SELECT CONVERT(name USING utf8mb4) AS server, FROM_UNIXTIME(MIN(first_seen) / 1000000) AS first_seen,
       FROM_UNIXTIME(MAX(last_seen) / 1000000) AS last_seen, SUM(events) AS events
FROM hosts GROUP BY name;

CREATE OR REPLACE VIEW v_logs AS
SELECT CONVERT(streams.label USING utf8mb4) AS writer, records.seq AS seq,
       FROM_UNIXTIME(records.ts / 1000000) AS time, CONVERT(records.host USING utf8mb4) AS host, records.level AS level,
       CONVERT(records.action USING utf8mb4) AS action, CONVERT(records.outcome USING utf8mb4) AS outcome,
       CONVERT(records.source_ip USING utf8mb4) AS source_ip, CONVERT(records.user_name USING utf8mb4) AS user_name,
       CONVERT(records.body USING utf8mb4) AS body
FROM records JOIN streams ON streams.stream_no = records.stream_no;

CREATE OR REPLACE VIEW v_incidents AS
SELECT CONVERT(id USING utf8mb4) AS id, CONVERT(rule USING utf8mb4) AS rule, title, level,
       CONVERT(state USING utf8mb4) AS state, grp AS `group`, count,
       FROM_UNIXTIME(first_ts / 1000000) AS first, FROM_UNIXTIME(last_ts / 1000000) AS last
FROM incidents;
