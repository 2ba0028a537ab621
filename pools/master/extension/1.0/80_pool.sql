-- What the compute pool (role bdc_pool) may read, and what users may ask of it. These functions only read, so the caller is taken from
-- the session: the role it has SET, else its login.

CREATE FUNCTION bdc.session_caller() RETURNS name LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT coalesce(nullif(current_setting('role'), 'none'), session_user::text)::name
$$;

CREATE FUNCTION bdc.pool_catalog() RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF NOT bdc.settled() OR bdc.identity() IS NULL THEN
    PERFORM bdc.settle();
  END IF;
  -- one statement, so that version, sources and tables are of one snapshot
  RETURN (SELECT jsonb_build_object(
    'database', current_database(),
    'identity', bdc.identity(),
    'version', (SELECT version::text FROM bdc.catalog_version),
    'sources', (SELECT coalesce(jsonb_agg(bdc.source_document(s) || jsonb_build_object('version', s.id || ':' || s.version) ORDER BY s.name), '[]')
                FROM bdc.source_definitions AS s),
    'tables', (SELECT coalesce(jsonb_agg(jsonb_build_object('schema', t.schema_name, 'name', t.table_name, 'source', s.name, 'location', t.location,
                 'columns', t.columns, 'options', t.options, 'rows', t.rows)
                 || CASE WHEN t.analyzed_at IS NULL THEN '{}' ELSE jsonb_build_object('facts', t.facts, 'analyzed_at', t.analyzed_at) END
                 || CASE WHEN d.table_id IS NULL THEN '{}' ELSE jsonb_build_object('data', jsonb_build_object('id', d.table_id, 'identity', bdc.rows_identity(d),
                   'schema_version', d.schema_version, 'columns', t.columns, 'distribution', d.distribution, 'primary_key', d.primary_key,
                   'shards', d.shards, 'buckets', d.buckets, 'placed', d.placed)) END ORDER BY t.schema_name, t.table_name), '[]')
               FROM bdc.table_definitions AS t JOIN bdc.source_definitions AS s ON s.id = t.source_id LEFT JOIN bdc.data_tables AS d ON d.table_id = t.id)));
END $$;

-- What the pool asks before each query: is the catalog that it knows still the newest?
CREATE FUNCTION bdc.pool_version() RETURNS text LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT version::text FROM bdc.catalog_version
$$;

