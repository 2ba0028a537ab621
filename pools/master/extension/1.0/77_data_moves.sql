-- Tables that are written anew onto named shards, by resize and restore: a load of mode "overwrite" whose entries in data_loads.tables name
-- "shards" and "buckets" of their own. Its decision switches generation and placement in one transaction.
--
-- While such a load is open its tables take no other decision: what was committed after the move has read the old rows would be lost. The
-- mark ends with the load, whatever becomes of its driver, so nothing has to be cleaned up.

CREATE TABLE bdc.data_moves (table_id uuid PRIMARY KEY, load uuid NOT NULL);
COMMENT ON TABLE bdc.data_moves IS 'The load that moves a table; counts while that load is open and not expired';

CREATE TABLE bdc.data_left (
  table_id uuid NOT NULL,
  identity uuid NOT NULL,
  number integer NOT NULL,
  shard text NOT NULL,
  left_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (table_id, number)
);
COMMENT ON TABLE bdc.data_left IS 'Shards that a table has moved away from: its rows there go when no reader may ask for them any more';

-- Longer than any retention_seconds that makes sense: readers of a state before the move still look there.
CREATE FUNCTION bdc.left_for() RETURNS interval LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$ SELECT interval '15 minutes' $$;

CREATE FUNCTION bdc.moving_load(wanted uuid) RETURNS uuid LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT m.load FROM bdc.data_moves AS m JOIN bdc.data_loads AS l USING (load)
  WHERE m.table_id = wanted AND l.state = 'open' AND l.expires_at > clock_timestamp()
$$;

-- Before a load begins: a small table is moved in a moment, so wait for it; longer than that the client is told.
CREATE FUNCTION bdc.await_move(wanted uuid) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  deadline timestamptz := clock_timestamp() + interval '10 seconds';
BEGIN
  WHILE bdc.moving_load(wanted) IS NOT NULL LOOP
    IF clock_timestamp() > deadline THEN
      RAISE EXCEPTION USING ERRCODE = 'lock_not_available',
        MESSAGE = format('data table %s is being written anew by bdc data resize or restore; it can be read, but not written', bdc.data_table_name(wanted)),
        HINT = 'Try again when that has ended: SELECT * FROM bdc.data_operations_view.';
    END IF;
    PERFORM pg_sleep(0.05);
  END LOOP;
END $$;

-- Before the other locks of a decision: placement is changed under the strong one.
CREATE FUNCTION bdc.lock_moved(l bdc.data_loads) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM FROM bdc.data_tables WHERE table_id IN (
      SELECT (entry ->> 'id')::uuid FROM jsonb_array_elements(l.tables) AS entry WHERE entry ? 'shards') ORDER BY table_id FOR UPDATE;
END $$;

-- Part of the decision: the tables of a move have its placement from this version on.
CREATE FUNCTION bdc.place_moved(l bdc.data_loads) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  entry jsonb;
BEGIN
  FOR entry IN SELECT e FROM jsonb_array_elements(l.tables) AS e WHERE e ? 'shards' LOOP
    INSERT INTO bdc.data_left (table_id, identity, number, shard)
      SELECT d.table_id, d.identity, (old ->> 'number')::int, old ->> 'id' FROM bdc.data_tables AS d, jsonb_array_elements(d.shards) AS old
      WHERE d.table_id = (entry ->> 'id')::uuid
        AND NOT EXISTS (SELECT FROM jsonb_array_elements(entry -> 'shards') AS present WHERE present -> 'number' = old -> 'number')
      ON CONFLICT (table_id, number) DO UPDATE SET shard = excluded.shard, left_at = clock_timestamp();
    UPDATE bdc.data_tables SET shards = entry -> 'shards', buckets = entry -> 'buckets', placed = l.version WHERE table_id = (entry ->> 'id')::uuid;
    DELETE FROM bdc.data_moves WHERE table_id = (entry ->> 'id')::uuid AND load = l.load;
  END LOOP;
END $$;

