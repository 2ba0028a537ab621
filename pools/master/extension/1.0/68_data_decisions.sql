-- The decision about a load, and what follows from it. All of it is serial under the lock of the clock's one row, so that numbers become
-- visible in their order. Locks are taken in this order: the load, its tables' definitions, the clock.
--
-- "prepared" stands between: the pool answers COMMIT before the master's own transaction (xid) has committed, and that one decides. It is
-- as good as a lock on its tables: what replaces a table's rows waits for all of them, and all wait for one that replaces the rows.

-- Whoever owns the database may have turned this off in it; an answered decision must survive a crash. For the rest of the transaction.
CREATE FUNCTION bdc.insist_on_durability() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  IF pg_catalog.current_setting('synchronous_commit') = 'off' THEN
    PERFORM pg_catalog.set_config('synchronous_commit', 'on', true);
  END IF;
END $$;

CREATE FUNCTION bdc.next_version() RETURNS bigint LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $$
  UPDATE bdc.data_clock SET version = version + 1 RETURNING version
$$;

-- With the clock's lock held.
CREATE FUNCTION bdc.commit_load(wanted uuid) RETURNS bdc.data_loads LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  l bdc.data_loads;
BEGIN
  UPDATE bdc.data_loads SET state = 'committed', version = bdc.next_version(), decided_at = clock_timestamp() WHERE load = wanted RETURNING * INTO l;
  UPDATE bdc.data_heads AS h SET generation = (entry ->> 'generation')::bigint
    FROM jsonb_array_elements(l.tables) AS entry WHERE h.table_id = (entry ->> 'id')::uuid AND entry ->> 'mode' IN ('overwrite', 'truncate');
  PERFORM bdc.place_moved(l);
  RETURN l;
END $$;

-- Prepared loads whose transaction has ended become committed or aborted. Without one there is nothing to lock.
CREATE FUNCTION bdc.resolve_prepared() RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  waiting record;
BEGIN
  IF NOT EXISTS (SELECT FROM bdc.data_loads WHERE state = 'prepared' AND pg_xact_status(xid) <> 'in progress') THEN
    RETURN;
  END IF;
  PERFORM bdc.insist_on_durability();
  PERFORM FROM bdc.data_clock FOR UPDATE;
  FOR waiting IN SELECT load, pg_xact_status(xid) AS status FROM bdc.data_loads WHERE state = 'prepared' ORDER BY decided_at, load LOOP
    IF waiting.status = 'committed' THEN
      PERFORM bdc.commit_load(waiting.load);
    ELSIF waiting.status = 'aborted' THEN
      UPDATE bdc.data_loads SET state = 'aborted', decided_at = clock_timestamp(),
          problem = '{"sqlstate": "40000", "message": "the master''s transaction was rolled back"}' WHERE load = waiting.load;
    END IF;
  END LOOP;
END $$;

-- Why an open load can't be committed; null: it can. With its tables' definitions locked.
CREATE FUNCTION bdc.obstacle(l bdc.data_loads) RETURNS jsonb LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  entry record;
  happened text;
BEGIN
  IF l.expires_at <= clock_timestamp() THEN
    RETURN bdc.expired_problem();
  END IF;
  FOR entry IN SELECT e.*, d.table_id, d.schema_version AS present_version, h.generation AS present_generation, d.placed AS present_place
      FROM jsonb_to_recordset(l.tables) AS e (id uuid, generation bigint, schema_version int, placed bigint, shards jsonb, mode text)
      LEFT JOIN bdc.data_tables AS d ON d.table_id = e.id LEFT JOIN bdc.data_heads AS h ON h.table_id = e.id LOOP
    happened := CASE WHEN entry.table_id IS NULL OR entry.present_generation IS NULL THEN 'dropped'
      WHEN entry.present_version <> entry.schema_version THEN 'altered'
      WHEN entry.mode NOT IN ('overwrite', 'truncate') AND entry.present_generation <> entry.generation THEN 'overwritten'
      -- its rows lie where the table was when it began
      WHEN entry.shards IS NULL AND entry.present_place <> entry.placed THEN 'moved by bdc data resize or restore'
      WHEN bdc.moving_load(entry.id) <> l.load THEN 'taken up by bdc data resize or restore' END;
    IF happened IS NOT NULL THEN
      RETURN jsonb_build_object('sqlstate', CASE happened WHEN 'dropped' THEN '42P01' ELSE '40001' END,
        'message', format('data table %s was %s during the load', bdc.data_table_name(entry.id), happened),
        'hint', CASE happened WHEN 'dropped' THEN 'Nothing of the load is kept.' ELSE 'Nothing of the load is kept; begin it again.' END);
    END IF;
  END LOOP;
  RETURN NULL;
