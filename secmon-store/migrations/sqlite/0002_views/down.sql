DROP VIEW v_incidents;
DROP VIEW v_logs;
DROP VIEW v_servers;
