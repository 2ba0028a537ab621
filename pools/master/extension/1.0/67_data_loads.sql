-- Loads: who writes what, and how it ended. One statement changes a load's state, and only from "open"; that is the decision.

CREATE TABLE bdc.data_loads (
  load uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  load_id text,
  tables jsonb NOT NULL,
  user_name name NOT NULL,
  client text,
  session text,
  made uuid,
  state text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'prepared', 'committed', 'aborted')),
  version bigint UNIQUE,
  xid xid8,
  rows bigint,
  begun_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  expires_at timestamptz NOT NULL,
  decided_at timestamptz,
  applied boolean NOT NULL DEFAULT false,
  problem jsonb,
  CHECK ((state = 'committed') = (version IS NOT NULL)),
  CHECK (state <> 'prepared' OR xid IS NOT NULL)
);
COMMENT ON COLUMN bdc.data_loads.tables IS '[{"id", "generation", "schema_version", "placed", "mode"}] as they were when the table was added to the load';
COMMENT ON COLUMN bdc.data_loads.load_id IS 'the client''s own; unique among loads of one user that are not aborted';
COMMENT ON COLUMN bdc.data_loads.problem IS '{"sqlstate", "message", "hint"?} of an aborted one';
COMMENT ON COLUMN bdc.data_loads.session IS 'of the master (%c of log_line_prefix), in whose transaction the load was begun';
COMMENT ON COLUMN bdc.data_loads.made IS 'the table that was made for this load; it goes with it when it is aborted';
CREATE UNIQUE INDEX data_loads_load_id ON bdc.data_loads (user_name, load_id) WHERE state <> 'aborted';
CREATE INDEX data_loads_pending ON bdc.data_loads (version) WHERE state = 'committed' AND NOT applied;
CREATE INDEX data_loads_prepared ON bdc.data_loads (xid) WHERE state = 'prepared';
CREATE INDEX data_loads_session ON bdc.data_loads (session) WHERE session IS NOT NULL AND state IN ('open', 'prepared');
CREATE INDEX data_loads_made ON bdc.data_loads (made) WHERE made IS NOT NULL;

-- The numbers go on from the time of the installation, so that none comes twice when an extension is made again in the same database.
CREATE TABLE bdc.data_clock (version bigint NOT NULL);
INSERT INTO bdc.data_clock SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint WHERE NOT EXISTS (SELECT FROM bdc.data_clock);
CREATE SEQUENCE bdc.data_generations;
SELECT pg_catalog.setval('bdc.data_generations', greatest(last_value, (extract(epoch FROM clock_timestamp()) * 1000)::bigint)) FROM bdc.data_generations;

-- How far each shard has come, by its own count (load-protocol.md, "Marks"): a file that knows less is an older copy.
CREATE TABLE bdc.data_marks (shard uuid PRIMARY KEY, mark bigint NOT NULL) WITH (fillfactor = 50);
COMMENT ON TABLE bdc.data_marks IS 'The newest mark of each shard that a decision or a publication has told; not dumped';

CREATE FUNCTION bdc.note_marks(marks jsonb) RETURNS void LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $$
  INSERT INTO bdc.data_marks SELECT told.key::uuid, told.value::bigint FROM jsonb_each_text(marks) AS told ORDER BY told.key
  ON CONFLICT (shard) DO UPDATE SET mark = EXCLUDED.mark WHERE data_marks.mark < EXCLUDED.mark
$$;

CREATE FUNCTION bdc.marks() RETURNS jsonb LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT coalesce(jsonb_object_agg(shard, mark), '{}') FROM bdc.data_marks
$$;

CREATE FUNCTION bdc.data_table_name(wanted uuid) RETURNS text LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT coalesce((SELECT coalesce((bdc.relation_of(schema_name, table_name)::regclass)::text, format('%I.%I', schema_name, table_name))
                   FROM bdc.table_definitions WHERE id = wanted), wanted::text)
$$;

