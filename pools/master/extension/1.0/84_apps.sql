-- Apps in SQL: the query goes to the compute pool whole, its rows come back with the app's outputs.

-- Whoever may call apps: the controller makes those who hold app-reader or app-owner members of bdc_app_reader.
CREATE FUNCTION bdc.pool_app_reader("user" text) RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT EXISTS (SELECT FROM pg_roles AS r WHERE r.rolname = "user"
    AND (pg_has_role(r.oid, 'bdc_app_reader'::regrole, 'USAGE') OR pg_has_role(r.oid, 'bdc_admin'::regrole, 'USAGE')))
$$;

-- The narrow door for what follows, which runs as its caller and with the caller's search path.
CREATE FUNCTION bdc.pool_score(action text, app text, query text, path name[]) RETURNS SETOF jsonb LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
  SET debug_print_parse = off SET debug_print_rewritten = off SET debug_print_plan = off AS $$
BEGIN
  IF action NOT IN ('score', 'score_columns') THEN
    RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = 'bdc.pool_score: the action is score or score_columns';
  END IF;
  RETURN QUERY SELECT * FROM bdc.request(bdc.session_caller(), jsonb_build_object('action', action, 'app', app, 'query', query, 'path', path));
END $$;

CREATE FUNCTION bdc.score(app text, query text) RETURNS SETOF jsonb LANGUAGE plpgsql AS $$
BEGIN
  RETURN QUERY SELECT * FROM bdc.pool_score('score', app, query, pg_catalog.current_schemas(false));
END $$;
COMMENT ON FUNCTION bdc.score(text, text) IS 'Rows of a query over virtual tables with the outputs of an app, a JSON object each; bdc.score_rows gives them as columns';

CREATE FUNCTION bdc.score_columns(app text, query text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  RETURN (SELECT pg_catalog.string_agg(pg_catalog.format('%I %s', response ->> 'name', response ->> 'type'), ', ' ORDER BY place)
    FROM bdc.pool_score('score_columns', app, query, pg_catalog.current_schemas(false)) WITH ORDINALITY AS answer (response, place));
END $$;
COMMENT ON FUNCTION bdc.score_columns(text, text) IS 'The columns of bdc.score_rows, as they are written behind AS';

CREATE FUNCTION bdc.score_rows(app text, query text) RETURNS SETOF record LANGUAGE plpgsql AS $$
DECLARE
  items text;
BEGIN
  SELECT pg_catalog.string_agg(pg_catalog.format('(given ->> %L)::%s', response ->> 'name', response ->> 'type'), ', ' ORDER BY place) INTO items
    FROM bdc.pool_score('score_columns', app, query, pg_catalog.current_schemas(false)) WITH ORDINALITY AS answer (response, place);
  RETURN QUERY EXECUTE pg_catalog.format('SELECT %s FROM bdc.pool_score(''score'', $1, $2, pg_catalog.current_schemas(false)) AS given', items) USING app, query;
EXCEPTION WHEN datatype_mismatch THEN
  IF SQLERRM NOT LIKE 'structure of query does not match%' THEN
    RAISE;
  END IF;
  RAISE EXCEPTION USING ERRCODE = 'datatype_mismatch', MESSAGE = 'the columns behind AS are not those of the query and the app',
    HINT = pg_catalog.format('SELECT bdc.score_columns(%L, …) gives them.', app);
END $$;
COMMENT ON FUNCTION bdc.score_rows(text, text) IS 'Rows of a query over virtual tables with the outputs of an app: SELECT * FROM bdc.score_rows(…) AS t (bdc.score_columns gives what stands here)';

-- postgres_fdw ships no expressions of a select list, so a call for each row would be a request for each row: refused, under the name that
-- people write, where there is none of theirs.
DO $refused$
BEGIN
  IF pg_catalog.to_regnamespace('public') IS NOT NULL AND pg_catalog.to_regprocedure('public.predict(text, anycompatiblearray)') IS NULL THEN
    CREATE FUNCTION public.predict(app text, VARIADIC inputs anycompatiblearray) RETURNS double precision LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $body$
    BEGIN
      RAISE EXCEPTION USING ERRCODE = 'feature_not_supported', MESSAGE = 'predict is not called row by row on the master',
        HINT = format('SELECT * FROM bdc.score(%L, ''SELECT …'') sends the query to the compute pool whole; on a connection to the compute pool itself (bdc endpoint list) predict works anywhere in a SELECT.', app);
    END $body$;
    COMMENT ON FUNCTION public.predict(text, anycompatiblearray) IS 'Refused here, with the way that works: bdc.score';
  END IF;
END $refused$;
