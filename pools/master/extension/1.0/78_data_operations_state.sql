-- Backup, restore, resize and export: work that takes minutes, so it is asked for here and carried out by whichever compute replica takes it.
-- One that dies is followed by another (or by itself, started again): each kind of work can be begun anew at any moment.

CREATE TABLE bdc.data_operations (
  id uuid PRIMARY KEY,
  kind text NOT NULL CHECK (kind IN ('backup', 'restore', 'resize', 'refill', 'export')),
  request jsonb NOT NULL,
  user_name name NOT NULL,
  state text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'running', 'done', 'failed')),
  progress jsonb NOT NULL DEFAULT '{}',
  problem jsonb,
  attempts integer NOT NULL DEFAULT 0,
  made uuid[] NOT NULL DEFAULT '{}',
  holder uuid,
  begun_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  seen_at timestamptz,
  ended_at timestamptz
);
COMMENT ON COLUMN bdc.data_operations.progress IS 'what is done so far; the result of one that is done';
COMMENT ON COLUMN bdc.data_operations.problem IS '{"sqlstate", "message", "detail"?, "hint"?} of a failed one';
COMMENT ON COLUMN bdc.data_operations.made IS 'tables that a restore has made; empty ones, should it fail';
COMMENT ON COLUMN bdc.data_operations.holder IS 'who carries it out: a number of its own for each start of a compute replica';

CREATE FUNCTION bdc.carry_start_data_operation(caller name, a jsonb) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF NOT bdc.is_admin(caller) THEN
    RAISE EXCEPTION USING ERRCODE = 'insufficient_privilege', MESSAGE = format('only members of bdc_admin may do this: %s', a ->> 'kind');
  END IF;
  INSERT INTO bdc.data_operations (id, kind, request, user_name) VALUES ((a ->> 'operation')::uuid, a ->> 'kind', coalesce(a -> 'request', '{}'), caller);
  PERFORM bdc.request(caller, '{"action": "data_operate"}');
END $$;

CREATE FUNCTION bdc.carry_cancel_data_operation(caller name, a jsonb) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  found uuid;
BEGIN
  UPDATE bdc.data_operations SET state = 'failed', ended_at = clock_timestamp(), problem = '{"sqlstate": "57014", "message": "cancelled by an administrator"}'
    WHERE id = (a ->> 'operation')::uuid AND state IN ('waiting', 'running') AND bdc.is_admin(caller) RETURNING id INTO found;
  IF found IS NULL THEN
    RAISE EXCEPTION USING ERRCODE = 'undefined_object', MESSAGE = format('no operation %s is under way', a ->> 'operation'), HINT = 'SELECT * FROM bdc.data_operations_view lists them.';
  END IF;
END $$;

CREATE PROCEDURE bdc.start_data_operation(operation uuid, kind text, request jsonb DEFAULT '{}') LANGUAGE sql AS $$
  INSERT INTO bdc.commands (command, arguments) VALUES ('start_data_operation', pg_catalog.jsonb_build_object('operation', operation, 'kind', kind, 'request', request))
$$;
COMMENT ON PROCEDURE bdc.start_data_operation IS 'backup, restore, resize or export under an id of the caller''s; bdc.data_operations_view tells how it goes';
CREATE PROCEDURE bdc.cancel_data_operation(operation uuid) LANGUAGE sql AS $$
  INSERT INTO bdc.commands (command, arguments) VALUES ('cancel_data_operation', pg_catalog.jsonb_build_object('operation', operation))
$$;

CREATE VIEW bdc.data_operations_view AS
  SELECT id, kind, request, user_name, state, progress, problem, attempts, begun_at, seen_at, ended_at FROM bdc.data_operations
  WHERE pg_catalog.pg_has_role(current_user, 'bdc_admin', 'USAGE');
COMMENT ON VIEW bdc.data_operations_view IS 'Backups, restores, resizes and exports of the data pool, for members of bdc_admin';
GRANT SELECT ON bdc.data_operations_view TO bdc_user;

-- The next one to carry out, one at a time per database; null: none. Who has not been heard of for 15 seconds has died.
CREATE FUNCTION bdc.pool_take_operation(taker uuid) RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  taken bdc.data_operations;
  dead CONSTANT interval := interval '15 seconds';
