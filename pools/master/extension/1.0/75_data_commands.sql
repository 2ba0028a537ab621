-- The procedures of the data pool that users call; see 70_commands.sql for the door behind them.

CREATE PROCEDURE bdc.create_data_table(table_name text, columns jsonb, distribution text DEFAULT NULL, primary_key text[] DEFAULT NULL) LANGUAGE sql AS $$
  INSERT INTO bdc.commands (command, arguments) VALUES ('create_data_table', pg_catalog.jsonb_build_object('table_name', table_name,
    'schema', pg_catalog.current_schema(), 'columns', columns, 'distribution', distribution, 'primary_key', primary_key))
$$;
COMMENT ON PROCEDURE bdc.create_data_table IS 'distribution: HASH(column, …), ROUND_ROBIN (default), REPLICATED; with a primary key the default is HASH of it';
CREATE PROCEDURE bdc.drop_data_table(table_name text, "cascade" boolean DEFAULT false) LANGUAGE sql AS $$
  INSERT INTO bdc.commands (command, arguments) VALUES ('drop_data_table', pg_catalog.jsonb_build_object('table_name', table_name,
    'relation', pg_catalog.to_regclass(table_name)::pg_catalog.oid, 'cascade', "cascade"))
$$;
CREATE PROCEDURE bdc.alter_data_table(table_name text, change jsonb) LANGUAGE sql AS $$
  INSERT INTO bdc.commands (command, arguments) VALUES ('alter_data_table', pg_catalog.jsonb_build_object('table_name', table_name,
    'relation', pg_catalog.to_regclass(table_name)::pg_catalog.oid, 'change', change))
$$;
COMMENT ON PROCEDURE bdc.alter_data_table IS '{"add": {"name", "type", "nullable"?, "default"?}}, {"drop": name}, {"rename": name, "to": name} or {"widen": name, "type": type}';
CREATE PROCEDURE bdc.adopt_data_tables() LANGUAGE sql AS $$
  INSERT INTO bdc.commands (command, arguments) VALUES ('adopt_data_tables', '{}')
$$;
CREATE PROCEDURE bdc.disown_data_tables() LANGUAGE sql AS $$
  INSERT INTO bdc.commands (command, arguments) VALUES ('disown_data_tables', '{}')
$$;
COMMENT ON PROCEDURE bdc.disown_data_tables IS 'For a master that was restored to an older state: gives up all rows on the shards';

-- As the caller: TRUNCATE itself is the load, in the caller's transaction.
CREATE PROCEDURE bdc.truncate_data_table(table_name text) LANGUAGE plpgsql AS $$
DECLARE
  wanted pg_catalog.regclass := pg_catalog.to_regclass(table_name);
BEGIN
  IF NOT EXISTS (SELECT FROM bdc.data_tables_view AS known WHERE known.relation OPERATOR(pg_catalog.=) wanted) THEN
    RAISE EXCEPTION USING ERRCODE = 'undefined_table', MESSAGE = pg_catalog.format('data table "%s" does not exist', table_name);
  END IF;
  EXECUTE pg_catalog.format('TRUNCATE TABLE %s', wanted);
END $$;

-- The transaction that a merge belongs to: within a savepoint (or a block with EXCEPTION) that one, whose ROLLBACK TO takes the merge back.
-- Only a row that it has written tells its number.
CREATE TABLE bdc.data_merges (merging boolean NOT NULL);

CREATE FUNCTION bdc.merging_xid() RETURNS text LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  top bigint := pg_current_xact_id()::text::bigint;
  own bigint;
BEGIN
  INSERT INTO bdc.data_merges VALUES (true) RETURNING xmin::text::bigint INTO own;
  DELETE FROM bdc.data_merges WHERE xmin::text::bigint = own;
  RETURN (top + (own - top % 4294967296 + 4294967296) % 4294967296)::text;
END $$;

-- Rows of source into target by key: those that are there become the new ones, others are added. The pool writes a load of its own, which
-- is decided by this transaction's own end (xid).
CREATE FUNCTION bdc.carry_merge(caller name, a jsonb) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  target bdc.table_definitions := bdc.merged_table(caller, a, 'target', 'INSERT');
  source bdc.table_definitions := bdc.merged_table(caller, a, 'source', 'SELECT');
  known bdc.data_tables;
  merged bigint;
BEGIN
  PERFORM bdc.merged_table(caller, a, 'target', 'UPDATE');
  SELECT * INTO known FROM bdc.data_tables WHERE table_id = target.id;
  IF known.table_id IS NULL THEN
    RAISE EXCEPTION USING ERRCODE = 'wrong_object_type', MESSAGE = format('bdc.merge: %s is no table of the data pool', a ->> 'target');
  END IF;
  PERFORM bdc.require_own_rows(known, a ->> 'target');
  IF jsonb_typeof(a -> 'keys') = 'array' THEN
    PERFORM bdc.checked_key(ARRAY(SELECT jsonb_array_elements_text(a -> 'keys')), target.columns, 'bdc.merge');
  ELSIF known.primary_key = '[]' THEN
    RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = format('bdc.merge: %s has no primary key, so keys must be named', a ->> 'target');
  END IF;
  SELECT sum((response ->> 'rows')::bigint) INTO merged FROM bdc.request(caller, jsonb_build_object('action', 'merge',
    'target', jsonb_build_object('id', target.id, 'schema', target.schema_name, 'table', target.table_name),
    'source', jsonb_build_object('id', source.id, 'schema', source.schema_name, 'table', source.table_name),
    'keys', CASE WHEN jsonb_typeof(a -> 'keys') = 'array' THEN a -> 'keys' ELSE known.primary_key END,
    'xid', bdc.merging_xid())) AS response;
  RAISE NOTICE '% rows merged', coalesce(merged, 0);
END $$;

CREATE FUNCTION bdc.merged_table(caller name, a jsonb, part text, wanted_right text) RETURNS bdc.table_definitions LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  known bdc.table_definitions;
  named oid := (a ->> (part || '_relation'))::oid;
BEGIN
  SELECT t.* INTO known FROM bdc.table_definitions AS t JOIN bdc.virtual_relations AS r USING (schema_name, table_name) WHERE r.relation = named;
  IF known.id IS NULL THEN
    RAISE EXCEPTION USING ERRCODE = 'undefined_table', MESSAGE = format('bdc.merge: %s "%s" is no virtual table', part, a ->> part),
      HINT = 'Rows of a local table: INSERT them into a data table first.';
  ELSIF NOT bdc.pool_table_right(caller, known.id, wanted_right) THEN
    RAISE EXCEPTION USING ERRCODE = 'insufficient_privilege', MESSAGE = format('permission denied for table %s: "%s" needs %s on it', named::regclass, caller, wanted_right);
  END IF;
  RETURN known;
END $$;

CREATE PROCEDURE bdc.merge(target text, source text, keys text[] DEFAULT NULL) LANGUAGE sql AS $$
  INSERT INTO bdc.commands (command, arguments) VALUES ('merge', pg_catalog.jsonb_build_object('target', target, 'source', source, 'keys', keys,
    'target_relation', pg_catalog.to_regclass(target)::pg_catalog.oid, 'source_relation', pg_catalog.to_regclass(source)::pg_catalog.oid))
$$;
