-- Event triggers that keep catalog and relations in step, whatever statement changes them.

-- A view runs remotely as its owner, so that whoever may read the view reads with the owner's rights at the pool. Views over virtual
-- tables therefore become security_invoker, unless they say otherwise themselves. Views over such views too.
CREATE FUNCTION bdc.on_create_view() RETURNS event_trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  made oid;
BEGIN
  FOR made IN SELECT objid FROM pg_event_trigger_ddl_commands() WHERE object_type = 'view' LOOP
    CONTINUE WHEN EXISTS (SELECT FROM pg_class, unnest(reloptions) AS option WHERE pg_class.oid = made AND option LIKE 'security\_invoker=%');
    CONTINUE WHEN NOT EXISTS (
      WITH RECURSIVE under (relation) AS (
        SELECT made
        UNION
        SELECT d.refobjid FROM under JOIN pg_rewrite r ON r.ev_class = under.relation
          JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid AND d.refclassid = 'pg_class'::regclass
      )
      SELECT FROM under JOIN pg_foreign_table t ON t.ftrelid = under.relation JOIN pg_foreign_server s ON s.oid = t.ftserver
      WHERE s.srvname = 'compute_pool');
    EXECUTE format('ALTER VIEW %s SET (security_invoker = true)', made::regclass);
  END LOOP;
END $$;
CREATE EVENT TRIGGER bdc_create_view ON ddl_command_end WHEN TAG IN ('CREATE VIEW', 'CREATE SCHEMA') EXECUTE FUNCTION bdc.on_create_view();

-- DROP FOREIGN TABLE, DROP TABLE of one that it is a partition of, DROP SCHEMA … CASCADE, DROP OWNED: definitions without a foreign table go.
CREATE FUNCTION bdc.on_drop() RETURNS event_trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF EXISTS (SELECT FROM pg_event_trigger_dropped_objects() WHERE object_type = 'foreign table') THEN
    DELETE FROM bdc.table_definitions AS t
      WHERE NOT EXISTS (SELECT FROM bdc.virtual_relations AS r WHERE r.schema_name = t.schema_name AND r.table_name = t.table_name);
  END IF;
END $$;
CREATE EVENT TRIGGER bdc_drop ON sql_drop WHEN TAG IN ('DROP FOREIGN TABLE', 'DROP TABLE', 'DROP SCHEMA', 'DROP OWNED', 'DROP SERVER')
  EXECUTE FUNCTION bdc.on_drop();

-- The owner of a foreign table may change its options, and so could make it stand for somebody else's virtual table, which the pool
-- would then answer: it trusts the master's privileges. So each key may be carried by one foreign table only, and must be a known one.
-- Superusers are left alone: pg_restore makes foreign tables before it loads the definitions. The trigger runs as whoever alters, so that
-- a function of a user that a superuser's session happens to call (autovacuum, say) is checked as that user's.
CREATE FUNCTION bdc.relation_with_wrong_key(relations oid[]) RETURNS regclass LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT r.relation::regclass FROM bdc.virtual_relations AS r
  WHERE r.relation = ANY (relations)
    AND (NOT EXISTS (SELECT FROM bdc.table_definitions AS t WHERE t.schema_name = r.schema_name AND t.table_name = r.table_name)
      OR EXISTS (SELECT FROM bdc.virtual_relations AS other
                 WHERE other.relation <> r.relation AND other.schema_name = r.schema_name AND other.table_name = r.table_name))
  LIMIT 1
$$;

-- A data table's columns lie on the shards too: changed on the master alone they would be asked for in vain, or hidden.
CREATE FUNCTION bdc.data_table_with_other_columns(relations oid[]) RETURNS regclass LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT r.relation::regclass
  FROM bdc.virtual_relations AS r JOIN bdc.table_definitions AS t USING (schema_name, table_name) JOIN bdc.data_tables AS d ON d.table_id = t.id
  WHERE r.relation = ANY (relations)
    AND (SELECT jsonb_object_agg(coalesce((SELECT option_value FROM pg_options_to_table(attfdwoptions) WHERE option_name = 'column_name'), attname),
                                 jsonb_build_array(format_type(atttypid, atttypmod), NOT attnotnull))
         FROM pg_attribute WHERE attrelid = r.relation AND attnum > 0 AND NOT attisdropped)
      IS DISTINCT FROM
        (SELECT jsonb_object_agg(entry ->> 'name', jsonb_build_array(entry ->> 'type', (entry ->> 'nullable')::boolean)) FROM jsonb_array_elements(t.columns) AS entry)
  LIMIT 1
$$;

CREATE FUNCTION bdc.on_alter_table() RETURNS event_trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  altered oid[] := ARRAY(SELECT objid FROM pg_event_trigger_ddl_commands() WHERE classid = 'pg_class'::regclass);
  wrong regclass;
BEGIN
  IF (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
    RETURN;
  END IF;
  wrong := bdc.relation_with_wrong_key(altered);
  IF wrong IS NOT NULL THEN
    RAISE EXCEPTION USING ERRCODE = 'insufficient_privilege', MESSAGE = format('the options schema_name and table_name of virtual table %s can''t be changed', wrong),
      HINT = 'ALTER TABLE … RENAME renames it; CALL bdc.create_virtual_table(…) makes another one.';
  END IF;
  wrong := bdc.data_table_with_other_columns(altered);
  IF wrong IS NOT NULL THEN
    RAISE EXCEPTION USING ERRCODE = 'feature_not_supported', MESSAGE = format('columns of %s, a table of the data pool, are not changed by ALTER TABLE', wrong),
      HINT = format('CALL bdc.alter_data_table(%L, …): {"add": {"name", "type", …}}, {"drop": name}, {"rename": name, "to": name} or {"widen": name, "type": type}.', wrong);
  END IF;
END $$;
CREATE EVENT TRIGGER bdc_alter_table ON ddl_command_end WHEN TAG IN ('ALTER TABLE', 'ALTER FOREIGN TABLE') EXECUTE FUNCTION bdc.on_alter_table();