BEGIN
  UPDATE bdc.data_operations SET state = 'failed', ended_at = clock_timestamp(),
      problem = '{"sqlstate": "57P01", "message": "interrupted five times: the compute pool ended while it was carried out", "hint": "bdc logs compute-0"}'
    WHERE state = 'running' AND attempts >= 5 AND seen_at < clock_timestamp() - dead;
  DELETE FROM bdc.data_operations WHERE ended_at < clock_timestamp() - interval '30 days';
  UPDATE bdc.data_operations SET state = 'running', holder = taker, attempts = attempts + 1, seen_at = clock_timestamp()
    WHERE id = (SELECT id FROM bdc.data_operations WHERE state = 'waiting' OR (state = 'running' AND seen_at < clock_timestamp() - dead)
                ORDER BY begun_at LIMIT 1 FOR UPDATE SKIP LOCKED)
      AND NOT EXISTS (SELECT FROM bdc.data_operations WHERE state = 'running' AND seen_at >= clock_timestamp() - dead)
    RETURNING * INTO taken;
  RETURN (SELECT jsonb_build_object('id', taken.id, 'kind', taken.kind, 'request', taken.request, 'user', taken.user_name, 'attempt', taken.attempts)
          WHERE taken.id IS NOT NULL);
END $$;

-- false: it is not the teller's any more (taken over, cancelled), and he must stop.
CREATE FUNCTION bdc.pool_tell_operation(operation uuid, teller uuid, told jsonb) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  UPDATE bdc.data_operations SET progress = told, seen_at = clock_timestamp() WHERE id = operation AND holder = teller AND state = 'running';
  RETURN FOUND;
END $$;
CREATE FUNCTION bdc.pool_end_operation(operation uuid, teller uuid, told jsonb, why jsonb) RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  UPDATE bdc.data_operations SET state = CASE WHEN why IS NULL THEN 'done' ELSE 'failed' END, progress = told, problem = why, seen_at = clock_timestamp(), ended_at = clock_timestamp()
    WHERE id = operation AND holder = teller AND state = 'running'
$$;

-- A shard that has lost its folder is back as another one, empty. Is there a replicated table that has a healthy shard too? Then it is asked
-- for that the table is written anew ('refill'); true: just now. present: the shards that answer, [{"number", "id"}].
CREATE FUNCTION bdc.pool_ask_refill(present jsonb) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  INSERT INTO bdc.data_operations (id, kind, request, user_name) SELECT gen_random_uuid(), 'refill', '{}', session_user
    WHERE EXISTS (
        SELECT FROM bdc.data_tables AS d, LATERAL (
            SELECT count(*) AS wanted, count(here.id) AS answering, count(*) FILTER (WHERE here.id = place ->> 'id') AS kept
            FROM jsonb_array_elements(d.shards) AS place LEFT JOIN jsonb_to_recordset(present) AS here (number int, id text) ON here.number = (place ->> 'number')::int) AS shards
        WHERE d.distribution ->> 'kind' = 'replicated' AND bdc.rows_identity(d) = bdc.identity() AND answering = wanted AND kept BETWEEN 1 AND wanted - 1)
      AND NOT EXISTS (SELECT FROM bdc.data_operations WHERE kind = 'refill' AND (state IN ('waiting', 'running') OR state = 'failed' AND ended_at > clock_timestamp() - interval '1 minute'));
  RETURN FOUND;
END $$;

-- The data table that a name means, as SQL writes it.
CREATE FUNCTION bdc.named_data_table(written text) RETURNS uuid LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  parts text[] := bdc.table_name_parts(written, 'public');
BEGIN
  RETURN bdc.requested_table(jsonb_build_object('schema', parts[1], 'table', parts[2]));
END $$;

-- One state of these tables (names as SQL writes them; null: all that have rows here): {"database", "identity", "snapshot", "pending", "tables"},
-- each table with its present name as "relation": [schema, name]. The last statement sees all of it as of one moment. wanted_right: null: none is needed.
CREATE FUNCTION bdc.pool_data_set("user" text, names text[], wanted_right text) RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  wanted uuid[];
  entry text;
  known bdc.data_tables;
