-- Who owns and who may call. Everything belongs to bdc_owner, except what only a superuser can do; nothing is for PUBLIC.
-- Written so that it can be run again at the end of each migration.
DO $$
DECLARE
  object record;
  superuser_functions CONSTANT text[] := ARRAY['make_table', 'remove_table', 'set_rows', 'set_statistics', 'change_columns', 'rename_column', 'settle', 'on_login', 'on_alter_table', 'on_drop', 'on_create_view', 'pool_backend_xid', 'analyze_table', 'column_facts', 'pool_session_origin'];
BEGIN
  FOR object IN SELECT p.oid::pg_catalog.regprocedure AS signature, p.proname FROM pg_catalog.pg_proc p WHERE p.pronamespace = 'bdc'::pg_catalog.regnamespace LOOP
    EXECUTE pg_catalog.format('REVOKE ALL ON ROUTINE %s FROM PUBLIC', object.signature);
    IF object.proname <> ALL (superuser_functions) THEN
      EXECUTE pg_catalog.format('ALTER ROUTINE %s OWNER TO bdc_owner', object.signature);
    END IF;
  END LOOP;
  FOR object IN SELECT c.oid::pg_catalog.regclass AS name, c.relkind FROM pg_catalog.pg_class c
                WHERE c.relnamespace = 'bdc'::pg_catalog.regnamespace AND c.relkind IN ('r', 'v', 'f', 'S') LOOP
    EXECUTE pg_catalog.format('REVOKE ALL ON TABLE %s FROM PUBLIC', object.name);
    EXECUTE pg_catalog.format('ALTER %s %s OWNER TO bdc_owner', CASE object.relkind WHEN 'v' THEN 'VIEW' WHEN 'f' THEN 'FOREIGN TABLE' WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, object.name);
  END LOOP;
END $$;

REVOKE ALL ON FOREIGN SERVER compute_pool FROM PUBLIC;
GRANT USAGE ON SCHEMA bdc TO PUBLIC;
-- whoever alters a table of his own passes the guard
GRANT EXECUTE ON FUNCTION bdc.relation_with_wrong_key, bdc.data_table_with_other_columns TO PUBLIC;

GRANT EXECUTE ON FUNCTION bdc.make_table, bdc.remove_table, bdc.set_rows, bdc.set_statistics, bdc.change_columns, bdc.rename_column, bdc.settle, bdc.analyze_table, bdc.column_facts,
  bdc.pool_backend_xid TO bdc_owner;
GRANT EXECUTE ON FUNCTION pg_catalog.pg_control_system TO bdc_owner;
GRANT SELECT (rolname, rolpassword, rolcanlogin, rolvaliduntil) ON pg_catalog.pg_authid TO bdc_owner;

GRANT EXECUTE ON FUNCTION bdc.pool_catalog, bdc.pool_version, bdc.pool_verifiers, bdc.pool_privileges, bdc.pool_app_reader, bdc.pool_session_origin TO bdc_pool;
GRANT EXECUTE ON FUNCTION bdc.pool_begin_load, bdc.pool_decide_load, bdc.pool_abort_load, bdc.pool_renew_load, bdc.pool_load, bdc.pool_loads, bdc.pool_states,
  bdc.pool_applied, bdc.pool_snapshot, bdc.pool_sweep, bdc.pool_collected, bdc.pool_table_right, bdc.pool_backend_xid, bdc.pool_analyze,
  bdc.pool_identities, bdc.pool_lost_databases, bdc.pool_forget_database TO bdc_pool;

GRANT INSERT (command, arguments) ON bdc.commands TO bdc_user;
GRANT SELECT ON bdc.data_sources, bdc.virtual_tables, bdc.virtual_relations, bdc.connectors, bdc.default_grants, bdc.data_tables_view, bdc.loads, bdc.query_history TO bdc_user;
GRANT EXECUTE ON ALL PROCEDURES IN SCHEMA bdc TO bdc_user;
GRANT SELECT (arguments) ON bdc.commands TO bdc_user;  -- RETURNING what a command gave back; the view holds no row
GRANT EXECUTE ON FUNCTION bdc.explain, bdc.explain_text, bdc.explain_json, bdc.pool_explain, bdc.pool_kept_by_master, bdc.remote_statements, bdc.recorded_queries, bdc.remote_query, bdc.score, bdc.pool_score, bdc.score_rows, bdc.score_columns, bdc.test_source, bdc.verify_source, bdc.queries, bdc.kill_query, bdc.sealing_key, bdc.cluster_setting, bdc.identity, bdc.settle,
  bdc.flight_address, bdc.data_table_name TO bdc_user;
GRANT SELECT, INSERT, UPDATE, DELETE ON bdc.default_grants TO bdc_admin;
GRANT SELECT ON bdc.source_grants TO bdc_admin;