-- A table as the pool gets it with a load.
CREATE FUNCTION bdc.data_document(wanted uuid) RETURNS jsonb LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT jsonb_build_object('id', t.id, 'schema', t.schema_name, 'name', t.table_name, 'schema_version', d.schema_version, 'columns', t.columns,
    'key', d.primary_key, 'distribution', d.distribution, 'shards', d.shards, 'buckets', d.buckets, 'placed', d.placed)
  FROM bdc.table_definitions AS t JOIN bdc.data_tables AS d ON d.table_id = t.id WHERE t.id = wanted
$$;

CREATE FUNCTION bdc.load_tables(l bdc.data_loads) RETURNS jsonb LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT coalesce(jsonb_agg(coalesce(bdc.data_document((entry ->> 'id')::uuid), '{}') || entry ORDER BY place), '[]')
  FROM jsonb_array_elements(l.tables) WITH ORDINALITY AS known (entry, place)
$$;

-- Which start of this server it is: it can go back to an older state only in between.
CREATE FUNCTION bdc.server_start() RETURNS text LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT extract(epoch FROM pg_postmaster_start_time())::text
$$;

CREATE FUNCTION bdc.load_document(l bdc.data_loads) RETURNS jsonb LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT jsonb_strip_nulls(jsonb_build_object('version', l.version, 'rows', l.rows, 'reason', l.problem ->> 'message'))
    || jsonb_build_object('load', l.load, 'load_id', l.load_id, 'state', l.state, 'user', l.user_name, 'client', l.client, 'applied', l.applied,
      'age_seconds', extract(epoch FROM clock_timestamp() - l.begun_at), 'expires_in', extract(epoch FROM l.expires_at - clock_timestamp()),
      'identity', bdc.identity(), 'server', bdc.server_start(), 'tables', bdc.load_tables(l))
$$;

-- What stands, as the decision's answer says it.
CREATE FUNCTION bdc.load_standing(l bdc.data_loads) RETURNS jsonb LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT jsonb_strip_nulls(jsonb_build_object('state', l.state, 'version', l.version, 'rows', l.rows, 'error', l.problem))
$$;

CREATE FUNCTION bdc.abort_open_load(wanted uuid, problem jsonb) RETURNS bdc.data_loads LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $$
  UPDATE bdc.data_loads SET state = 'aborted', decided_at = clock_timestamp(), problem = abort_open_load.problem
    WHERE load = wanted AND state = 'open' RETURNING *
$$;

CREATE FUNCTION bdc.expired_problem() RETURNS jsonb LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT '{"sqlstate": "40000", "message": "the load expired before it was committed", "hint": "Begin it again; a longer load asks for more seconds, or renews."}'::jsonb
$$;

-- The user's right on the table's relation. Names of rights as in GRANT; several between commas: any of them.
CREATE FUNCTION bdc.pool_table_right("user" text, table_id uuid, "right" text) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT coalesce((
    SELECT has_table_privilege(r.oid, c.oid, "right") AND has_schema_privilege(r.oid, c.relnamespace, 'USAGE')
    FROM bdc.table_definitions AS t JOIN pg_class AS c ON c.oid = bdc.relation_of(t.schema_name, t.table_name), pg_roles AS r
    WHERE t.id = table_id AND r.rolname = "user"), false)
$$;

CREATE FUNCTION bdc.require_load_rights("user" text, table_id uuid, mode text) RETURNS void LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  wanted text;
  needed text[] := CASE mode WHEN 'append' THEN ARRAY['INSERT'] WHEN 'upsert' THEN ARRAY['INSERT', 'UPDATE'] WHEN 'modify' THEN ARRAY['UPDATE,DELETE']
    WHEN 'overwrite' THEN ARRAY['INSERT', 'DELETE,TRUNCATE'] ELSE ARRAY['DELETE,TRUNCATE'] END;
BEGIN
  FOREACH wanted IN ARRAY needed LOOP
    IF NOT bdc.pool_table_right("user", table_id, wanted) THEN
      RAISE EXCEPTION USING ERRCODE = 'insufficient_privilege',
        MESSAGE = format('permission denied for table %s: "%s" needs %s on it', bdc.data_table_name(table_id), "user", replace(wanted, ',', ' or '));
    END IF;
  END LOOP;
END $$;

