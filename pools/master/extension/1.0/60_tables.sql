-- Virtual tables: definitions here, foreign tables by the functions before.

CREATE VIEW bdc.virtual_tables AS
  SELECT t.id, t.schema_name, t.table_name, s.name AS source_name, t.location, t.columns, t.options,
    pg_catalog.pg_get_userbyid(c.relowner) AS owner, t.rows, t.created_at, t.refreshed_at, r.relation::pg_catalog.regclass AS relation, t.drift, t.analyzed_at
  FROM bdc.table_definitions t
  JOIN bdc.source_definitions s ON s.id = t.source_id
  LEFT JOIN bdc.virtual_relations r ON r.schema_name = t.schema_name AND r.table_name = t.table_name
  LEFT JOIN pg_catalog.pg_class c ON c.oid = r.relation;
COMMENT ON VIEW bdc.virtual_tables IS 'Virtual tables; (schema_name, table_name) is the key, relation what the table is called now';

-- Asks the pool what the source knows of one object. The pool can't see this transaction's rows, so the request carries everything.
CREATE FUNCTION bdc.detect(caller name, source bdc.source_definitions, location text, options jsonb) RETURNS jsonb
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  known jsonb;
BEGIN
  SELECT response INTO known FROM bdc.request(caller, jsonb_build_object(
    'action', 'detect', 'source', bdc.source_document(source), 'location', location, 'options', options)) AS response;
  IF known IS NULL THEN
    RAISE EXCEPTION USING ERRCODE = 'fdw_error', MESSAGE = format('the compute pool detected nothing at "%s" of data source "%s"', location, source.name);
  END IF;
  RETURN known || jsonb_build_object('options', options || bdc.checked_options(known -> 'options'));
END $$;

CREATE FUNCTION bdc.refuse_unmapped(known jsonb, location text) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  unmapped text := (SELECT string_agg(format('column "%s": %s (%s)', entry ->> 0, entry ->> 1, entry ->> 2), '; ') FROM jsonb_array_elements(known -> 'unmapped') AS entry);
BEGIN
  IF unmapped IS NOT NULL THEN
    RAISE EXCEPTION USING ERRCODE = 'feature_not_supported', MESSAGE = format('"%s" has types that can''t be carried: %s', location, unmapped),
      HINT = 'Name the columns that you want in "columns".';
  END IF;
END $$;

-- For both planners, the master's and the pool's; known: {"rows", "statistics", "sampled"}.
CREATE FUNCTION bdc.keep_statistics(relation oid, columns jsonb, known jsonb) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  rows double precision := (known ->> 'rows')::double precision;
BEGIN
  PERFORM bdc.set_rows(relation, rows);
  PERFORM bdc.set_statistics(relation, columns, known -> 'statistics');
  PERFORM bdc.remember_facts(relation, rows, known -> 'sampled');
END $$;

-- Registers a table and makes its foreign table; known: {"columns", "options", "rows", "statistics"}.
CREATE FUNCTION bdc.register_table(caller name, target text[], source_id uuid, location text, known jsonb) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  key_name text := bdc.free_key(target);
  columns jsonb := bdc.checked_columns(known -> 'columns');
  relation oid;
BEGIN
  INSERT INTO bdc.table_definitions (schema_name, table_name, source_id, location, columns, options, detected, rows, refreshed_at)
    VALUES (target[1], key_name, source_id, location, columns, known -> 'options', known ? 'unmapped', (known ->> 'rows')::double precision, now());
  relation := bdc.make_table(target, caller, key_name, columns);
  PERFORM bdc.keep_statistics(relation, columns, known);
END $$;

CREATE FUNCTION bdc.refuse_data_source(source bdc.source_definitions) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF source.connector = 'datapool' THEN
    RAISE EXCEPTION USING ERRCODE = 'feature_not_supported', MESSAGE = 'tables of the data pool are made, not found', HINT = 'CALL bdc.create_data_table(…).';
  END IF;
END $$;

CREATE FUNCTION bdc.carry_create_virtual_table(caller name, a jsonb) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  target text[] := bdc.table_name_parts(bdc.require(a ->> 'table_name', 'create_virtual_table', 'table_name'), a ->> 'schema');
  source bdc.source_definitions := bdc.usable_source(caller, bdc.require(a ->> 'source', 'create_virtual_table', 'source'));
  place text := bdc.require(a ->> 'location', 'create_virtual_table', 'location');
  known jsonb := jsonb_build_object('options', bdc.checked_options(a -> 'options'), 'columns', a -> 'columns');
BEGIN
  PERFORM bdc.refuse_data_source(source);
  PERFORM bdc.require_creatable(caller, target);
  IF a ->> 'columns' IS NULL THEN
    known := '{"unmapped": []}' || bdc.detect(caller, source, place, known -> 'options');
    PERFORM bdc.refuse_unmapped(known, place);
  END IF;
  PERFORM bdc.register_table(caller, target, source.id, place, known);
END $$;