END $$;

-- Is a table of this load as good as locked by a prepared load of another transaction?
CREATE FUNCTION bdc.meets_prepared(l bdc.data_loads, my_xid xid8) RETURNS boolean LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT EXISTS (
    SELECT FROM bdc.data_loads AS p, jsonb_array_elements(p.tables) AS theirs, jsonb_array_elements(l.tables) AS ours
    WHERE p.state = 'prepared' AND p.xid IS DISTINCT FROM my_xid AND theirs -> 'id' = ours -> 'id'
      AND (theirs ->> 'mode' IN ('overwrite', 'truncate') OR ours ->> 'mode' IN ('overwrite', 'truncate')))
$$;

-- One try. Raises object_in_use where a prepared load is in the way, lock_not_available where a definition is being changed.
CREATE FUNCTION bdc.try_to_decide(wanted uuid, my_xid xid8, row_count bigint) RETURNS bdc.data_loads LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
  SET lock_timeout = '2s' AS $$
DECLARE
  l bdc.data_loads;
  problem jsonb;
BEGIN
  SELECT * INTO l FROM bdc.data_loads WHERE load = wanted FOR UPDATE;
  IF l.load IS NULL OR l.state <> 'open' THEN
    RETURN l;
  END IF;
  PERFORM bdc.lock_moved(l);
  PERFORM FROM bdc.data_tables WHERE table_id IN (SELECT (entry ->> 'id')::uuid FROM jsonb_array_elements(l.tables) AS entry) ORDER BY table_id FOR SHARE;
  PERFORM FROM bdc.data_clock FOR UPDATE;
  PERFORM bdc.resolve_prepared();
  IF my_xid IS NOT NULL AND pg_xact_status(my_xid) IS DISTINCT FROM 'in progress' THEN
    problem := '{"sqlstate": "40000", "message": "the master''s transaction has ended already"}';
  ELSE
    problem := bdc.obstacle(l);
  END IF;
  IF problem IS NOT NULL THEN
    RETURN bdc.abort_open_load(wanted, problem);
  ELSIF bdc.meets_prepared(l, my_xid) THEN
    RAISE object_in_use;
  END IF;
  UPDATE bdc.data_loads SET rows = row_count, xid = my_xid, state = CASE WHEN my_xid IS NULL THEN state ELSE 'prepared' END, decided_at = clock_timestamp()
    WHERE load = wanted RETURNING * INTO l;
  RETURN CASE WHEN my_xid IS NULL THEN bdc.commit_load(wanted) ELSE l END;
END $$;

-- {"state", "version"?, "error"?}. A refusal is an answer, because an error would take back the "aborted" that goes with it.
-- marks: {shard: mark} of those that have sealed it.
CREATE FUNCTION bdc.pool_decide_load(load uuid, xid xid8 DEFAULT NULL, rows bigint DEFAULT NULL, marks jsonb DEFAULT '{}') RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  deadline timestamptz := clock_timestamp() + interval '5 seconds';
  l bdc.data_loads;
BEGIN
  PERFORM bdc.insist_on_durability();
  LOOP
    BEGIN
      l := bdc.try_to_decide(load, xid, rows);
      EXIT;
    EXCEPTION WHEN object_in_use OR lock_not_available THEN  -- all locks are free again
      IF clock_timestamp() > deadline THEN
        l := bdc.abort_open_load(load, jsonb_build_object('sqlstate', '40001',
          'message', 'another transaction is changing or replacing a table of this load and does not end', 'hint', 'Nothing of the load is kept; begin it again.'));
        EXIT;
      END IF;
    END;
    PERFORM pg_sleep(0.005);
  END LOOP;
  IF l.load IS NULL THEN
    RETURN jsonb_build_object('state', 'aborted', 'error', jsonb_build_object('sqlstate', '42704', 'message', format('load %s is not known', load)));
  END IF;
  IF l.state IN ('committed', 'prepared') THEN
    PERFORM bdc.note_marks(marks);
  END IF;
  RETURN bdc.load_standing(l);