BEGIN
  IF names IS NULL THEN
    wanted := ARRAY(SELECT d.table_id FROM bdc.data_tables AS d WHERE bdc.rows_identity(d) = bdc.identity());
  END IF;
  FOREACH entry IN ARRAY coalesce(names, '{}') LOOP
    IF bdc.named_data_table(entry) IS NULL THEN
      RAISE EXCEPTION USING ERRCODE = 'undefined_table', MESSAGE = format('data table %s does not exist', entry), HINT = 'SELECT * FROM bdc.data_tables_view lists them.';
    END IF;
    wanted := wanted || bdc.named_data_table(entry);
  END LOOP;
  FOR known IN SELECT d.* FROM bdc.data_tables AS d WHERE table_id = ANY (wanted) LOOP
    PERFORM bdc.require_own_rows(known, bdc.data_table_name(known.table_id));
    IF wanted_right IS NOT NULL AND NOT bdc.pool_table_right("user", known.table_id, wanted_right) THEN
      RAISE EXCEPTION USING ERRCODE = 'insufficient_privilege',
        MESSAGE = format('permission denied for table %s: "%s" needs %s on it', bdc.data_table_name(known.table_id), "user", wanted_right);
    END IF;
  END LOOP;
  PERFORM bdc.resolve_prepared();
  RETURN (SELECT jsonb_build_object('database', current_database(), 'identity', bdc.identity(), 'snapshot', c.version, 'marks', bdc.marks(),
    'pending', (SELECT coalesce(jsonb_agg(jsonb_build_array(l.load, l.version) ORDER BY l.version), '[]') FROM bdc.data_loads AS l WHERE state = 'committed' AND NOT applied),
    'tables', (SELECT coalesce(jsonb_agg(bdc.data_document(t.id) || jsonb_build_object('relation', jsonb_build_array(n.nspname, r.relname),
                 'grants', (SELECT coalesce(jsonb_agg(DISTINCT jsonb_build_array(a.grantee::regrole::text, a.privilege_type)), '[]') FROM aclexplode(r.relacl) AS a WHERE a.grantee <> 0)) ORDER BY n.nspname, r.relname), '[]')
               FROM bdc.table_definitions AS t JOIN pg_class AS r ON r.oid = bdc.relation_of(t.schema_name, t.table_name) JOIN pg_namespace AS n ON n.oid = r.relnamespace
               WHERE t.id = ANY (wanted)))
    FROM bdc.data_clock AS c);
END $$;

-- Where the rows of a backup go: the table of that name, made when there is none, adopted when it is a copy's. request: {"name", "columns",
-- "distribution", "primary_key", "shards", "overwrite", "snapshot", "identity"}; answer: {"id", "made", "columns", "lost": loads since, [[load, user, time, rows]]}.
CREATE FUNCTION bdc.pool_restore_target("user" text, request jsonb) RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  wanted uuid := bdc.named_data_table(request ->> 'name');
  is_new boolean := wanted IS NULL;
  known bdc.data_tables;
  lost jsonb;
BEGIN
  IF is_new THEN
    wanted := bdc.make_data_table("user", request || jsonb_build_object('table_name', request ->> 'name', 'schema', 'public'));
    UPDATE bdc.data_operations AS o SET made = o.made || wanted WHERE id = (pool_restore_target.request ->> 'operation')::uuid;  -- tried again, it is its own
  END IF;
  SELECT * INTO known FROM bdc.data_tables WHERE table_id = wanted FOR UPDATE;
  IF bdc.rows_identity(known) IS DISTINCT FROM bdc.identity() THEN
    wanted := bdc.adopt_data_table(known, request -> 'shards');
  ELSIF NOT is_new THEN
    PERFORM bdc.require_load_rights("user", wanted, 'overwrite');
    SELECT coalesce(jsonb_agg(jsonb_build_array(l.load, l.user_name, l.decided_at, l.rows) ORDER BY l.version), '[]') INTO lost FROM bdc.data_loads AS l, jsonb_array_elements(l.tables) AS entry
      WHERE l.state = 'committed' AND (entry ->> 'id')::uuid = wanted
        AND (l.version > (request ->> 'snapshot')::bigint OR request ->> 'identity' IS DISTINCT FROM bdc.identity()::text);
    IF NOT coalesce((request ->> 'overwrite')::boolean, false)
        AND NOT EXISTS (SELECT FROM bdc.data_operations AS o WHERE id = (pool_restore_target.request ->> 'operation')::uuid AND wanted = ANY (o.made)) THEN
      RAISE EXCEPTION USING ERRCODE = 'duplicate_table', MESSAGE = format('data table %s exists already', bdc.data_table_name(wanted)),
        DETAIL = format('Loads into it that are newer than the backup, whose rows would be lost: %s.%s', jsonb_array_length(lost),
          coalesce((SELECT ' The latest: ' || string_agg(format('%s by %s at %s', entry ->> 0, entry ->> 1, entry ->> 2), '; ') FROM (
            SELECT entry FROM jsonb_array_elements(lost) WITH ORDINALITY AS of (entry, place) ORDER BY place DESC LIMIT 5) AS latest), '')),
        HINT = '--overwrite replaces its rows by those of the backup; --as restores under another name.';
    END IF;
  END IF;
  RETURN (SELECT jsonb_build_object('id', t.id, 'made', is_new, 'columns', t.columns, 'lost', coalesce(lost, '[]')) FROM bdc.table_definitions AS t WHERE id = wanted);
END $$;

GRANT EXECUTE ON FUNCTION bdc.pool_take_operation, bdc.pool_tell_operation, bdc.pool_end_operation, bdc.pool_ask_refill, bdc.pool_data_set, bdc.pool_restore_target TO bdc_pool;
