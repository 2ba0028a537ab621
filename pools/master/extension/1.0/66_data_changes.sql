-- ALTER of a data table: the definition and the foreign table change here, in the caller's transaction; shards follow at the first ticket
-- that names the newer schema version. A load begun before is refused at its decision.

CREATE FUNCTION bdc.require_widening(old_type text, new_type text, column_name text) RETURNS void LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  old_numeric int[] := regexp_match(old_type, '^numeric\((\d+),(\d+)\)$');
  new_numeric int[] := regexp_match(new_type, '^numeric\((\d+),(\d+)\)$');
  old_length int := substring(old_type FROM '^character varying\((\d+)\)$');
  new_length int := substring(new_type FROM '^character varying\((\d+)\)$');
BEGIN
  IF (old_type, new_type) IN (('smallint', 'integer'), ('smallint', 'bigint'), ('integer', 'bigint'), ('real', 'double precision'), ('character varying', 'text'))
    OR (old_numeric IS NOT NULL AND new_numeric[1] <= 38 AND new_numeric[2] >= old_numeric[2]
        AND new_numeric[1] - new_numeric[2] >= old_numeric[1] - old_numeric[2])
    OR (old_length IS NOT NULL AND (new_type IN ('text', 'character varying') OR new_length >= old_length)) THEN
    RETURN;
  END IF;
  RAISE EXCEPTION USING ERRCODE = 'feature_not_supported', MESSAGE = format('column "%s": type %s can''t be widened to %s', column_name, old_type, new_type),
    HINT = 'smallint → integer → bigint, real → double precision, numeric and varchar to larger ones. Anything else: make a new table and INSERT … SELECT.';
END $$;

CREATE FUNCTION bdc.column_named(columns jsonb, wanted text) RETURNS jsonb LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  known jsonb := (SELECT entry FROM jsonb_array_elements(columns) AS entry WHERE entry ->> 'name' = wanted);
BEGIN
  IF known IS NULL THEN
    RAISE EXCEPTION USING ERRCODE = 'undefined_column', MESSAGE = format('column "%s" does not exist', wanted);
  END IF;
  RETURN known;
END $$;

CREATE FUNCTION bdc.with_column(columns jsonb, changed jsonb) RETURNS jsonb LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT jsonb_agg(CASE WHEN entry -> 'id' = changed -> 'id' THEN changed ELSE entry END ORDER BY place)
  FROM jsonb_array_elements(columns) WITH ORDINALITY AS known (entry, place)
$$;

-- The columns after {"add": column} | {"drop": name} | {"rename": name, "to": name} | {"widen": name, "type": type}.
CREATE FUNCTION bdc.changed_columns(known bdc.data_tables, columns jsonb, change jsonb) RETURNS jsonb LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  verb text := (SELECT min(key) FROM jsonb_object_keys(change) AS key WHERE key IN ('add', 'drop', 'rename', 'widen'));
  entry jsonb;
BEGIN
  IF verb IS NULL OR EXISTS (SELECT FROM jsonb_object_keys(change) AS key
      WHERE key <> verb AND (verb, key) NOT IN (('rename', 'to'), ('widen', 'type'))) THEN
    RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = format('bdc.alter_data_table: %s is no change', change),
      HINT = '{"add": {"name", "type", …}}, {"drop": name}, {"rename": name, "to": name} or {"widen": name, "type": type}.';
  END IF;
  IF verb = 'add' THEN
    entry := bdc.checked_data_columns(jsonb_build_array(change -> 'add'), known.next_column) -> 0;
    IF NOT (entry ->> 'nullable')::boolean AND NOT entry ? 'default' THEN
      RAISE EXCEPTION USING ERRCODE = 'not_null_violation', MESSAGE = format('column "%s" is NOT NULL, and rows that exist have no value for it', entry ->> 'name'),
        HINT = 'Give it a "default".';
    END IF;
    -- rows that are there have the default too, as in PostgreSQL
    RETURN columns || jsonb_build_array(entry || CASE WHEN entry ? 'constant' THEN jsonb_build_object('missing', entry -> 'constant') ELSE '{}' END);
  END IF;
  entry := bdc.column_named(columns, change ->> verb);
  IF verb = 'rename' THEN
    RETURN bdc.with_column(columns, entry || jsonb_build_object('name', bdc.require(change ->> 'to', 'alter_data_table', 'to'), 'remote', change ->> 'to'));
  ELSIF verb = 'widen' THEN
    PERFORM bdc.require_widening(entry ->> 'type', bdc.checked_type(change ->> 'widen', bdc.require(change ->> 'type', 'alter_data_table', 'type')), change ->> 'widen');
    entry := entry || jsonb_build_object('type', bdc.checked_type(change ->> 'widen', change ->> 'type'));
  END IF;
  IF known.distribution -> 'columns' ? (entry ->> 'name') OR known.primary_key ? (entry ->> 'name') THEN
    RAISE EXCEPTION USING ERRCODE = 'feature_not_supported', MESSAGE = format('column "%s" places or identifies the rows of the table', entry ->> 'name'),
      HINT = 'Make a new table and INSERT … SELECT.';
  END IF;
  IF verb = 'widen' THEN
    RETURN bdc.with_column(columns, entry);
  END IF;
  RETURN coalesce((SELECT jsonb_agg(kept ORDER BY place) FROM jsonb_array_elements(columns) WITH ORDINALITY AS all_of_them (kept, place)
                   WHERE kept -> 'id' <> entry -> 'id'), '[]');
END $$;

-- A list of names with one of them changed.
CREATE FUNCTION bdc.with_name(names jsonb, old_name text, new_name text) RETURNS jsonb LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT coalesce(jsonb_agg(CASE WHEN name = old_name THEN new_name ELSE name END ORDER BY place), '[]')
  FROM jsonb_array_elements_text(names) WITH ORDINALITY AS known (name, place)
$$;

CREATE FUNCTION bdc.carry_alter_data_table(caller name, a jsonb) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  known bdc.data_tables := bdc.owned_data_table(caller, a);
  change jsonb := coalesce(a -> 'change', '{}');
  wanted jsonb;
BEGIN
  PERFORM bdc.require_own_rows(known, ((a ->> 'relation')::oid::regclass)::text);
  PERFORM bdc.await_prepared(known.table_id, 'alter_data_table');
  SELECT t.columns INTO wanted FROM bdc.table_definitions AS t WHERE id = known.table_id;
  wanted := bdc.changed_columns(known, wanted, change);
  PERFORM bdc.checked_columns(wanted);  -- names that are taken or too long, none left
  IF change ? 'rename' THEN
    PERFORM bdc.rename_column((a ->> 'relation')::oid, change ->> 'rename', change ->> 'to');
  ELSE
    PERFORM bdc.change_columns((a ->> 'relation')::oid, wanted);
  END IF;
  UPDATE bdc.table_definitions AS t SET columns = wanted, refreshed_at = now() WHERE id = known.table_id;
  UPDATE bdc.data_tables SET schema_version = schema_version + 1,
      next_column = next_column + CASE WHEN change ? 'add' THEN 1 ELSE 0 END,
      primary_key = bdc.with_name(primary_key, change ->> 'rename', change ->> 'to'),
      distribution = distribution || jsonb_build_object('columns', bdc.with_name(distribution -> 'columns', change ->> 'rename', change ->> 'to'))
    WHERE table_id = known.table_id;
END $$;