END $$;

-- For changes of a table's definition, which hold its lock: no new load becomes prepared, so this only waits for those that are.
CREATE FUNCTION bdc.await_prepared(wanted uuid, what text) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  deadline timestamptz := clock_timestamp() + interval '5 seconds';
BEGIN
  WHILE EXISTS (SELECT FROM bdc.data_loads, jsonb_array_elements(tables) AS entry
                WHERE state = 'prepared' AND (entry ->> 'id')::uuid = wanted AND pg_xact_status(xid) = 'in progress'
                  AND xid IS DISTINCT FROM pg_current_xact_id_if_assigned()) LOOP
    IF clock_timestamp() > deadline THEN
      RAISE EXCEPTION USING ERRCODE = 'object_in_use', MESSAGE = format('bdc.%s: a transaction that wrote %s is committing and does not end', what, bdc.data_table_name(wanted)),
        HINT = 'Try again.';
    END IF;
    PERFORM pg_sleep(0.01);
  END LOOP;
END $$;

-- What stands afterwards. An unknown load gets a row, so that a late decision about it fails.
CREATE FUNCTION bdc.pool_abort_load(load uuid, reason text) RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  problem jsonb := jsonb_build_object('sqlstate', '40000', 'message', coalesce(reason, 'the load was aborted'));
  l bdc.data_loads;
BEGIN
  PERFORM bdc.insist_on_durability();
  INSERT INTO bdc.data_loads (load, tables, user_name, state, expires_at, decided_at, problem)
    VALUES (pool_abort_load.load, '[]', '', 'aborted', clock_timestamp(), clock_timestamp(), problem) ON CONFLICT DO NOTHING RETURNING * INTO l;
  IF l.load IS NULL THEN
    l := bdc.abort_open_load(pool_abort_load.load, problem);
  END IF;
  IF l.made IS NOT NULL THEN
    PERFORM bdc.drop_made_tables();
  END IF;
  IF l.load IS NULL THEN
    PERFORM bdc.resolve_prepared();
    SELECT * INTO l FROM bdc.data_loads AS known WHERE known.load = pool_abort_load.load;
  END IF;
  RETURN bdc.load_standing(l) - 'error' || jsonb_build_object('tables', bdc.load_tables(l));
END $$;

CREATE FUNCTION bdc.pool_renew_load(load uuid, seconds integer) RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  l bdc.data_loads;
BEGIN
  UPDATE bdc.data_loads AS known SET expires_at = greatest(expires_at, clock_timestamp() + make_interval(secs => least(seconds, 604800)))
    WHERE known.load = pool_renew_load.load AND state = 'open' AND expires_at > clock_timestamp() RETURNING * INTO l;
  IF l.load IS NULL THEN
    PERFORM bdc.abort_open_load(pool_renew_load.load, bdc.expired_problem());
    SELECT * INTO l FROM bdc.data_loads AS known WHERE known.load = pool_renew_load.load;
  END IF;
  IF l.load IS NULL THEN
    RAISE EXCEPTION USING ERRCODE = 'undefined_object', MESSAGE = format('load %s is not known', load);
  END IF;
  RETURN bdc.load_standing(l) || jsonb_build_object('expires_in', extract(epoch FROM l.expires_at - clock_timestamp()));
END $$;

CREATE FUNCTION bdc.pool_load(load uuid) RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM bdc.resolve_prepared();
  RETURN (SELECT bdc.load_document(l) || jsonb_build_object('marks', bdc.marks()) FROM bdc.data_loads AS l WHERE l.load = pool_load.load);
END $$;

CREATE FUNCTION bdc.pool_loads() RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM bdc.resolve_prepared();
  RETURN (SELECT coalesce(jsonb_agg(bdc.load_document(l) ORDER BY l.begun_at), '[]') FROM bdc.data_loads AS l
    WHERE NOT applied OR decided_at > clock_timestamp() - interval '1 hour');
END $$;

CREATE FUNCTION bdc.pool_states(loads uuid[]) RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM bdc.resolve_prepared();
  RETURN (SELECT coalesce(jsonb_object_agg(load, jsonb_strip_nulls(jsonb_build_object('state', state, 'version', version))), '{}')
    FROM bdc.data_loads WHERE load = ANY (loads));
