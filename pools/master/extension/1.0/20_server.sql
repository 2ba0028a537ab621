-- The one server of all virtual tables, and what binds it to this database.
CREATE SERVER compute_pool FOREIGN DATA WRAPPER postgres_fdw;
COMMENT ON SERVER compute_pool IS 'The compute pool; its options are set by bdc.settle()';

CREATE FOREIGN TABLE bdc.compute_request (request text, ordinal integer, response text)
  SERVER compute_pool OPTIONS (schema_name 'bdc', table_name 'compute_request');
COMMENT ON FOREIGN TABLE bdc.compute_request IS 'A function of the compute pool in the form of a table: WHERE request = <json> gives the answer''s rows';

-- Settings of the whole cluster live as settings of role bdc_owner: readable in every database, also in one made a moment ago.
CREATE FUNCTION bdc.cluster_setting(setting text) RETURNS text LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT substr(entry, strpos(entry, '=') + 1)
  FROM pg_db_role_setting, unnest(setconfig) AS entry
  WHERE setdatabase = 0 AND setrole = 'bdc_owner'::regrole AND split_part(entry, '=', 1) = 'bdc.' || setting
$$;

CREATE FUNCTION bdc.sealing_key() RETURNS text LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  known text := bdc.cluster_setting('sealing_key');
BEGIN
  IF known IS NULL THEN
    RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state', MESSAGE = 'this server has no sealing key yet',
      HINT = 'The job master-setup sets it; see "bdc status".';
  END IF;
  RETURN known;
END $$;
COMMENT ON FUNCTION bdc.sealing_key() IS 'Public key (base64) with which secrets of data sources are sealed';

CREATE FUNCTION bdc.flight_address() RETURNS text LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT address FROM string_to_table(bdc.cluster_setting('flight_addresses'), ',') AS address WHERE address <> '' ORDER BY random() LIMIT 1
$$;
COMMENT ON FUNCTION bdc.flight_address() IS 'host:port of one of the compute pool''s Flight endpoints, where bulk reads and writes begin; null without a data pool';

CREATE FUNCTION bdc.wanted_server_options() RETURNS TABLE (name text, value text) LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT name, value FROM (VALUES
    ('host', bdc.cluster_setting('pool_hosts')),
    ('port', bdc.cluster_setting('pool_ports')),
    ('load_balance_hosts', CASE WHEN bdc.cluster_setting('pool_hosts') LIKE '%,%' THEN 'random' END),
    ('sslmode', CASE WHEN bdc.cluster_setting('pool_authority') <> '' THEN 'verify-full' END),
    ('sslrootcert', nullif(bdc.cluster_setting('pool_authority'), '')),
    ('dbname', current_database()::text),
    ('application_name', 'bdc %p %c %u %d'),
    ('connect_timeout', '10'),
    ('keepalives_idle', '60'),
    ('fetch_size', '20000'),
    ('fdw_tuple_cost', '10000'),
    ('updatable', 'false'),
    ('truncatable', 'false')
  ) AS wanted (name, value)
  WHERE value IS NOT NULL
$$;

CREATE FUNCTION bdc.server_option_changes() RETURNS text LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT string_agg(
    CASE WHEN present.option_name IS NULL THEN format('ADD %I %L', wanted.name, wanted.value)
         WHEN wanted.name IS NULL THEN format('DROP %I', present.option_name)
         ELSE format('SET %I %L', wanted.name, wanted.value) END, ', ')
  FROM bdc.wanted_server_options() AS wanted
  FULL JOIN (SELECT option_name, option_value FROM pg_foreign_server, pg_options_to_table(srvoptions) WHERE srvname = 'compute_pool') AS present
    ON present.option_name = wanted.name
  WHERE present.option_value IS DISTINCT FROM wanted.value
$$;

CREATE FUNCTION bdc.identity() RETURNS uuid LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT id FROM bdc.identities, pg_control_system() AS server, pg_database AS here
  WHERE here.datname = current_database() AND identities.database_oid = here.oid AND identities.system_identifier = server.system_identifier
$$;

