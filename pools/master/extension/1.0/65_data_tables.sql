-- Tables of the data pool: definitions here, rows on the shards. docs/architecture/load-protocol.md says how rows get there.

CREATE TABLE bdc.data_tables (
  table_id uuid PRIMARY KEY REFERENCES bdc.table_definitions ON DELETE CASCADE ON UPDATE CASCADE,
  identity uuid NOT NULL,
  schema_version integer NOT NULL DEFAULT 1,
  next_column integer NOT NULL,
  distribution jsonb NOT NULL,
  primary_key jsonb NOT NULL DEFAULT '[]',
  shards jsonb NOT NULL,
  buckets jsonb NOT NULL,
  placed bigint NOT NULL DEFAULT 0
);
COMMENT ON COLUMN bdc.data_tables.placed IS 'snapshots before this one read the table by an older placement';
COMMENT ON COLUMN bdc.data_tables.identity IS 'of the database whose rows these are; in a copy or a restored dump it is another''s';
COMMENT ON COLUMN bdc.data_tables.next_column IS 'column ids (in bdc.table_definitions.columns) are never used again';
SELECT pg_catalog.pg_extension_config_dump('bdc.data_tables', '');
-- INSERT too: a dump brings definitions first and this after them, and who has read the catalog between must read it again
CREATE TRIGGER tell_change AFTER INSERT OR UPDATE ON bdc.data_tables FOR EACH STATEMENT EXECUTE FUNCTION bdc.tell_change();

CREATE TABLE bdc.data_heads (table_id uuid PRIMARY KEY, generation bigint NOT NULL DEFAULT 0);
COMMENT ON TABLE bdc.data_heads IS 'The current generation of each table that has rows on shards; not dumped: a definition without it has none';

