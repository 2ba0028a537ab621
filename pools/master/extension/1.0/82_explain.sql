-- bdc.explain: the master's plan, what it kept and why, and the compute pool's words for each remote SQL.

-- The narrow doors for bdc.explain, which runs as its caller. The pool checks that the caller may SELECT from what a text names.
CREATE FUNCTION bdc.pool_explain(remote_sql text, format text, run boolean DEFAULT false) RETURNS SETOF jsonb LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RETURN QUERY SELECT bdc.request(bdc.session_caller(), jsonb_build_object('action', 'explain', 'sql', remote_sql, 'format', format)
    || CASE WHEN run THEN '{"analyze": true}' ELSE '{}'::jsonb END);
END $$;

CREATE FUNCTION bdc.pool_kept_by_master(plan jsonb, format text) RETURNS SETOF jsonb LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RETURN QUERY SELECT bdc.request(bdc.session_caller(), jsonb_build_object('action', 'kept_by_master', 'plan', plan, 'format', format));
END $$;

-- Every remote SQL of a plan as EXPLAIN (FORMAT JSON) prints it, in the plan's order.
CREATE FUNCTION bdc.remote_statements(plan jsonb) RETURNS TABLE (place bigint, remote_sql text) LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT min(ordinality), statement #>> '{}'
  FROM jsonb_path_query(plan, 'strict $.**."Remote SQL"', silent => true) WITH ORDINALITY AS known (statement, ordinality)
  WHERE statement #>> '{}' NOT LIKE '%FROM bdc.compute_request%'
  GROUP BY statement ORDER BY 1
$$;

CREATE FUNCTION bdc.explain_text(query text, plan jsonb, run boolean) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
  line text;
  remote record;
BEGIN
  RETURN NEXT 'Master';
  FOR line IN EXECUTE CASE WHEN run THEN 'EXPLAIN (ANALYZE, VERBOSE) ' ELSE 'EXPLAIN (VERBOSE) ' END || query LOOP
    RETURN NEXT '  ' || line;
  END LOOP;
  IF EXISTS (SELECT FROM bdc.remote_statements(plan)) THEN
    FOR line IN SELECT answer ->> 'line' FROM bdc.pool_kept_by_master(plan -> 0, 'text') AS answer LOOP
      RETURN NEXT line;
    END LOOP;
    IF pg_catalog.current_setting('bdc.offload', true) IS NULL THEN
      RETURN NEXT 'Whole queries are not handed over: the master runs without its module (spec.pools.master.offload is off, or there was no C compiler: apt-get install gcc, bdc start).';
    END IF;
  END IF;
  FOR remote IN SELECT * FROM bdc.remote_statements(plan) LOOP
    RETURN NEXT '';
    RETURN NEXT 'Compute pool: ' || remote.remote_sql;
    FOR line IN SELECT answer ->> 'line' FROM bdc.pool_explain(remote.remote_sql, 'text', run) AS answer LOOP
      RETURN NEXT '  ' || line;
    END LOOP;
  END LOOP;
END $$;

CREATE FUNCTION bdc.explain_json(query text, plan jsonb, run boolean) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  ran pg_catalog.jsonb := plan;
  remote record;
  explained pg_catalog.jsonb := '[]';
  kept pg_catalog.jsonb := '[]';
BEGIN
  IF run THEN
    FOR ran IN EXECUTE 'EXPLAIN (ANALYZE, VERBOSE, FORMAT JSON) ' || query LOOP
      EXIT;
    END LOOP;
  END IF;
  FOR remote IN SELECT * FROM bdc.remote_statements(plan) LOOP
    explained := explained || pg_catalog.jsonb_build_object('remote_sql', remote.remote_sql, 'pool',
      (SELECT pg_catalog.jsonb_agg(answer) FROM bdc.pool_explain(remote.remote_sql, 'json', run) AS answer) -> 0 -> 'plan');
  END LOOP;
  IF explained <> '[]' THEN
    kept := coalesce((SELECT pg_catalog.jsonb_agg(answer) FROM bdc.pool_kept_by_master(plan -> 0, 'json') AS answer) -> 0 -> 'kept', '[]');
  END IF;
  RETURN pg_catalog.jsonb_build_object('master', ran -> 0, 'kept', kept, 'remote', explained)::text;
END $$;

CREATE FUNCTION bdc.explain(query text, format text DEFAULT 'text', run boolean DEFAULT false) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
  plan pg_catalog.jsonb;
BEGIN
  IF format NOT IN ('text', 'json') THEN
    RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = pg_catalog.format('bdc.explain: format "%s" is neither text nor json', format);
  END IF;
  -- a loop, because only a cursor refuses several statements: the second one would be run
  FOR plan IN EXECUTE 'EXPLAIN (VERBOSE, FORMAT JSON) ' || query LOOP
    EXIT;
  END LOOP;
  IF run AND pg_catalog.jsonb_path_exists(plan, '$.** ? (@."Node Type" == "ModifyTable")') THEN
    RAISE EXCEPTION USING ERRCODE = 'feature_not_supported', MESSAGE = 'bdc.explain does not run a statement that changes rows',
      HINT = 'Explain it without run => true (bdc sql explain without --analyze).';
  END IF;
  IF format = 'json' THEN
    RETURN NEXT bdc.explain_json(query, plan, run);
  ELSE
    RETURN QUERY SELECT * FROM bdc.explain_text(query, plan, run);
  END IF;
END $$;
COMMENT ON FUNCTION bdc.explain(text, text, boolean) IS 'The master''s own plan, what it kept and why, then what the compute pool does for each remote SQL. run => true runs the query and counts: on the master once, and each remote SQL once more in the pool';