-- "user" is the role's name without "fdw:"; up to one row of each kind; valid_until is null for ever.
CREATE FUNCTION bdc.pool_verifiers("user" text) RETURNS TABLE (kind text, verifier text, valid_until timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT 'mapping', m.verifier, nullif(r.rolvaliduntil, 'infinity')
  FROM bdc.mapping_verifiers AS m JOIN pg_roles AS r ON r.rolname = m.role_name
  WHERE m.role_name = "user" AND (r.rolcanlogin OR r.rolname IN ('bdc_owner', 'bdc_admin'))
  UNION ALL
  SELECT 'password', rolpassword, nullif(rolvaliduntil, 'infinity') FROM pg_authid
  WHERE rolname = "user" AND rolcanlogin AND rolpassword LIKE 'SCRAM-SHA-256$%' AND rolname NOT LIKE 'bdc\_%'
$$;

CREATE FUNCTION bdc.pool_privileges("user" text, schema_name text, table_name text) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT coalesce((
    SELECT has_table_privilege(r.oid, c.oid, 'SELECT') AND has_schema_privilege(r.oid, c.relnamespace, 'USAGE')
    FROM pg_class AS c, pg_roles AS r
    WHERE c.oid = bdc.relation_of(schema_name, table_name) AND r.rolname = "user"), false)
$$;

CREATE FUNCTION bdc.test_source(name text) RETURNS TABLE (ok boolean, version text, milliseconds double precision)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
  SET debug_print_parse = off SET debug_print_rewritten = off SET debug_print_plan = off AS $$
DECLARE
  caller name := bdc.session_caller();
  source bdc.source_definitions := bdc.usable_source(caller, name);
BEGIN
  RETURN QUERY SELECT true, response ->> 'version', (response ->> 'milliseconds')::double precision
    FROM bdc.request(caller, jsonb_build_object('action', 'test', 'source', bdc.source_document(source))) AS response;
END $$;
COMMENT ON FUNCTION bdc.test_source(text) IS 'One round trip to the source; an error says what failed';

-- A portion of ``bdc source verify``: random queries over the source's virtual tables, with pushdown, without, and on a local copy. For whoever
-- may make virtual tables over the source and may SELECT from those that there are (the pool checks that).
CREATE FUNCTION bdc.verify_source(name text, queries integer, seed bigint, first integer DEFAULT 0, seconds double precision DEFAULT 30, table_rows integer DEFAULT 1000,
  beside text[] DEFAULT '{}', tables text[] DEFAULT '{}')
RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
  SET debug_print_parse = off SET debug_print_rewritten = off SET debug_print_plan = off AS $$
DECLARE
  caller name := bdc.session_caller();
  sources text[] := ARRAY[name] || beside;
BEGIN
  PERFORM bdc.usable_source(caller, source_name) FROM unnest(sources) AS source_name;
  RETURN (SELECT response FROM bdc.request(caller, jsonb_build_object('action', 'verify', 'sources', sources, 'tables', tables, 'queries', queries,
    'seed', seed, 'first', first, 'seconds', seconds, 'rows', table_rows)) AS response);
END $$;
COMMENT ON FUNCTION bdc.verify_source(text, integer, bigint, integer, double precision, integer, text[], text[]) IS 'Does pushdown change an answer? Random queries over the virtual tables of the source and those beside it, compared';

CREATE FUNCTION bdc.queries() RETURNS TABLE (id text, "user" text, database text, sql text, state text, seconds double precision, rows bigint, session text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  caller name := bdc.session_caller();
BEGIN
  IF bdc.cluster_setting('pool_hosts') LIKE '%,%' THEN
    RAISE WARNING 'the compute pool has several replicas: this is what runs on the one that this session reached'
      USING HINT = 'Ask from further sessions for the others; ids of different replicas differ.';
  END IF;
  RETURN QUERY SELECT q.id, q."user", q.database, q.sql, q.state, q.seconds, q.rows, q.session
    FROM bdc.request(caller, '{"action": "queries"}') AS response,
      jsonb_to_record(response) AS q (id text, "user" text, database text, sql text, state text, seconds double precision, rows bigint, session text)
    WHERE bdc.is_admin(caller) OR q."user" IN (caller, 'fdw:' || caller);
END $$;
COMMENT ON FUNCTION bdc.queries() IS 'Queries that the compute pool runs now; all of them for members of bdc_admin, else the caller''s own';

CREATE FUNCTION bdc.kill_query(id text) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF NOT EXISTS (SELECT FROM bdc.queries() AS q WHERE q.id = kill_query.id) THEN
    RAISE EXCEPTION USING ERRCODE = 'undefined_object', MESSAGE = format('no running query "%s" that you may end', id), HINT = 'SELECT * FROM bdc.queries() lists them; with several replicas of the compute pool, those of the replica that the session reached.';
  END IF;
  RETURN (SELECT (response ->> 'killed')::boolean
    FROM bdc.request(bdc.session_caller(), jsonb_build_object('action', 'kill', 'id', id)) AS response);
END $$;

-- What the queries of the pool that are over asked and moved. The text of a query is as the pool got it, literals and all: for who asked it, and
-- for members of bdc_admin.
CREATE FUNCTION bdc.recorded_queries() RETURNS TABLE (id text, "user" text, database text, started timestamptz, milliseconds double precision, sql text,
  state text, code text, message text, executor text, rows bigint, bytes bigint, rows_moved bigint, bytes_moved bigint, rows_avoidable bigint,
  bytes_avoidable bigint, reasons text[], fragments jsonb, session text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  caller name := bdc.session_caller();
BEGIN
  IF bdc.cluster_setting('pool_hosts') LIKE '%,%' THEN
    RAISE WARNING 'the compute pool has several replicas: this is the history of the one that this session reached'
      USING HINT = 'Ask from further sessions for the others; ids of different replicas differ.';
  END IF;
  RETURN QUERY SELECT q.* FROM bdc.request(caller, '{"action": "history"}') AS response,
      jsonb_to_record(response) AS q (id text, "user" text, database text, started timestamptz, milliseconds double precision, sql text,
        state text, code text, message text, executor text, rows bigint, bytes bigint, rows_moved bigint, bytes_moved bigint, rows_avoidable bigint,
        bytes_avoidable bigint, reasons text[], fragments jsonb, session text)
    WHERE bdc.is_admin(caller) OR q."user" = caller;
END $$;

CREATE VIEW bdc.query_history AS SELECT * FROM bdc.recorded_queries();
COMMENT ON VIEW bdc.query_history IS 'Queries of the compute pool that are over: all of them for members of bdc_admin, else the caller''s own';

-- A text in the source's own language, run there as it is, with the source's credential: for whoever may make virtual tables over the source.
CREATE FUNCTION bdc.remote_query(source text, query text, most integer DEFAULT 10000) RETURNS SETOF jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
  SET debug_print_parse = off SET debug_print_rewritten = off SET debug_print_plan = off AS $$
DECLARE
  caller name := bdc.session_caller();
  definition bdc.source_definitions := bdc.usable_source(caller, source);
BEGIN
  RETURN QUERY SELECT (response ->> 'row')::jsonb FROM bdc.request(caller, jsonb_build_object('action', 'remote_query',
    'source', bdc.source_document(definition), 'query', query, 'most', most)) AS response;
END $$;
COMMENT ON FUNCTION bdc.remote_query(text, text, integer) IS 'Rows of a query in the source''s own language, a JSON object each; more than "most" rows are an error';