CREATE TABLE bdc.data_dropped (
  table_id uuid PRIMARY KEY,
  identity uuid NOT NULL,
  shards jsonb NOT NULL,
  dropped_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE bdc.data_dropped IS 'Tables whose rows the shards may drop';

-- Whatever statement drops a table: its rows are collected only after COMMIT, when the pool sees this row.
CREATE FUNCTION bdc.on_data_table_gone() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF OLD.identity = bdc.identity() THEN
    INSERT INTO bdc.data_dropped (table_id, identity, shards) VALUES (OLD.table_id, OLD.identity, OLD.shards)
      ON CONFLICT (table_id) DO NOTHING;
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER gone AFTER DELETE ON bdc.data_tables FOR EACH ROW EXECUTE FUNCTION bdc.on_data_table_gone();

-- A dump restored over the database that it was made of: rows that are not collected yet are kept.
CREATE FUNCTION bdc.on_data_table_made() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  DELETE FROM bdc.data_dropped WHERE table_id = NEW.table_id;
  RETURN NULL;
END $$;
CREATE TRIGGER made AFTER INSERT ON bdc.data_tables FOR EACH ROW EXECUTE FUNCTION bdc.on_data_table_made();

-- The types that shards keep exactly: by value, or as PostgreSQL's text. Only those kept by value (and uuid) may place or identify a row.
CREATE FUNCTION bdc.data_type_storage(type_name text) RETURNS text LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  base text := regexp_replace(regexp_replace(type_name, '\(.*?\)', ''), '\[\]$', '');
  modifier text[] := regexp_match(type_name, '^numeric\((\d+),(-?\d+)\)$');
  by_value CONSTANT text[] := ARRAY['boolean', 'bytea', 'smallint', 'integer', 'bigint', 'real', 'double precision', 'text', 'character varying',
    'character', 'bpchar', 'date', 'time without time zone', 'timestamp without time zone', 'timestamp with time zone'];
  as_text CONSTANT text[] := ARRAY['uuid', 'json', 'jsonb', 'numeric', 'interval', 'time with time zone', 'inet', 'cidr', 'macaddr', 'macaddr8',
    'bit', 'bit varying', 'int4range', 'int8range', 'numrange', 'daterange', 'tsrange', 'tstzrange'];
BEGIN
  IF base <> ALL (by_value) AND base <> ALL (as_text) THEN
    RETURN NULL;
  ELSIF type_name LIKE '%[]' THEN
    RETURN 'text';
  ELSIF modifier IS NOT NULL THEN
    RETURN CASE WHEN modifier[1]::int <= 38 AND modifier[2]::int BETWEEN 0 AND modifier[1]::int THEN 'value' ELSE 'text' END;
  END IF;
  RETURN CASE WHEN base = ANY (by_value) OR base = 'uuid' THEN 'value' ELSE 'text' END;
END $$;

CREATE FUNCTION bdc.checked_default(column_name text, type_name text, given jsonb) RETURNS text LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
  SET DateStyle = 'ISO' SET IntervalStyle = 'postgres' SET TimeZone = 'UTC' AS $$
DECLARE
  written text := given #>> '{}';
  canonical text;
BEGIN
  EXECUTE format('SELECT (%L::%s)::text', written, type_name) INTO canonical;
  IF type_name LIKE 'character%' AND length(canonical) < length(written) THEN  -- a cast that is written cuts in silence
    RAISE EXCEPTION USING ERRCODE = 'string_data_right_truncation', MESSAGE = format('value too long for type %s', type_name);
  END IF;
  RETURN canonical;
EXCEPTION WHEN data_exception OR invalid_text_representation THEN
  RAISE EXCEPTION USING ERRCODE = SQLSTATE, MESSAGE = format('column "%s": default %L is no value of type %s', column_name, written, type_name),
    DETAIL = SQLERRM, HINT = 'A default of a data table is a constant, written as text; an expression is none.';
END $$;

-- The same constant as shards' SQL.
CREATE FUNCTION bdc.constant_of_shards(canonical text, type_name text) RETURNS text LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT CASE WHEN type_name = 'bytea' THEN format('unhex(''%s'')', substr(canonical, 3)) ELSE format('''%s''', replace(canonical, '''', '''''')) END
$$;

-- Column definitions with ids from first_id on: {"id", "name", "type", "nullable", "remote", "default"?, "constant"?: that as shards' SQL}.
CREATE FUNCTION bdc.checked_data_columns(columns jsonb, first_id integer) RETURNS jsonb LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  entry jsonb;
  checked jsonb := '[]';
  place bigint;
BEGIN
  FOR entry, place IN SELECT e, o FROM jsonb_array_elements(bdc.checked_columns(columns)) WITH ORDINALITY AS known (e, o) LOOP
    IF bdc.data_type_storage(entry ->> 'type') IS NULL THEN
      RAISE EXCEPTION USING ERRCODE = 'feature_not_supported',
        MESSAGE = format('column "%s": the data pool has no storage for type %s', entry ->> 'name', entry ->> 'type'), HINT = 'Declare it as text.';
    END IF;
    entry := entry || jsonb_build_object('id', first_id + place - 1, 'remote', entry ->> 'name');
    IF columns -> (place - 1)::int ->> 'default' IS NOT NULL THEN
      entry := entry || jsonb_build_object('default', bdc.checked_default(entry ->> 'name', entry ->> 'type', columns -> (place - 1)::int -> 'default'));
      entry := entry || jsonb_build_object('constant', bdc.constant_of_shards(entry ->> 'default', entry ->> 'type'));
    END IF;
    checked := checked || jsonb_build_array(entry);
  END LOOP;
  RETURN checked;
END $$;

-- Column names of the argument, each of which exists, none twice, of types that can be compared on a shard.
CREATE FUNCTION bdc.checked_key(names text[], columns jsonb, what text) RETURNS jsonb LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  wanted text;
  known jsonb;
  seen text[] := '{}';
BEGIN
  FOREACH wanted IN ARRAY names LOOP
    known := (SELECT entry FROM jsonb_array_elements(columns) AS entry WHERE entry ->> 'name' = wanted);
    IF known IS NULL THEN
      RAISE EXCEPTION USING ERRCODE = 'undefined_column', MESSAGE = format('%s: column "%s" does not exist', what, wanted);
    ELSIF wanted = ANY (seen) THEN
      RAISE EXCEPTION USING ERRCODE = 'duplicate_column', MESSAGE = format('%s: column "%s" is named twice', what, wanted);
    ELSIF bdc.data_type_storage(known ->> 'type') <> 'value' THEN
      RAISE EXCEPTION USING ERRCODE = 'feature_not_supported',
        MESSAGE = format('%s: column "%s" has type %s, which shards keep as text and can''t compare', what, wanted, known ->> 'type'),
        HINT = CASE WHEN known ->> 'type' LIKE 'numeric%' THEN 'numeric(38, s) and smaller ones can be compared.' ELSE 'Use another column.' END;
    END IF;
    seen := seen || wanted;
  END LOOP;
  RETURN to_jsonb(seen);
END $$;

-- 'HASH(a, "B c")', 'ROUND_ROBIN', 'REPLICATED' as {"kind", "columns", "hash_version"}; without one, a primary key places the rows.
CREATE FUNCTION bdc.checked_distribution(written text, columns jsonb, key jsonb) RETURNS jsonb LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  given text := btrim(coalesce(written, CASE WHEN jsonb_array_length(key) > 0 THEN 'HASH' ELSE 'ROUND_ROBIN' END), E' \t\n\r');
  inner_text text := (regexp_match(given, '^hash\s*\((.*)\)$', 'is'))[1];
  names jsonb := '[]';
BEGIN
  IF upper(given) = 'HASH' AND jsonb_array_length(key) > 0 THEN
    names := key;
  ELSIF inner_text IS NOT NULL THEN
    names := bdc.checked_key(bdc.listed_names(inner_text, given), columns, 'distribution');
  ELSIF upper(given) NOT IN ('ROUND_ROBIN', 'REPLICATED') THEN
    RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = format('"%s" is no distribution', written),
      HINT = 'HASH(column, …), ROUND_ROBIN or REPLICATED.';
  END IF;
  IF jsonb_array_length(key) > 0 AND upper(given) <> 'REPLICATED' AND (names = '[]' OR NOT key @> names) THEN
    RAISE EXCEPTION USING ERRCODE = 'invalid_table_definition', MESSAGE = 'rows of one primary key must meet on one shard',
      HINT = 'Distribute by HASH of columns of the primary key, or REPLICATED.';
  END IF;
  RETURN jsonb_build_object('kind', CASE WHEN names = '[]' THEN lower(given) ELSE 'hash' END, 'columns', names, 'hash_version', 1);
END $$;

-- Names between commas, quoted as in SQL.
CREATE FUNCTION bdc.listed_names(written text, shown text) RETURNS text[] LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  entry CONSTANT text := '\s*(?:"(?:[^"]|"")+"|[[:alpha:]_][[:alnum:]_$]*)\s*';
BEGIN
  IF written !~ ('^' || entry || '(?:,' || entry || ')*$') THEN
    RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = format('"%s" is no distribution', shown),
      HINT = 'HASH(a, "B c"): column names between commas, quoted as in SQL.';
  END IF;
  RETURN ARRAY(SELECT (parse_ident(btrim(name[1], E' \t\n\r')))[1] FROM regexp_matches(written, entry, 'g') WITH ORDINALITY AS found (name, place) ORDER BY place);
END $$;

CREATE FUNCTION bdc.data_source() RETURNS bdc.source_definitions LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  known bdc.source_definitions;
BEGIN
  SELECT * INTO known FROM bdc.source_definitions WHERE connector = 'datapool' ORDER BY name <> 'data_pool', name LIMIT 1;
  IF known.id IS NULL THEN
    RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state', MESSAGE = 'this database has no data pool',
      HINT = 'master-setup makes the data source data_pool where the cluster has shards; an administrator: CALL bdc.create_data_source(''data_pool'', ''datapool'', ''datapool:'');';
  END IF;
  RETURN known;
END $$;

-- The shards as the pool knows them now, by number: [{"number", "id"}]. Given ones come from the pool itself.
CREATE FUNCTION bdc.present_shards(caller name, given jsonb) RETURNS jsonb LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  known jsonb;
BEGIN
  SELECT jsonb_agg(jsonb_build_object('number', (shard ->> 'number')::int, 'id', shard ->> 'id') ORDER BY (shard ->> 'number')::int) INTO known
    FROM (SELECT jsonb_array_elements(given) AS shard WHERE jsonb_typeof(given) = 'array'
          UNION ALL
          SELECT response FROM bdc.request(caller, '{"action": "shards"}') AS response WHERE jsonb_typeof(given) IS DISTINCT FROM 'array') AS shards;
  IF known IS NULL THEN
    RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state', MESSAGE = 'the data pool has no shards', HINT = 'See "bdc status".';
  ELSIF known @> '[{"id": null}]' THEN
    RAISE EXCEPTION USING ERRCODE = 'connection_failure', MESSAGE = format('shard %s of the data pool does not answer',
      (SELECT shard ->> 'number' FROM jsonb_array_elements(known) AS shard WHERE shard ->> 'id' IS NULL LIMIT 1)), HINT = 'See "bdc status".';
  END IF;
  RETURN known;
END $$;

CREATE FUNCTION bdc.even_buckets(shards jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT jsonb_agg(shards -> (bucket % jsonb_array_length(shards)) -> 'number' ORDER BY bucket) FROM generate_series(0, 255) AS bucket
$$;

-- a: {"table_name", "schema", "columns", "distribution", "primary_key", "shards"?}; the new table's id.
CREATE FUNCTION bdc.make_data_table(caller name, a jsonb) RETURNS uuid LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  target text[] := bdc.table_name_parts(bdc.require(a ->> 'table_name', 'create_data_table', 'table_name'), a ->> 'schema');
  source bdc.source_definitions := bdc.data_source();
  key_name text;
  columns jsonb;
  key jsonb;
  shards jsonb;
  distribution jsonb;
  new_id uuid := gen_random_uuid();
BEGIN
  PERFORM bdc.usable_source(caller, source.name);
  PERFORM bdc.require_creatable(caller, target);
  columns := bdc.checked_data_columns(a -> 'columns', 1);
  key := bdc.checked_key(ARRAY(SELECT jsonb_array_elements_text(CASE WHEN jsonb_typeof(a -> 'primary_key') = 'array' THEN a -> 'primary_key' ELSE '[]' END)), columns, 'primary key');
  distribution := bdc.checked_distribution(a ->> 'distribution', columns, key);
  columns := (SELECT jsonb_agg(CASE WHEN key ? (entry ->> 'name') THEN entry || '{"nullable": false}' ELSE entry END ORDER BY (entry ->> 'id')::int)
              FROM jsonb_array_elements(columns) AS entry);
  shards := bdc.present_shards(caller, a -> 'shards');
  key_name := bdc.free_key(target);
  INSERT INTO bdc.table_definitions (id, schema_name, table_name, source_id, location, columns, detected)
    VALUES (new_id, target[1], key_name, source.id, new_id::text, columns, false);
  INSERT INTO bdc.data_tables (table_id, identity, next_column, distribution, primary_key, shards, buckets)
    VALUES (new_id, bdc.identity(), jsonb_array_length(columns) + 1, distribution, key, shards, bdc.even_buckets(shards));
  INSERT INTO bdc.data_heads (table_id) VALUES (new_id);
  PERFORM bdc.make_table(target, caller, key_name, columns, '{"updatable": "true", "truncatable": "true", "batch_size": "1000"}');
  RETURN new_id;
END $$;

CREATE FUNCTION bdc.carry_create_data_table(caller name, a jsonb) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM bdc.make_data_table(caller, a);
END $$;

-- The data table behind a relation that the caller owns, locked: no decision about a load into it meanwhile.
CREATE FUNCTION bdc.owned_data_table(caller name, a jsonb) RETURNS bdc.data_tables LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  definition bdc.table_definitions := bdc.owned_table(caller, a);
  known bdc.data_tables;
BEGIN
  SELECT * INTO known FROM bdc.data_tables WHERE table_id = definition.id FOR UPDATE;
  IF known.table_id IS NULL THEN
    RAISE EXCEPTION USING ERRCODE = 'wrong_object_type', MESSAGE = format('virtual table "%s" is no table of the data pool', a ->> 'table_name');
  END IF;
  RETURN known;
END $$;

CREATE FUNCTION bdc.carry_drop_data_table(caller name, a jsonb) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM bdc.owned_data_table(caller, a);
  PERFORM bdc.carry_drop_virtual_table(caller, a);
END $$;

-- Whose rows a table has: its database's; nobody's where they were dropped, or its definition was restored without them.
CREATE FUNCTION bdc.rows_identity(known bdc.data_tables) RETURNS uuid LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT CASE WHEN EXISTS (SELECT FROM bdc.data_heads WHERE table_id = known.table_id) THEN known.identity ELSE '00000000-0000-0000-0000-000000000000' END
$$;

CREATE FUNCTION bdc.require_own_rows(known bdc.data_tables, shown text) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF bdc.rows_identity(known) IS DISTINCT FROM bdc.identity() THEN
    RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state', MESSAGE = format('data table %s has no rows in this database', shown),
      DETAIL = 'This database was copied, or restored from a dump; rows of the data pool are in neither.',
      HINT = 'CALL bdc.adopt_data_tables() makes it an empty table; "bdc data restore" brings the rows of a backup.';
  END IF;
END $$;

-- One definition that came without its rows: its new id.
CREATE FUNCTION bdc.adopt_data_table(known bdc.data_tables, present jsonb) RETURNS uuid LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  new_id uuid := gen_random_uuid();  -- so that no row of the old id is ever taken for one of this table
BEGIN
  UPDATE bdc.table_definitions SET id = new_id, location = new_id::text WHERE id = known.table_id;
  UPDATE bdc.data_tables SET identity = bdc.identity(), shards = present, buckets = bdc.even_buckets(present), placed = 0 WHERE table_id = new_id;
  INSERT INTO bdc.data_heads (table_id) VALUES (new_id);
  IF known.identity = bdc.identity() THEN
    INSERT INTO bdc.data_dropped (table_id, identity, shards) VALUES (known.table_id, known.identity, known.shards) ON CONFLICT DO NOTHING;
  END IF;
  RETURN new_id;
END $$;

-- The database becomes another one for the shards, as a copy of it would be: whatever they have of it, nobody can ask for any more.
CREATE FUNCTION bdc.carry_disown_data_tables(caller name) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF NOT bdc.is_admin(caller) THEN
    RAISE EXCEPTION USING ERRCODE = 'insufficient_privilege', MESSAGE = 'only members of bdc_admin may give up the rows of all data tables';
  END IF;
  DELETE FROM bdc.identities WHERE id = bdc.identity();
  PERFORM bdc.settle();
  UPDATE bdc.data_tables SET identity = identity;  -- tells the pool
  RAISE NOTICE 'the data tables of this database have no rows any more' USING HINT = 'bdc data restore, or CALL bdc.adopt_data_tables().';
END $$;

-- Definitions that came by a copy or a dump become empty tables of this database; the rows of where they came from stay there.
CREATE FUNCTION bdc.carry_adopt_data_tables(caller name, a jsonb) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  known bdc.data_tables;
  present jsonb;
  adopted integer := 0;
BEGIN
  IF NOT bdc.is_admin(caller) THEN
    RAISE EXCEPTION USING ERRCODE = 'insufficient_privilege', MESSAGE = 'only members of bdc_admin may adopt data tables';
  END IF;
  FOR known IN SELECT t.* FROM bdc.data_tables AS t WHERE bdc.rows_identity(t) IS DISTINCT FROM bdc.identity() LOOP
    present := coalesce(present, bdc.present_shards(caller, NULL));
    PERFORM bdc.adopt_data_table(known, present);
    adopted := adopted + 1;
  END LOOP;
  RAISE NOTICE '% data tables are empty tables of this database now', adopted;
END $$;
