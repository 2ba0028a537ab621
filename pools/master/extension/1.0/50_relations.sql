-- The foreign tables behind virtual tables. Functions marked "superuser" do what bdc_owner can't: make a table in the caller's schema
-- and give it to the caller. They check nothing but their arguments' form, and only bdc_owner may call them.

CREATE VIEW bdc.virtual_relations AS
  SELECT t.ftrelid AS relation,
    (SELECT option_value FROM pg_catalog.pg_options_to_table(t.ftoptions) WHERE option_name = 'schema_name') AS schema_name,
    (SELECT option_value FROM pg_catalog.pg_options_to_table(t.ftoptions) WHERE option_name = 'table_name') AS table_name
  FROM pg_catalog.pg_foreign_table t JOIN pg_catalog.pg_foreign_server s ON s.oid = t.ftserver
  WHERE s.srvname = 'compute_pool' AND t.ftrelid <> 'bdc.compute_request'::pg_catalog.regclass;
COMMENT ON VIEW bdc.virtual_relations IS 'Foreign tables of the compute pool with the key that their options carry';

CREATE FUNCTION bdc.relation_of(key_schema text, key_table text) RETURNS oid LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT relation FROM bdc.virtual_relations WHERE schema_name = key_schema AND table_name = key_table
$$;

CREATE FUNCTION bdc.require_owned(caller name, relation oid) RETURNS void LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF NOT bdc.is_admin(caller) AND NOT EXISTS (SELECT FROM pg_class WHERE oid = relation AND pg_has_role(caller, relowner, 'USAGE')) THEN
    RAISE EXCEPTION USING ERRCODE = 'insufficient_privilege', MESSAGE = format('must be owner of virtual table %s', relation::regclass);
  END IF;
END $$;

CREATE FUNCTION bdc.require_creatable(caller name, target text[]) RETURNS void LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  namespace oid := (SELECT oid FROM pg_namespace WHERE nspname = target[1]);
BEGIN
  IF namespace IS NULL THEN
    RAISE EXCEPTION USING ERRCODE = 'invalid_schema_name', MESSAGE = format('schema "%s" does not exist', target[1]);
  END IF;
  IF target[1] IN ('bdc', 'information_schema') OR target[1] LIKE 'pg\_%' THEN
    RAISE EXCEPTION USING ERRCODE = 'insufficient_privilege', MESSAGE = format('schema "%s" is the system''s own; virtual tables can''t be made in it', target[1]);
  END IF;
  IF NOT has_schema_privilege(caller, namespace, 'CREATE') OR NOT has_schema_privilege(caller, namespace, 'USAGE') THEN
    RAISE EXCEPTION USING ERRCODE = 'insufficient_privilege', MESSAGE = format('permission denied for schema "%s"', target[1]),
      HINT = format('"%s" needs USAGE and CREATE on it.', caller);
  END IF;
  IF EXISTS (SELECT FROM pg_class WHERE relnamespace = namespace AND relname = target[2]) THEN
    RAISE EXCEPTION USING ERRCODE = 'duplicate_table', MESSAGE = format('relation "%s.%s" already exists', target[1], target[2]);
  END IF;
END $$;

-- A table that was renamed keeps its key, so a new table of its old name needs another one.
CREATE FUNCTION bdc.free_key(target text[]) RETURNS text LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  candidate text := target[2];
BEGIN
  WHILE EXISTS (SELECT FROM bdc.table_definitions WHERE schema_name = target[1] AND table_name = candidate) LOOP
    candidate := target[2] || '~' || left(gen_random_uuid()::text, 8);
  END LOOP;
  RETURN candidate;
END $$;

CREATE FUNCTION bdc.column_clause(definition jsonb) RETURNS text LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT format('%I %s OPTIONS (column_name %L)%s', definition ->> 'name', definition ->> 'type', definition ->> 'name',
    CASE WHEN (definition ->> 'nullable')::boolean THEN '' ELSE ' NOT NULL' END
    || CASE WHEN definition ? 'default' THEN format(' DEFAULT %L::%s', definition ->> 'default', definition ->> 'type') ELSE '' END)
$$;

