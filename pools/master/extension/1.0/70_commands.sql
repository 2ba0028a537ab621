-- The procedures that users call, and the one door behind them.
--
-- A SECURITY DEFINER function can't see who called it: current_user is its owner, and session_user is not the caller after SET ROLE or
-- inside of somebody's SECURITY DEFINER function. So the procedures run as the caller and insert a command into a view whose column
-- "caller" users may not write: its default, current_user, is filled in by PostgreSQL itself with the caller's rights. The trigger behind
-- the view runs as bdc_owner.

CREATE VIEW bdc.commands AS SELECT ''::text AS command, '{}'::jsonb AS arguments, ''::name AS caller WHERE false;
ALTER VIEW bdc.commands ALTER COLUMN caller SET DEFAULT current_user;
COMMENT ON VIEW bdc.commands IS 'Never holds a row; the procedures of this schema insert into it';

CREATE FUNCTION bdc.carry_out() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
  SET debug_print_parse = off SET debug_print_rewritten = off SET debug_print_plan = off AS $$
BEGIN
  IF NOT bdc.settled() OR bdc.identity() IS NULL THEN
    PERFORM bdc.settle();
  END IF;
  CASE NEW.command
    WHEN 'create_data_source' THEN PERFORM bdc.carry_create_data_source(NEW.caller, NEW.arguments);
    WHEN 'alter_data_source' THEN PERFORM bdc.carry_alter_data_source(NEW.caller, NEW.arguments);
    WHEN 'drop_data_source' THEN PERFORM bdc.carry_drop_data_source(NEW.caller, NEW.arguments);
    WHEN 'grant_source' THEN PERFORM bdc.carry_grant_source(NEW.caller, NEW.arguments);
    WHEN 'revoke_source' THEN PERFORM bdc.carry_revoke_source(NEW.caller, NEW.arguments);
    WHEN 'create_virtual_table' THEN PERFORM bdc.carry_create_virtual_table(NEW.caller, NEW.arguments);
    WHEN 'drop_virtual_table' THEN PERFORM bdc.carry_drop_virtual_table(NEW.caller, NEW.arguments);
    WHEN 'refresh_table' THEN NEW.arguments := bdc.carry_refresh_table(NEW.caller, NEW.arguments);
    WHEN 'analyze' THEN NEW.arguments := bdc.carry_analyze(NEW.caller, NEW.arguments);
    WHEN 'import_schema' THEN PERFORM bdc.carry_import_schema(NEW.caller, NEW.arguments);
    WHEN 'create_data_table' THEN PERFORM bdc.carry_create_data_table(NEW.caller, NEW.arguments);
    WHEN 'drop_data_table' THEN PERFORM bdc.carry_drop_data_table(NEW.caller, NEW.arguments);
    WHEN 'alter_data_table' THEN PERFORM bdc.carry_alter_data_table(NEW.caller, NEW.arguments);
    WHEN 'adopt_data_tables' THEN PERFORM bdc.carry_adopt_data_tables(NEW.caller, NEW.arguments);
    WHEN 'disown_data_tables' THEN PERFORM bdc.carry_disown_data_tables(NEW.caller);
    WHEN 'merge' THEN PERFORM bdc.carry_merge(NEW.caller, NEW.arguments);
    WHEN 'compact_data_table' THEN PERFORM bdc.carry_compact_data_table(NEW.caller, NEW.arguments);
    WHEN 'start_data_operation' THEN PERFORM bdc.carry_start_data_operation(NEW.caller, NEW.arguments);
    WHEN 'cancel_data_operation' THEN PERFORM bdc.carry_cancel_data_operation(NEW.caller, NEW.arguments);
  END CASE;
  RETURN NEW;
END $$;
CREATE TRIGGER carry_out INSTEAD OF INSERT ON bdc.commands FOR EACH ROW EXECUTE FUNCTION bdc.carry_out();

