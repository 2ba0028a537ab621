-- Makes the extension in a database like one of before: functions, a table and a column's view that came later are not there, others
-- return something else, take other arguments or do something else, and there is what is no longer.
ALTER EXTENSION bdc DROP FUNCTION bdc.code_digest();
DROP FUNCTION bdc.code_digest();

ALTER EXTENSION bdc DROP FUNCTION bdc.remote_query(text, text, integer);
DROP FUNCTION bdc.remote_query(text, text, integer);

ALTER EXTENSION bdc DROP TABLE bdc.data_marks;
DROP TABLE bdc.data_marks;

ALTER EXTENSION bdc DROP FUNCTION bdc.pool_applied(uuid[], jsonb);
DROP FUNCTION bdc.pool_applied(uuid[], jsonb);
CREATE FUNCTION bdc.pool_applied(loads uuid[]) RETURNS void LANGUAGE sql AS '';
ALTER EXTENSION bdc ADD FUNCTION bdc.pool_applied(uuid[]);

ALTER EXTENSION bdc DROP FUNCTION bdc.carry_refresh_table(name, jsonb);
DROP FUNCTION bdc.carry_refresh_table(name, jsonb);
CREATE FUNCTION bdc.carry_refresh_table(a name, b jsonb) RETURNS void LANGUAGE sql AS '';
ALTER EXTENSION bdc ADD FUNCTION bdc.carry_refresh_table(name, jsonb);

CREATE OR REPLACE FUNCTION bdc.marks() RETURNS jsonb LANGUAGE sql AS 'SELECT NULL::jsonb';

ALTER EXTENSION bdc DROP VIEW bdc.query_history;
DROP VIEW bdc.query_history;
ALTER EXTENSION bdc DROP FUNCTION bdc.recorded_queries();
DROP FUNCTION bdc.recorded_queries();
CREATE FUNCTION bdc.recorded_queries() RETURNS TABLE (id text) LANGUAGE sql AS 'SELECT NULL';
CREATE VIEW bdc.query_history AS SELECT * FROM bdc.recorded_queries();
ALTER EXTENSION bdc ADD FUNCTION bdc.recorded_queries();
ALTER EXTENSION bdc ADD VIEW bdc.query_history;

CREATE FUNCTION bdc.given_up(a text) RETURNS text LANGUAGE sql AS 'SELECT a';
ALTER EXTENSION bdc ADD FUNCTION bdc.given_up(text);

ALTER EXTENSION bdc DROP EVENT TRIGGER bdc_drop;
DROP EVENT TRIGGER bdc_drop;
CREATE EVENT TRIGGER bdc_drop ON sql_drop WHEN TAG IN ('DROP FOREIGN TABLE') EXECUTE FUNCTION bdc.on_drop();
ALTER EXTENSION bdc ADD EVENT TRIGGER bdc_drop;

DELETE FROM bdc.connectors WHERE name = 'sqlserver';