-- The data table of a request, by its key, else by its present name; null when there is none.
CREATE FUNCTION bdc.requested_table(request jsonb) RETURNS uuid LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  found uuid;
BEGIN
  SELECT id INTO found FROM bdc.table_definitions WHERE schema_name = request ->> 'schema' AND table_name = request ->> 'table';
  IF found IS NULL THEN
    SELECT t.id INTO found FROM bdc.table_definitions AS t JOIN bdc.virtual_relations AS v USING (schema_name, table_name)
      JOIN pg_class AS c ON c.oid = v.relation JOIN pg_namespace AS n ON n.oid = c.relnamespace
      WHERE n.nspname = request ->> 'schema' AND c.relname = request ->> 'table';
  END IF;
  IF found IS NOT NULL AND NOT EXISTS (SELECT FROM bdc.data_tables WHERE table_id = found) THEN
    RAISE EXCEPTION USING ERRCODE = 'wrong_object_type', MESSAGE = format('%s is no table of the data pool', bdc.data_table_name(found));
  END IF;
  RETURN found;
END $$;

-- A load's table list with one more table, or a stronger mode of one that is in it.
CREATE FUNCTION bdc.with_load_table(tables jsonb, wanted uuid, mode text) RETURNS jsonb LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  present jsonb := (SELECT entry FROM jsonb_array_elements(tables) AS entry WHERE (entry ->> 'id')::uuid = wanted);
  replaces boolean := mode IN ('overwrite', 'truncate');
  added jsonb;
BEGIN
  IF present IS NOT NULL AND (present ->> 'mode' = mode OR present ->> 'mode' IN ('overwrite', 'truncate') OR mode = 'append') THEN
    RETURN tables;
  END IF;
  added := (SELECT jsonb_build_object('id', d.table_id, 'mode', mode, 'schema_version', coalesce((present ->> 'schema_version')::int, d.schema_version),
      'placed', coalesce((present ->> 'placed')::bigint, d.placed),
      'generation', CASE WHEN replaces THEN nextval('bdc.data_generations') ELSE coalesce((present ->> 'generation')::bigint, h.generation) END)
    FROM bdc.data_tables AS d JOIN bdc.data_heads AS h USING (table_id) WHERE d.table_id = wanted);
  RETURN coalesce((SELECT jsonb_agg(entry ORDER BY place) FROM jsonb_array_elements(tables) WITH ORDINALITY AS known (entry, place)
                   WHERE (entry ->> 'id')::uuid <> wanted), '[]') || added;
END $$;