CREATE PROCEDURE bdc.create_data_source(name text, connector text, location text, options jsonb DEFAULT '{}', credential jsonb DEFAULT NULL) LANGUAGE sql AS $$
  INSERT INTO bdc.commands (command, arguments) VALUES ('create_data_source',
    pg_catalog.jsonb_build_object('name', name, 'connector', connector, 'location', location, 'options', options, 'credential', credential))
$$;
CREATE PROCEDURE bdc.alter_data_source(name text, location text DEFAULT NULL, options jsonb DEFAULT NULL, credential jsonb DEFAULT NULL) LANGUAGE sql AS $$
  INSERT INTO bdc.commands (command, arguments) VALUES ('alter_data_source',
    pg_catalog.jsonb_build_object('name', name, 'location', location, 'options', options, 'credential', credential))
$$;
CREATE PROCEDURE bdc.drop_data_source(name text, "cascade" boolean DEFAULT false) LANGUAGE sql AS $$
  INSERT INTO bdc.commands (command, arguments) VALUES ('drop_data_source', pg_catalog.jsonb_build_object('name', name, 'cascade', "cascade"))
$$;
CREATE PROCEDURE bdc.grant_source(name text, grantee text) LANGUAGE sql AS $$
  INSERT INTO bdc.commands (command, arguments) VALUES ('grant_source', pg_catalog.jsonb_build_object('name', name, 'grantee', grantee))
$$;
CREATE PROCEDURE bdc.revoke_source(name text, grantee text) LANGUAGE sql AS $$
  INSERT INTO bdc.commands (command, arguments) VALUES ('revoke_source', pg_catalog.jsonb_build_object('name', name, 'grantee', grantee))
$$;
CREATE PROCEDURE bdc.create_virtual_table(table_name text, source text, location text, columns jsonb DEFAULT NULL, options jsonb DEFAULT '{}') LANGUAGE sql AS $$
  INSERT INTO bdc.commands (command, arguments) VALUES ('create_virtual_table', pg_catalog.jsonb_build_object('table_name', table_name,
    'schema', pg_catalog.current_schema(), 'source', source, 'location', location, 'columns', columns, 'options', options))
$$;
CREATE PROCEDURE bdc.drop_virtual_table(table_name text, "cascade" boolean DEFAULT false) LANGUAGE sql AS $$
  INSERT INTO bdc.commands (command, arguments) VALUES ('drop_virtual_table', pg_catalog.jsonb_build_object('table_name', table_name,
    'relation', pg_catalog.to_regclass(table_name)::pg_catalog.oid, 'cascade', "cascade"))
$$;
-- "changes" is given back by the trigger, as what was inserted
CREATE PROCEDURE bdc.refresh_table(table_name text, columns boolean DEFAULT true, INOUT changes jsonb DEFAULT NULL) LANGUAGE sql AS $$
  INSERT INTO bdc.commands (command, arguments) VALUES ('refresh_table', pg_catalog.jsonb_build_object('table_name', table_name,
    'relation', pg_catalog.to_regclass(table_name)::pg_catalog.oid, 'columns', columns))
  RETURNING arguments
$$;
-- sample: rows that are read where the source itself knows nothing of its values
CREATE PROCEDURE bdc.analyze(table_name text, sample integer DEFAULT 30000, INOUT found jsonb DEFAULT NULL) LANGUAGE sql AS $$
  INSERT INTO bdc.commands (command, arguments) VALUES ('analyze', pg_catalog.jsonb_build_object('table_name', table_name,
    'relation', pg_catalog.to_regclass(table_name)::pg_catalog.oid, 'sample', sample))
  RETURNING arguments
$$;
CREATE PROCEDURE bdc.import_schema(source text, remote_schema text, local_schema text, only_tables text[] DEFAULT NULL, leave_out text[] DEFAULT NULL, options jsonb DEFAULT '{}') LANGUAGE sql AS $$
  INSERT INTO bdc.commands (command, arguments) VALUES ('import_schema', pg_catalog.jsonb_build_object('source', source, 'remote_schema', remote_schema,
    'local_schema', local_schema, 'only', only_tables, 'leave_out', leave_out, 'options', options))
$$;