-- Repeatable: brings the server's options and this database's identity to what they should be. A superuser's function, because
-- the server's owner is one; it takes no argument, so there is nothing that a caller could make it do.
CREATE FUNCTION bdc.settle() RETURNS uuid LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  changes text;
BEGIN
  PERFORM pg_advisory_xact_lock('pg_foreign_server'::regclass::oid::int, (SELECT oid::int FROM pg_foreign_server WHERE srvname = 'compute_pool'));
  changes := bdc.server_option_changes();
  IF changes IS NOT NULL THEN
    EXECUTE 'ALTER SERVER compute_pool OPTIONS (' || changes || ')';
  END IF;
  INSERT INTO bdc.identities (system_identifier, database_oid, database_name)
    SELECT server.system_identifier, here.oid, here.datname
    FROM pg_control_system() AS server, pg_database AS here
    WHERE here.datname = current_database() AND NOT here.datistemplate
    ON CONFLICT DO NOTHING;
  IF FOUND THEN  -- a copy: the loads under way, and the dropped tables, are the original's
    DELETE FROM bdc.data_loads;
    DELETE FROM bdc.data_dropped;
    DELETE FROM bdc.data_heads;
  END IF;
  RETURN bdc.identity();
END $$;
COMMENT ON FUNCTION bdc.settle() IS 'Binds the compute pool''s server to this database; done at the first login after CREATE DATABASE, copy or rename';

CREATE FUNCTION bdc.settled() RETURNS boolean LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT EXISTS (
    SELECT FROM pg_foreign_server WHERE srvname = 'compute_pool' AND ('dbname=' || current_database()) = ANY (srvoptions))
$$;

-- A database that was cloned, copied or renamed still names another one to the pool; nobody may run a query before that is put right.
CREATE FUNCTION bdc.on_login() RETURNS event_trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF EXISTS (SELECT FROM pg_foreign_server WHERE srvname = 'compute_pool' AND ('dbname=' || current_database()) = ANY (srvoptions)) THEN
    RETURN;
  END IF;
  IF pg_is_in_recovery() OR EXISTS (SELECT FROM pg_database WHERE datname = current_database() AND datistemplate) THEN
    RETURN;
  END IF;
  PERFORM bdc.settle();
EXCEPTION WHEN OTHERS THEN
  IF (SELECT rolsuper FROM pg_roles WHERE rolname = session_user) THEN
    RAISE WARNING USING MESSAGE = format('database "%s" is not settled: %s', current_database(), SQLERRM), HINT = 'SELECT bdc.settle();';
  ELSE
    RAISE EXCEPTION USING ERRCODE = SQLSTATE, MESSAGE = format('database "%s" was copied or renamed and could not be settled: %s', current_database(), SQLERRM),
      HINT = 'Connect once without default_transaction_read_only, or ask an administrator to run SELECT bdc.settle().';
  END IF;
END $$;

DO $$
BEGIN
  IF pg_catalog.current_setting('server_version_num')::int >= 170000 THEN
    EXECUTE 'CREATE EVENT TRIGGER bdc_login ON login EXECUTE FUNCTION bdc.on_login()';
  END IF;
END $$;

-- One request to the pool, as bdc_owner. The pool's error is raised again without its context, which would hold the whole request.
-- Here and in whatever reads a credential: any session may set debug_print_plan, and would see its constants, the sealed secret too.
CREATE FUNCTION bdc.request(caller name, body jsonb) RETURNS SETOF jsonb LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
  SET debug_print_parse = off SET debug_print_rewritten = off SET debug_print_plan = off AS $$
DECLARE
  text_of_request text COLLATE "default" := (body || jsonb_build_object('user', caller))::text;
  state text;
  problem text;
  detail text;
  hint text;
BEGIN
  RETURN QUERY SELECT answer.response::jsonb
    FROM (SELECT ordinal, response FROM bdc.compute_request WHERE request = text_of_request) AS answer;
EXCEPTION WHEN OTHERS OR query_canceled THEN
  GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, problem = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
  IF state = '08001' AND problem LIKE 'could not connect to server "compute_pool"%' THEN
    problem := 'the compute pool does not answer';
    hint := 'See "bdc status"; the master''s local tables work without it.';
  END IF;
  -- an empty text would be shown as a line without content, and NULL is refused
  IF detail = '' AND hint = '' THEN
    RAISE EXCEPTION USING ERRCODE = state, MESSAGE = problem;
  ELSIF detail = '' THEN
    RAISE EXCEPTION USING ERRCODE = state, MESSAGE = problem, HINT = hint;
  ELSIF hint = '' THEN
    RAISE EXCEPTION USING ERRCODE = state, MESSAGE = problem, DETAIL = detail;
  END IF;
  RAISE EXCEPTION USING ERRCODE = state, MESSAGE = problem, DETAIL = detail, HINT = hint;
END $$;