END $$;

CREATE FUNCTION bdc.pool_applied(loads uuid[], marks jsonb DEFAULT '{}') RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT bdc.note_marks(marks);
  UPDATE bdc.data_loads SET applied = true WHERE load = ANY (loads) AND state IN ('committed', 'aborted') AND NOT applied
$$;

-- After loads: what the planner knows of a table, where that is far from the truth by now. False: it is near enough.
CREATE FUNCTION bdc.pool_analyze(table_id uuid, rows bigint) RETURNS boolean LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT coalesce((SELECT bdc.analyze_table(bdc.relation_of(t.schema_name, t.table_name), pool_analyze.rows) FROM bdc.table_definitions AS t WHERE t.id = table_id), false)
$$;

-- Asked once per transaction of the pool. The last statement sees clock and loads as of one moment.
CREATE FUNCTION bdc.pool_snapshot() RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF EXISTS (SELECT FROM bdc.data_loads WHERE state = 'prepared') THEN
    PERFORM bdc.resolve_prepared();
  END IF;
  RETURN (SELECT jsonb_build_object('version', (SELECT version::text FROM bdc.catalog_version), 'identity', bdc.identity(), 'server', bdc.server_start(), 'snapshot', c.version,
    'marks', bdc.marks(), 'pending', (SELECT coalesce(jsonb_agg(jsonb_build_array(load, l.version, jsonb_path_query_array(l.tables, '$[*].id')) ORDER BY l.version), '[]')
                FROM bdc.data_loads AS l WHERE state = 'committed' AND NOT applied))
    FROM bdc.data_clock AS c);
END $$;

-- What there is to do on the shards. Old rows that nobody asks for any more go: aborted ones after a day, committed ones (and with them
-- the memory of their load_id) after thirty.
CREATE FUNCTION bdc.pool_sweep() RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  UPDATE bdc.data_loads SET state = 'aborted', decided_at = clock_timestamp(), problem = bdc.expired_problem()
    WHERE load IN (SELECT load FROM bdc.data_loads WHERE state = 'open' AND expires_at <= clock_timestamp() FOR UPDATE SKIP LOCKED);
  PERFORM bdc.drop_made_tables();
  PERFORM bdc.resolve_prepared();
  DELETE FROM bdc.data_loads WHERE applied AND decided_at < clock_timestamp() - CASE state WHEN 'aborted' THEN interval '1 day' ELSE interval '30 days' END;
  RETURN jsonb_build_object(
    'unapplied', (SELECT coalesce(jsonb_agg(bdc.load_document(l) ORDER BY l.decided_at), '[]') FROM bdc.data_loads AS l WHERE state IN ('committed', 'aborted') AND NOT applied),
    'dropped', (SELECT coalesce(jsonb_agg(jsonb_build_object('id', table_id, 'identity', identity, 'shards', shards)), '[]') FROM bdc.data_dropped),
    'left', bdc.left_behind(), 'marks', bdc.marks());
END $$;

-- A table stays in the list while a load into it may still bring rows; one whose definition was restored meanwhile has lost its rows.
CREATE FUNCTION bdc.pool_collected(tables uuid[]) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  DELETE FROM bdc.data_heads WHERE table_id = ANY (tables);
  DELETE FROM bdc.data_dropped AS d WHERE table_id = ANY (pool_collected.tables) AND NOT EXISTS (
    SELECT FROM bdc.data_loads AS l, jsonb_array_elements(l.tables) AS entry
    WHERE (entry ->> 'id')::uuid = d.table_id AND l.expires_at > clock_timestamp() AND l.state <> 'committed');
END $$;

-- In database "postgres": whose rows the shards may hold. A database that is dropped can say nothing any more, so what this server has once
-- had and has no longer is known from here; a server made anew has had nothing, and so gives nothing up.
CREATE TABLE bdc.data_databases (identity uuid PRIMARY KEY, seen_at timestamptz NOT NULL DEFAULT clock_timestamp());

-- present: identities of all databases. Those that were last seen so many seconds ago.
CREATE FUNCTION bdc.pool_lost_databases(present uuid[], seconds integer) RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  INSERT INTO bdc.data_databases (identity) SELECT DISTINCT unnest(present) ON CONFLICT (identity) DO UPDATE SET seen_at = clock_timestamp();
  RETURN (SELECT coalesce(jsonb_agg(identity), '[]') FROM bdc.data_databases WHERE identity <> ALL (present) AND seen_at < clock_timestamp() - make_interval(secs => seconds));