-- superuser
CREATE FUNCTION bdc.make_table(target text[], owner name, key_name text, columns jsonb, more_options jsonb DEFAULT '{}') RETURNS oid
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  grantee name;
BEGIN
  EXECUTE format('CREATE FOREIGN TABLE %I.%I (%s) SERVER compute_pool OPTIONS (%s)', target[1], target[2],
    (SELECT string_agg(bdc.column_clause(definition), ', ') FROM jsonb_array_elements(columns) AS definition),
    (SELECT string_agg(format('%I %L', key, value), ', ')
     FROM jsonb_each_text(more_options || jsonb_build_object('schema_name', target[1], 'table_name', key_name))));
  EXECUTE format('ALTER FOREIGN TABLE %I.%I OWNER TO %I', target[1], target[2], owner);
  FOR grantee IN SELECT g.grantee FROM bdc.default_grants AS g JOIN pg_roles ON rolname = g.grantee
                 WHERE g.schema_name IS NULL OR g.schema_name = target[1] LOOP
    EXECUTE format('GRANT SELECT ON TABLE %I.%I TO %I', target[1], target[2], grantee);
  END LOOP;
  RETURN bdc.relation_of(target[1], key_name);
END $$;

-- superuser
CREATE FUNCTION bdc.remove_table(relation oid, with_dependents boolean) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF EXISTS (SELECT FROM bdc.virtual_relations AS v WHERE v.relation = remove_table.relation) THEN
    EXECUTE format('DROP FOREIGN TABLE %s%s', relation::regclass, CASE WHEN with_dependents THEN ' CASCADE' ELSE '' END);
  END IF;
END $$;

-- superuser: the planner's number of rows; without it every join of virtual tables is planned blindly
CREATE FUNCTION bdc.set_rows(relation oid, rows double precision) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF rows IS NOT NULL AND current_setting('server_version_num')::int >= 180000
    AND EXISTS (SELECT FROM bdc.virtual_relations AS v WHERE v.relation = set_rows.relation) THEN
    EXECUTE 'SELECT pg_restore_relation_stats(''schemaname'', n.nspname::text, ''relname'', c.relname::text, ''reltuples'', $2::real, ''relpages'', $3::integer)
             FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = $1'
      USING relation, rows, greatest(1, least(rows / 80, 2000000000))::integer;
  END IF;
END $$;

-- superuser: brings a foreign table's columns to the given definitions. Columns are matched by the name that their options carry.
CREATE FUNCTION bdc.change_columns(relation oid, columns jsonb) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  change text;
BEGIN
  IF NOT EXISTS (SELECT FROM bdc.virtual_relations AS v WHERE v.relation = change_columns.relation) THEN
    RETURN;
  END IF;
  FOR change IN
    SELECT CASE
        WHEN definition IS NULL THEN format('DROP COLUMN %I', here.attname)
        WHEN here.attname IS NULL THEN 'ADD COLUMN ' || bdc.column_clause(definition)
        WHEN format_type(here.atttypid, here.atttypmod) <> definition ->> 'type'
          THEN format('ALTER COLUMN %I TYPE %s', here.attname, definition ->> 'type')
        ELSE format('ALTER COLUMN %I %s NOT NULL', here.attname, CASE WHEN here.attnotnull THEN 'DROP' ELSE 'SET' END)
      END
    FROM (SELECT attname, atttypid, atttypmod, attnotnull, coalesce((SELECT option_value FROM pg_options_to_table(attfdwoptions)
            WHERE option_name = 'column_name'), attname) AS key FROM pg_attribute
          WHERE attrelid = change_columns.relation AND attnum > 0 AND NOT attisdropped) AS here
    FULL JOIN (SELECT entry AS definition, entry ->> 'name' AS key FROM jsonb_array_elements(columns) AS entry) AS wanted USING (key)
    WHERE definition IS NULL OR here.attname IS NULL OR format_type(here.atttypid, here.atttypmod) <> definition ->> 'type'
      OR here.attnotnull = (definition ->> 'nullable')::boolean
  LOOP
    EXECUTE format('ALTER FOREIGN TABLE %s %s', relation::regclass, change);
  END LOOP;
END $$;

-- superuser: a column's new name, here and in the option by which the pool knows it
CREATE FUNCTION bdc.rename_column(relation oid, old_name text, new_name text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  here text := (SELECT attname FROM pg_attribute WHERE attrelid = rename_column.relation AND attnum > 0 AND NOT attisdropped
                AND coalesce((SELECT option_value FROM pg_options_to_table(attfdwoptions) WHERE option_name = 'column_name'), attname) = old_name);
BEGIN
  IF here IS NULL OR NOT EXISTS (SELECT FROM bdc.virtual_relations AS v WHERE v.relation = rename_column.relation) THEN
    RETURN;
  END IF;
  EXECUTE format('ALTER FOREIGN TABLE %s ALTER COLUMN %I OPTIONS (SET column_name %L)', relation::regclass, here, new_name);
  IF here = old_name THEN
    EXECUTE format('ALTER FOREIGN TABLE %s RENAME COLUMN %I TO %I', relation::regclass, here, new_name);
  END IF;
END $$;
