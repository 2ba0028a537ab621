-- The catalog's own tables. Users see the views below them; rows are written by the procedures only.

CREATE TABLE bdc.connectors (
  name text PRIMARY KEY,
  location_pattern text NOT NULL,
  location_example text NOT NULL
);
COMMENT ON TABLE bdc.connectors IS 'Kinds of data sources; part of the extension''s version, so not dumped';
INSERT INTO bdc.connectors VALUES
  ('datapool', '^datapool:$', 'datapool:'),
  ('hdfs', '^(hdfs|webhdfs|http|https)://[^/]+', 'hdfs://namenode:8020'),
  ('mongodb', '^mongodb://[^/]+/[^?]+', 'mongodb://host:27017/database'),
  ('oracle', '^oracles?://[^/]+/.+', 'oracle://host:1521/service'),
  ('odbc', '^odbc:.*(driver|dsn)\s*=', 'odbc:Driver=MariaDB Unicode;Server=host;Database=shop'),
  ('postgresql', '^postgres(ql)?://[^/]+/.+', 'postgresql://host:5432/database'),
  ('sqlserver', '^sqlserver://[^/]+/.+', 'sqlserver://host:1433/database')
  ON CONFLICT (name) DO UPDATE SET location_pattern = EXCLUDED.location_pattern, location_example = EXCLUDED.location_example;

CREATE TABLE bdc.source_definitions (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  name text NOT NULL UNIQUE CHECK (name <> ''),
  connector text NOT NULL,
  location text NOT NULL,
  options jsonb NOT NULL DEFAULT '{}',
  credential jsonb NOT NULL DEFAULT '{}',
  owner name NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  version bigint NOT NULL DEFAULT 1
);

CREATE TABLE bdc.source_grants (
  source_id uuid NOT NULL REFERENCES bdc.source_definitions ON DELETE CASCADE,
  grantee name NOT NULL,
  PRIMARY KEY (source_id, grantee)
);
COMMENT ON TABLE bdc.source_grants IS 'Who besides the owner and bdc_admin may make virtual tables over a source: they read with its credential';

CREATE TABLE bdc.table_definitions (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  schema_name text NOT NULL,
  table_name text NOT NULL,
  source_id uuid NOT NULL REFERENCES bdc.source_definitions,
  location text NOT NULL,
  columns jsonb NOT NULL,
  options jsonb NOT NULL DEFAULT '{}',
  detected boolean NOT NULL,
  rows double precision,
  created_at timestamptz NOT NULL DEFAULT now(),
  refreshed_at timestamptz,
  drift jsonb NOT NULL DEFAULT '[]',
  UNIQUE (schema_name, table_name)
);
ALTER TABLE bdc.table_definitions ADD COLUMN IF NOT EXISTS drift jsonb NOT NULL DEFAULT '[]';  -- databases of before
COMMENT ON COLUMN bdc.table_definitions.schema_name IS 'with table_name the key that the foreign table''s options carry; stays when the table is renamed';
COMMENT ON COLUMN bdc.table_definitions.drift IS 'what the last refresh found otherwise at the source and did not take over: [{"column", "change", "here", "there"}]';
COMMENT ON COLUMN bdc.table_definitions.detected IS 'columns came from the source, so refresh_table may change them';

CREATE TABLE bdc.default_grants (
  schema_name text,
  grantee name NOT NULL,
  UNIQUE NULLS NOT DISTINCT (schema_name, grantee)
);
COMMENT ON TABLE bdc.default_grants IS 'Roles that get SELECT on each new virtual table of a schema (null: of any schema)';

CREATE TABLE bdc.identities (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  system_identifier bigint NOT NULL,
  database_oid oid NOT NULL,
  database_name name NOT NULL,
  settled_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (system_identifier, database_oid)
);
COMMENT ON TABLE bdc.identities IS 'The row with this server''s system identifier and this database''s OID is this database; others are what it was copied or restored from';

CREATE TABLE bdc.catalog_version (version bigint NOT NULL);
INSERT INTO bdc.catalog_version SELECT 0 WHERE NOT EXISTS (SELECT FROM bdc.catalog_version);

CREATE TABLE bdc.mapping_verifiers (role_name name PRIMARY KEY, verifier text NOT NULL);
COMMENT ON TABLE bdc.mapping_verifiers IS 'SCRAM verifiers of the secrets in the compute_pool mappings; never dumped: setup writes them anew';

SELECT pg_catalog.pg_extension_config_dump('bdc.source_definitions', '');
SELECT pg_catalog.pg_extension_config_dump('bdc.source_grants', '');
SELECT pg_catalog.pg_extension_config_dump('bdc.table_definitions', '');
SELECT pg_catalog.pg_extension_config_dump('bdc.default_grants', '');
SELECT pg_catalog.pg_extension_config_dump('bdc.identities', '');

-- Every change wakes the compute pool. The number grows with the clock, so that a catalog restored over another one never repeats
-- a version that the pool has seen; it is a row and not a sequence, so that it is seen together with the change it stands for.
CREATE FUNCTION bdc.tell_change() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  new_version bigint;
BEGIN
  UPDATE bdc.catalog_version
    SET version = greatest(version + 1, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint)
    RETURNING version INTO new_version;
  PERFORM pg_notify('bdc_catalog', new_version::text);
  RETURN NULL;
END $$;
CREATE TRIGGER tell_change AFTER INSERT OR UPDATE OR DELETE ON bdc.source_definitions FOR EACH STATEMENT EXECUTE FUNCTION bdc.tell_change();
CREATE TRIGGER tell_change AFTER INSERT OR UPDATE OR DELETE ON bdc.table_definitions FOR EACH STATEMENT EXECUTE FUNCTION bdc.tell_change();