END $$;
CREATE FUNCTION bdc.pool_forget_database(lost uuid) RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  DELETE FROM bdc.data_databases WHERE identity = lost
$$;

-- Of this database, and of those whose tables' definitions have come here by a copy or a dump.
CREATE FUNCTION bdc.pool_identities() RETURNS jsonb LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT jsonb_agg(identity) FROM (SELECT bdc.identity() AS identity UNION SELECT identity FROM bdc.data_tables) AS known WHERE identity IS NOT NULL
$$;

-- superuser: the transaction of a session of this database (%c of log_line_prefix: start and pid, in hex) that the load belongs to:
-- {"xid"}, null in it while it has written nothing. Null: that transaction is over, it has not waited for the load. (One that began later
-- than the load is another one; so is a session with the same pid after a restart.) Only the low half of its number is shown, so the high
-- half is taken from numbers of now, which are near.
CREATE FUNCTION bdc.pool_backend_xid(session text, load uuid) RETURNS jsonb LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT jsonb_build_object('xid', (latest + CASE WHEN ahead >= 2147483648 THEN ahead - 4294967296 ELSE ahead END)::text)
  FROM (SELECT latest, (backend.backend_xid::text::bigint - latest % 4294967296 + 4294967296) % 4294967296 AS ahead
        FROM pg_stat_get_activity(('x' || lpad(split_part(pool_backend_xid.session, '.', 2), 8, '0'))::bit(32)::integer) AS backend
          JOIN pg_database ON pg_database.oid = backend.datid JOIN bdc.data_loads AS l ON l.load = pool_backend_xid.load,
          (SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS latest) AS now
        WHERE datname = current_database() AND backend.xact_start <= l.begun_at
          AND to_hex(floor(extract(epoch FROM backend.backend_start))::bigint) || '.' || to_hex(backend.pid) = pool_backend_xid.session) AS found
$$;

CREATE VIEW bdc.data_tables_view AS
  SELECT t.id, r.relation::pg_catalog.regclass AS relation, t.schema_name, t.table_name, pg_catalog.pg_get_userbyid(c.relowner) AS owner,
    CASE d.distribution ->> 'kind' WHEN 'hash' THEN 'HASH(' || (SELECT pg_catalog.string_agg(pg_catalog.quote_ident(name), ', ' ORDER BY place)
        FROM pg_catalog.jsonb_array_elements_text(d.distribution -> 'columns') WITH ORDINALITY AS of (name, place)) || ')'
      ELSE pg_catalog.upper(d.distribution ->> 'kind') END AS distribution,
    d.primary_key, t.columns, pg_catalog.jsonb_array_length(d.shards) AS shards, d.schema_version,
    d.identity = bdc.identity() AND EXISTS (SELECT FROM bdc.data_heads AS h WHERE h.table_id = d.table_id) AS has_rows_here, t.created_at
  FROM bdc.data_tables AS d JOIN bdc.table_definitions AS t ON t.id = d.table_id
    LEFT JOIN bdc.virtual_relations AS r ON r.schema_name = t.schema_name AND r.table_name = t.table_name
    LEFT JOIN pg_catalog.pg_class AS c ON c.oid = r.relation;
COMMENT ON VIEW bdc.data_tables_view IS 'Tables of the data pool';

CREATE VIEW bdc.loads AS
  SELECT l.load, l.load_id, l.user_name, l.client, l.state, l.version, l.rows,
    (SELECT pg_catalog.array_agg(bdc.data_table_name((entry ->> 'id')::uuid) || ' ' || (entry ->> 'mode')) FROM pg_catalog.jsonb_array_elements(l.tables) AS entry) AS tables,
    l.begun_at, l.expires_at, l.decided_at, l.applied, l.problem ->> 'message' AS reason
  FROM bdc.data_loads AS l
  WHERE l.user_name = current_user OR pg_catalog.pg_has_role(current_user, 'bdc_admin', 'USAGE');
COMMENT ON VIEW bdc.loads IS 'Loads into the data pool: all of them for members of bdc_admin, else the caller''s own';
