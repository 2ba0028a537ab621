-- Runs the statements of the parts over what is there; see renewal.py.
DO $renewal$
DECLARE
  statement text;
  named text[];
  old record;
BEGIN
  -- no triggers of events: they look after what users make
  PERFORM pg_catalog.set_config('session_replication_role', 'replica', true);
  PERFORM pg_catalog.pg_current_xact_id();  -- what is older than this transaction was not replaced by it
  FOREACH statement IN ARRAY ARRAY[
/* statements */
  ] LOOP
    BEGIN
      EXECUTE statement;
    EXCEPTION
      WHEN duplicate_table OR duplicate_object OR duplicate_schema THEN NULL;
      WHEN invalid_function_definition OR invalid_table_definition THEN  -- another result, or other columns
        named := pg_catalog.regexp_match(statement, '^CREATE OR REPLACE (FUNCTION|PROCEDURE|VIEW) bdc\.(\w+)');
        IF named[1] = 'VIEW' THEN
          EXECUTE pg_catalog.format('DROP VIEW bdc.%I', named[2]);
        ELSE
          FOR old IN  -- our own views that call it; they come again later
            SELECT DISTINCT v.oid FROM pg_catalog.pg_proc AS p
              JOIN pg_catalog.pg_depend AS d ON d.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.refobjid = p.oid
              JOIN pg_catalog.pg_rewrite AS r ON d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND r.oid = d.objid
              JOIN pg_catalog.pg_class AS v ON v.oid = r.ev_class AND v.relnamespace = p.pronamespace
            WHERE p.pronamespace = 'bdc'::pg_catalog.regnamespace AND p.proname = named[2] LOOP
            EXECUTE pg_catalog.format('DROP VIEW %s', old.oid::pg_catalog.regclass);
          END LOOP;
          FOR old IN SELECT oid FROM pg_catalog.pg_proc WHERE pronamespace = 'bdc'::pg_catalog.regnamespace AND proname = named[2] LOOP
            EXECUTE pg_catalog.format('DROP ROUTINE %s', old.oid::pg_catalog.regprocedure);
          END LOOP;
        END IF;
        EXECUTE statement;
    END;
  END LOOP;
  FOR old IN  -- what the parts no longer have
    SELECT p.oid FROM pg_catalog.pg_proc AS p JOIN pg_catalog.pg_depend AS d ON d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.objid = p.oid
    WHERE p.pronamespace = 'bdc'::pg_catalog.regnamespace AND d.deptype = 'e'
      AND pg_catalog.age(p.xmin) > pg_catalog.age(pg_catalog.pg_current_xact_id()::pg_catalog.xid) LOOP
    BEGIN
      EXECUTE pg_catalog.format('DROP ROUTINE %s', old.oid::pg_catalog.regprocedure);
    EXCEPTION WHEN dependent_objects_still_exist THEN NULL;  -- a user's view calls it: it stays as it was
    END;
  END LOOP;
  PERFORM pg_catalog.set_config('session_replication_role', 'origin', true);
END $renewal$;