-- The columns by which a merge finds its rows, where they are not the table's primary key: a part of the load, not of the table.
CREATE FUNCTION bdc.keyed(tables jsonb, keys jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT CASE WHEN jsonb_typeof(keys) = 'array' THEN jsonb_set(tables, '{0,key}', keys) ELSE tables END
$$;

CREATE FUNCTION bdc.begun_load(l bdc.data_loads, created boolean) RETURNS jsonb LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT bdc.load_document(l) || jsonb_build_object('created', created, 'marks', bdc.marks())
$$;

-- The table that an aborted load has made, as long as nobody else has begun to write it: it would be there empty, and in the way of the next
-- load that makes it. What keeps it (a view, a lock held for longer than a moment) is left alone: it is an ordinary empty table.
CREATE FUNCTION bdc.drop_made(wanted uuid) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET lock_timeout = '500ms' AS $$
DECLARE
  relation oid := (SELECT bdc.relation_of(t.schema_name, t.table_name) FROM bdc.table_definitions AS t JOIN bdc.data_tables AS d ON d.table_id = t.id
                   JOIN bdc.data_heads AS h USING (table_id) WHERE t.id = wanted AND d.schema_version = 1 AND h.generation = 0);
BEGIN
  IF relation IS NOT NULL AND NOT EXISTS (SELECT FROM bdc.data_loads, jsonb_array_elements(tables) AS entry WHERE state <> 'aborted' AND (entry ->> 'id')::uuid = wanted) THEN
    PERFORM bdc.remove_table(relation, false);
  END IF;
EXCEPTION WHEN dependent_objects_still_exist OR lock_not_available OR object_in_use THEN
  RAISE LOG 'bdc: the table % that an aborted load has made stays: %', wanted, SQLERRM;
END $$;

CREATE FUNCTION bdc.drop_made_tables() RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  l bdc.data_loads;
BEGIN
  FOR l IN SELECT * FROM bdc.data_loads WHERE made IS NOT NULL AND state = 'aborted' FOR UPDATE SKIP LOCKED LOOP
    PERFORM bdc.drop_made(l.made);
    UPDATE bdc.data_loads SET made = NULL WHERE load = l.load;
  END LOOP;
END $$;

-- Loads of one transaction of the master see nothing of each other: a merge is a load of its own beside that of the transaction's statements,
-- in whatever order they came. So a table that one of them writes is neither written nor merged from by another.
CREATE FUNCTION bdc.refuse_second_load(request jsonb, wanted uuid) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  met uuid;
BEGIN
  IF request ->> 'session' IS NULL THEN
    RETURN;
  END IF;
  SELECT (entry ->> 'id')::uuid INTO met FROM bdc.data_loads AS l, jsonb_array_elements(l.tables) AS entry
    WHERE l.session = request ->> 'session' AND l.load IS DISTINCT FROM (request ->> 'load')::uuid AND (entry ->> 'id')::uuid IN (wanted, (request ->> 'source')::uuid)
      AND CASE l.state WHEN 'open' THEN bdc.pool_backend_xid(l.session, l.load) IS NOT NULL WHEN 'prepared' THEN pg_xact_status(l.xid) = 'in progress' END
    LIMIT 1;
  IF met IS NOT NULL THEN
    RAISE EXCEPTION USING ERRCODE = 'feature_not_supported',
      MESSAGE = format('data table %s was written before in this transaction: bdc.merge and other writes of one table can''t be in one transaction', bdc.data_table_name(met)),
      HINT = 'COMMIT in between.';
  END IF;
END $$;

-- A load_id begun again: a committed load leaves nothing to do; an open one is of a driver that is gone, or is about to learn so, since two
-- drivers of one load would seal rows of both. With "join" the tasks of one driver (the same "client") share the open load. Null: begin.
CREATE FUNCTION bdc.load_begun_before("user" text, request jsonb, wanted uuid) RETURNS bdc.data_loads LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  l bdc.data_loads;
BEGIN
  SELECT * INTO l FROM bdc.data_loads WHERE user_name = "user" AND load_id = request ->> 'load_id' AND state <> 'aborted' FOR UPDATE;
  IF l.load IS NOT NULL AND (l.tables -> 0 ->> 'mode' <> request ->> 'mode' OR (wanted IS NOT NULL AND (l.tables -> 0 ->> 'id')::uuid <> wanted)) THEN
    RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = format('load id "%s" is one of another table or mode (%s into %s)', l.load_id,
      l.tables -> 0 ->> 'mode', bdc.data_table_name((l.tables -> 0 ->> 'id')::uuid)), HINT = 'Give each load an id of its own.';
  ELSIF l.state = 'open' AND NOT (coalesce((request ->> 'join')::boolean, false) AND l.client = request ->> 'client' AND l.expires_at > clock_timestamp()) THEN
    PERFORM bdc.abort_open_load(l.load, jsonb_build_object('sqlstate', '40001', 'message', format('the load "%s" was begun again', l.load_id)));
    PERFORM bdc.drop_made_tables();
    RETURN NULL;
  END IF;
  RETURN l;
END $$;

CREATE FUNCTION bdc.add_to_load("user" text, request jsonb, wanted uuid) RETURNS bdc.data_loads LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  l bdc.data_loads;
BEGIN
  SELECT * INTO l FROM bdc.data_loads WHERE load = (request ->> 'load')::uuid AND user_name = "user" FOR UPDATE;
  IF l.load IS NULL THEN
    RAISE EXCEPTION USING ERRCODE = 'undefined_object', MESSAGE = format('load %s does not exist', request ->> 'load');
  ELSIF l.state <> 'open' OR l.expires_at <= clock_timestamp() THEN
    RAISE EXCEPTION USING ERRCODE = 'transaction_rollback', MESSAGE = format('the load is %s', CASE WHEN l.state = 'open' THEN 'expired' ELSE l.state END),
      DETAIL = coalesce(l.problem ->> 'message', '-');
  END IF;
  UPDATE bdc.data_loads SET tables = bdc.with_load_table(l.tables, wanted, request ->> 'mode') WHERE load = l.load RETURNING * INTO l;
  RETURN l;
END $$;

-- request: {"schema", "table", "mode", "load_id"?, "client"?, "seconds"?, "create"?, "if_exists"?, "load"?, "keys"?, "checked"?, "join"?, "session"?, "source"?};
-- see load-protocol.md.
CREATE FUNCTION bdc.pool_begin_load("user" text, request jsonb) RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  wanted uuid := bdc.requested_table(request);
  lifetime interval := make_interval(secs => least(greatest(coalesce((request ->> 'seconds')::float8, 3600), 1), 604800));
  shown text := format('%I.%I', request ->> 'schema', request ->> 'table');
  made boolean := false;
  l bdc.data_loads;
BEGIN
  IF request ->> 'mode' IS NULL OR request ->> 'mode' NOT IN ('append', 'overwrite', 'upsert', 'truncate', 'modify') THEN
    RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = format('"%s" is no mode of a load', request ->> 'mode'), HINT = 'append, overwrite, upsert or truncate.';
  END IF;
  IF request ->> 'load_id' IS NOT NULL THEN
    l := bdc.load_begun_before("user", request, wanted);
    IF l.load IS NOT NULL THEN
      RETURN bdc.begun_load(l, false);
    END IF;
    wanted := bdc.requested_table(request);  -- the former load's own one is gone
  END IF;
  IF wanted IS NULL AND request ->> 'create' IS NULL THEN
    RAISE EXCEPTION USING ERRCODE = 'undefined_table', MESSAGE = format('data table %s does not exist', shown), HINT = 'SELECT * FROM bdc.data_tables_view lists them.';
  ELSIF wanted IS NULL THEN
    wanted := bdc.make_data_table("user", request -> 'create' || jsonb_build_object('table_name', shown));
    made := true;
  ELSIF request ->> 'if_exists' = 'ignore' THEN
    RETURN '{"state": "ignored", "created": false}';
  ELSIF request ->> 'if_exists' = 'error' THEN
    RAISE EXCEPTION USING ERRCODE = 'duplicate_table', MESSAGE = format('data table %s already exists', shown);
  END IF;
  PERFORM bdc.require_own_rows(d, bdc.data_table_name(wanted)) FROM bdc.data_tables AS d WHERE table_id = wanted;
  PERFORM bdc.await_move(wanted);
  PERFORM bdc.refuse_second_load(request, wanted);
  IF NOT coalesce((request ->> 'checked')::boolean, false) THEN
    PERFORM bdc.require_load_rights("user", wanted, request ->> 'mode');
  END IF;
  IF request ->> 'mode' = 'upsert' AND (SELECT primary_key FROM bdc.data_tables WHERE table_id = wanted) = '[]' AND request ->> 'keys' IS NULL THEN
    RAISE EXCEPTION USING ERRCODE = 'invalid_table_definition', MESSAGE = format('data table %s has no primary key to upsert by', shown);
  END IF;
  IF request ->> 'load' IS NOT NULL THEN
    RETURN bdc.begun_load(bdc.add_to_load("user", request, wanted), made);
  END IF;
  INSERT INTO bdc.data_loads (load_id, tables, user_name, client, session, made, expires_at)
    VALUES (request ->> 'load_id', bdc.keyed(bdc.with_load_table('[]', wanted, request ->> 'mode'), request -> 'keys'), "user", request ->> 'client',
      request ->> 'session', CASE WHEN made THEN wanted END, clock_timestamp() + lifetime)
    ON CONFLICT DO NOTHING RETURNING * INTO l;
  IF l.load IS NULL THEN  -- the same load_id was begun a moment ago: this one comes after
    RETURN bdc.pool_begin_load("user", request - 'create' - 'if_exists');
  END IF;
  RETURN bdc.begun_load(l, made);
END $$;
