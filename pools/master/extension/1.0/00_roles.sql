-- The schema, and the roles that own and use it. Roles belong to the whole server: setup makes them with their logins; a dump that is
-- restored elsewhere still needs their names, so they are made here without any right to log in.
CREATE SCHEMA bdc;
COMMENT ON SCHEMA bdc IS 'OpenBDC: data sources, virtual tables and the compute pool';

DO $$
DECLARE
  wanted text;
BEGIN
  FOREACH wanted IN ARRAY ARRAY['bdc_owner', 'bdc_pool', 'bdc_admin', 'bdc_user', 'bdc_app_reader'] LOOP
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = wanted) THEN
      EXECUTE pg_catalog.format('CREATE ROLE %I NOLOGIN', wanted);
    END IF;
  END LOOP;
END $$;