-- A load that writes these tables anew on these shards. request: {"tables": [ids], "shards": [{"number", "id"}], "load_id", "client", "seconds"}.
-- A load_id begun again takes the place of the open load of that id. When this has committed, all that can still become visible in the old
-- rows is visible: the snapshot to copy is taken after it.
CREATE FUNCTION bdc.pool_begin_move("user" text, request jsonb) RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  known bdc.data_tables;
  other uuid;
  entries jsonb := '[]';
  l bdc.data_loads;
BEGIN
  SELECT * INTO l FROM bdc.data_loads WHERE user_name = "user" AND load_id = request ->> 'load_id' AND state <> 'aborted' FOR UPDATE;
  IF l.state = 'open' THEN
    PERFORM bdc.abort_open_load(l.load, jsonb_build_object('sqlstate', '40001', 'message', format('the load "%s" was begun again', l.load_id)));
  ELSIF l.load IS NOT NULL THEN
    RETURN bdc.begun_load(l, false);
  END IF;
  INSERT INTO bdc.data_loads (load_id, tables, user_name, client, expires_at)
    VALUES (request ->> 'load_id', '[]', "user", request ->> 'client', clock_timestamp() + make_interval(secs => (request ->> 'seconds')::float8)) RETURNING * INTO l;
  FOR known IN SELECT d.* FROM bdc.data_tables AS d WHERE table_id IN (SELECT jsonb_array_elements_text(request -> 'tables')::uuid) ORDER BY table_id FOR UPDATE LOOP
    PERFORM bdc.require_own_rows(known, bdc.data_table_name(known.table_id));
    PERFORM bdc.await_prepared(known.table_id, 'pool_begin_move');
    other := bdc.moving_load(known.table_id);
    IF other IS NOT NULL THEN
      RAISE EXCEPTION USING ERRCODE = 'lock_not_available', MESSAGE = format('data table %s is being moved by load %s', bdc.data_table_name(known.table_id), other),
        HINT = 'Try again when that has ended.';
    END IF;
    INSERT INTO bdc.data_moves (table_id, load) VALUES (known.table_id, l.load) ON CONFLICT (table_id) DO UPDATE SET load = excluded.load;
    DELETE FROM bdc.data_left AS d WHERE d.table_id = known.table_id
      AND EXISTS (SELECT FROM jsonb_array_elements(request -> 'shards') AS present WHERE (present ->> 'number')::int = d.number);
    entries := entries || jsonb_build_array(jsonb_build_object('id', known.table_id, 'mode', 'overwrite', 'schema_version', known.schema_version,
      'generation', nextval('bdc.data_generations'), 'shards', request -> 'shards', 'buckets', bdc.even_buckets(request -> 'shards')));
  END LOOP;
  IF jsonb_array_length(entries) < jsonb_array_length(request -> 'tables') THEN
    RAISE EXCEPTION USING ERRCODE = 'undefined_table', MESSAGE = 'a table was dropped before it could be moved';
  END IF;
  UPDATE bdc.data_loads SET tables = entries WHERE load = l.load RETURNING * INTO l;
  RETURN bdc.begun_load(l, false);
END $$;

-- {"id", "identity", "shards": [{"number", "id"}]} of rows that nobody reads any more.
CREATE FUNCTION bdc.left_behind() RETURNS jsonb LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT coalesce(jsonb_agg(jsonb_build_object('id', table_id, 'identity', identity, 'shards', jsonb_build_array(jsonb_build_object('number', number, 'id', shard)))), '[]')
  FROM bdc.data_left WHERE left_at < clock_timestamp() - bdc.left_for()
$$;
CREATE FUNCTION bdc.pool_left_collected(wanted uuid, shard_number integer) RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  DELETE FROM bdc.data_left WHERE table_id = wanted AND number = shard_number AND left_at < clock_timestamp() - bdc.left_for()
$$;

GRANT EXECUTE ON FUNCTION bdc.pool_begin_move, bdc.pool_left_collected TO bdc_pool;