-- The virtual table behind a relation; refuses other relations and callers that do not own it.
CREATE FUNCTION bdc.owned_table(caller name, a jsonb) RETURNS bdc.table_definitions LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  known bdc.table_definitions;
BEGIN
  SELECT t.* INTO known FROM bdc.table_definitions AS t JOIN bdc.virtual_relations AS r USING (schema_name, table_name) WHERE r.relation = (a ->> 'relation')::oid;
  IF known.id IS NULL THEN
    RAISE EXCEPTION USING ERRCODE = 'undefined_table', MESSAGE = format('virtual table "%s" does not exist', a ->> 'table_name'),
      HINT = 'SELECT relation FROM bdc.virtual_tables lists them.';
  END IF;
  PERFORM bdc.require_owned(caller, (a ->> 'relation')::oid);
  RETURN known;
END $$;

CREATE FUNCTION bdc.carry_drop_virtual_table(caller name, a jsonb) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  definition bdc.table_definitions := bdc.owned_table(caller, a);
BEGIN
  PERFORM bdc.remove_table((a ->> 'relation')::oid, coalesce((a ->> 'cascade')::boolean, false));
  DELETE FROM bdc.table_definitions WHERE id = definition.id;
END $$;

-- In what the source differs from a definition; columns are matched by their name there. Of columns that somebody gave by hand only those that
-- are gone are news, and only where any of their names means something there (columns of a file without a header go by their place).
CREATE FUNCTION bdc.column_changes(definition bdc.table_definitions, found jsonb) RETURNS jsonb LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  WITH known AS (
    SELECT entry, place, entry ->> 'remote' AS key FROM jsonb_array_elements(definition.columns) WITH ORDINALITY AS e (entry, place)
  ), present AS (
    SELECT entry, place, entry ->> 'remote' AS key FROM jsonb_array_elements(found) WITH ORDINALITY AS e (entry, place)
  ), change AS (
    SELECT known.place AS old_place, present.place AS new_place, known.entry AS here, present.entry AS there,
      CASE WHEN known.entry IS NULL THEN 'new' WHEN present.entry IS NULL THEN 'gone'
        WHEN known.entry ->> 'type' <> present.entry ->> 'type' THEN 'type'
        WHEN known.entry -> 'nullable' <> present.entry -> 'nullable' THEN 'null' END AS kind
    FROM known FULL JOIN present USING (key)
    WHERE definition.detected OR (present.entry IS NULL AND EXISTS (SELECT FROM known JOIN present USING (key)))
  )
  SELECT coalesce(jsonb_agg(jsonb_build_object('column', coalesce(here, there) ->> 'name', 'change', kind,
      'here', here ->> 'type' || CASE WHEN (here ->> 'nullable')::boolean THEN '' ELSE ' not null' END,
      'there', there ->> 'type' || CASE WHEN (there ->> 'nullable')::boolean THEN '' ELSE ' not null' END) ORDER BY old_place, new_place), '[]')
  FROM change WHERE kind IS NOT NULL
$$;

-- The columns that a table gets: all as they are at the source, under the names that they have here, new ones last; or (not all_changes) only
-- free of the promise that the source no longer keeps, that there is no NULL.
CREATE FUNCTION bdc.refreshed_columns(definition bdc.table_definitions, found jsonb, all_changes boolean) RETURNS jsonb LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT coalesce(jsonb_agg(CASE
      WHEN here IS NULL THEN there
      WHEN there IS NULL THEN here
      WHEN all_changes THEN there || jsonb_build_object('name', here ->> 'name')
      ELSE here || jsonb_build_object('nullable', (here ->> 'nullable')::boolean OR (there ->> 'nullable')::boolean) END ORDER BY old_place, new_place), '[]')
  FROM (SELECT entry AS here, place AS old_place, entry ->> 'remote' AS key FROM jsonb_array_elements(definition.columns) WITH ORDINALITY AS e (entry, place)) AS known
  FULL JOIN (SELECT entry AS there, place AS new_place, entry ->> 'remote' AS key FROM jsonb_array_elements(found) WITH ORDINALITY AS e (entry, place)) AS present USING (key)
  WHERE CASE WHEN all_changes THEN there IS NOT NULL ELSE here IS NOT NULL END
$$;

-- Looks again. Returns the changes found, each with "applied"; those that were not stay in the definition's drift.
CREATE FUNCTION bdc.carry_refresh_table(caller name, a jsonb) RETURNS jsonb LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  definition bdc.table_definitions := bdc.owned_table(caller, a);
  relation oid := (a ->> 'relation')::oid;
  source bdc.source_definitions;
  known jsonb;
  found jsonb;
  new_columns jsonb;
  changes jsonb;
  take_all boolean := definition.detected AND coalesce((a ->> 'columns')::boolean, true);
BEGIN
  SELECT * INTO source FROM bdc.source_definitions WHERE id = definition.source_id;
  PERFORM bdc.refuse_data_source(source);
  known := bdc.detect(caller, source, definition.location, definition.options);
  IF jsonb_array_length(known -> 'columns') = 0 THEN
    PERFORM bdc.refuse_unmapped(known, definition.location);
  END IF;
  found := bdc.checked_columns(known -> 'columns');
  new_columns := CASE WHEN definition.detected THEN bdc.refreshed_columns(definition, found, take_all) ELSE definition.columns END;
  SELECT coalesce(jsonb_agg(change || jsonb_build_object('applied', take_all OR (definition.detected AND change ->> 'change' = 'null' AND change ->> 'there' NOT LIKE '% not null'))), '[]')
    INTO changes FROM jsonb_array_elements(bdc.column_changes(definition, found)) AS change;
  PERFORM bdc.change_columns(relation, new_columns);
  UPDATE bdc.table_definitions SET columns = new_columns, options = known -> 'options', rows = (known ->> 'rows')::double precision, refreshed_at = now(),
      drift = (SELECT coalesce(jsonb_agg(change - 'applied'), '[]') FROM jsonb_array_elements(changes) AS change WHERE NOT (change ->> 'applied')::boolean)
    WHERE id = definition.id;
  PERFORM bdc.keep_statistics(relation, new_columns, known);
  RETURN changes;
END $$;

-- What the source knows of the values, else what a bounded sample of them tells. Returns {"rows", "columns": of how many something is known}.
CREATE FUNCTION bdc.carry_analyze(caller name, a jsonb) RETURNS jsonb LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  definition bdc.table_definitions := bdc.owned_table(caller, a);
  relation oid := (a ->> 'relation')::oid;
  source bdc.source_definitions;
  known jsonb;
BEGIN
  SELECT * INTO source FROM bdc.source_definitions WHERE id = definition.source_id;
  IF source.connector = 'datapool' THEN
    PERFORM bdc.analyze_table(relation, NULL);
  ELSE
    SELECT response INTO known FROM bdc.request(caller, jsonb_build_object('action', 'analyze', 'source', bdc.source_document(source),
      'sample', (a ->> 'sample')::integer, 'table', jsonb_build_object('schema', definition.schema_name, 'name', definition.table_name, 'source', source.name,
        'location', definition.location, 'columns', definition.columns, 'options', definition.options))) AS response;
    IF known IS NULL THEN
      RAISE EXCEPTION USING ERRCODE = 'fdw_error', MESSAGE = format('the compute pool found nothing at "%s" of data source "%s"', definition.location, source.name);
    END IF;
    PERFORM bdc.keep_statistics(relation, definition.columns, known);
  END IF;
  RETURN (SELECT jsonb_build_object('rows', t.rows, 'columns', (SELECT count(*) FROM jsonb_object_keys(t.facts))) FROM bdc.table_definitions AS t WHERE t.id = definition.id);
END $$;

CREATE FUNCTION bdc.carry_import_schema(caller name, a jsonb) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  source bdc.source_definitions := bdc.usable_source(caller, bdc.require(a ->> 'source', 'import_schema', 'source'));
  local_schema text := bdc.require(a ->> 'local_schema', 'import_schema', 'local_schema');
  object jsonb;
  known jsonb;
  made integer := 0;
BEGIN
  PERFORM bdc.refuse_data_source(source);
  FOR object IN SELECT response FROM bdc.request(caller, jsonb_build_object(
      'action', 'objects', 'source', bdc.source_document(source), 'schema', a ->> 'remote_schema')) AS response LOOP
    CONTINUE WHEN a ->> 'only' IS NOT NULL AND NOT a -> 'only' ? (object ->> 'name');
    CONTINUE WHEN a ->> 'leave_out' IS NOT NULL AND a -> 'leave_out' ? (object ->> 'name');
    PERFORM bdc.require_creatable(caller, ARRAY[local_schema, object ->> 'name']);
    known := '{"unmapped": []}' || bdc.detect(caller, source, object ->> 'location', bdc.checked_options(a -> 'options'));
    IF jsonb_array_length(known -> 'unmapped') > 0 THEN
      RAISE WARNING USING MESSAGE = format('%s: left out columns whose types can''t be carried: %s', object ->> 'location',
        (SELECT string_agg(format('"%s" %s (%s)', entry ->> 0, entry ->> 1, entry ->> 2), ', ') FROM jsonb_array_elements(known -> 'unmapped') AS entry));
    END IF;
    CONTINUE WHEN jsonb_array_length(known -> 'columns') = 0;
    PERFORM bdc.register_table(caller, ARRAY[local_schema, object ->> 'name'], source.id, object ->> 'location', known - 'unmapped' || jsonb_build_object('unmapped', '[]'::jsonb));
    made := made + 1;
  END LOOP;
  IF made = 0 THEN
    RAISE EXCEPTION USING ERRCODE = 'fdw_schema_not_found', MESSAGE = format('nothing to import from schema "%s" of data source "%s"', a ->> 'remote_schema', source.name);
  END IF;
  RAISE NOTICE '% virtual tables imported from "%"', made, source.name;
END $$;
