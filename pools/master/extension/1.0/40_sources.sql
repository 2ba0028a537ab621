-- Data sources. Every carry_… function runs as bdc_owner, is called by bdc.carry_out only, and gets the true caller's name.

CREATE VIEW bdc.data_sources AS
  SELECT id, name, connector, location, options,
    CASE WHEN credential ? 'sealed' THEN credential - 'sealed' || '{"sealed": "…"}' ELSE credential END AS credential,
    owner, created_at, version
  FROM bdc.source_definitions;
COMMENT ON VIEW bdc.data_sources IS 'Data sources; the sealed part of credentials is hidden';

CREATE FUNCTION bdc.source_named(source_name text) RETURNS bdc.source_definitions LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  known bdc.source_definitions;
BEGIN
  SELECT * INTO known FROM bdc.source_definitions WHERE name = source_name;
  IF known.id IS NULL THEN
    RAISE EXCEPTION USING ERRCODE = 'undefined_object', MESSAGE = format('data source "%s" does not exist', source_name),
      HINT = 'SELECT name FROM bdc.data_sources lists them.';
  END IF;
  RETURN known;
END $$;

CREATE FUNCTION bdc.owned_source(caller name, source_name text) RETURNS bdc.source_definitions LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  known bdc.source_definitions := bdc.source_named(source_name);
BEGIN
  IF NOT bdc.is_admin(caller) AND known.owner <> caller THEN
    RAISE EXCEPTION USING ERRCODE = 'insufficient_privilege', MESSAGE = format('data source "%s" belongs to "%s"', source_name, known.owner),
      HINT = 'Its owner and members of bdc_admin may change it.';
  END IF;
  RETURN known;
END $$;

CREATE FUNCTION bdc.usable_source(caller name, source_name text) RETURNS bdc.source_definitions LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  known bdc.source_definitions := bdc.source_named(source_name);
BEGIN
  IF bdc.is_admin(caller) OR known.owner = caller OR EXISTS (
    SELECT FROM bdc.source_grants JOIN pg_roles ON rolname = grantee
    WHERE source_id = known.id AND pg_has_role(caller, pg_roles.oid, 'USAGE')) THEN
    RETURN known;
  END IF;
  RAISE EXCEPTION USING ERRCODE = 'insufficient_privilege', MESSAGE = format('"%s" may not use data source "%s"', caller, source_name),
    HINT = format('Its owner or an administrator runs: CALL bdc.grant_source(%L, %L);', source_name, caller);
END $$;

-- The source as requests to the pool carry it.
CREATE FUNCTION bdc.source_document(source bdc.source_definitions) RETURNS jsonb LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT jsonb_build_object('name', source.name, 'connector', source.connector, 'location', source.location,
    'options', source.options, 'credential', source.credential)
$$;

CREATE FUNCTION bdc.carry_create_data_source(caller name, a jsonb) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  wanted text := bdc.require(a ->> 'name', 'create_data_source', 'name');
BEGIN
  IF NOT bdc.is_admin(caller) THEN
    RAISE EXCEPTION USING ERRCODE = 'insufficient_privilege', MESSAGE = 'only members of bdc_admin may create data sources';
  END IF;
  INSERT INTO bdc.source_definitions (name, connector, location, options, credential, owner) VALUES (
    wanted,
    a ->> 'connector',
    bdc.checked_location(bdc.require(a ->> 'connector', 'create_data_source', 'connector'), bdc.require(a ->> 'location', 'create_data_source', 'location')),
    bdc.checked_options(a -> 'options'),
    bdc.checked_credential(a -> 'credential'),
    caller);
EXCEPTION WHEN unique_violation THEN
  RAISE EXCEPTION USING ERRCODE = 'duplicate_object', MESSAGE = format('data source "%s" already exists', wanted);
END $$;

CREATE FUNCTION bdc.carry_alter_data_source(caller name, a jsonb) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  source bdc.source_definitions := bdc.owned_source(caller, bdc.require(a ->> 'name', 'alter_data_source', 'name'));
BEGIN
  -- else whoever may alter a source but can't read its secret could have it sent to a server of his own
  IF split_part(a ->> 'location', '/', 3) <> split_part(source.location, '/', 3) AND source.credential ? 'sealed' AND a ->> 'credential' IS NULL THEN
    RAISE EXCEPTION USING ERRCODE = 'insufficient_privilege',
      MESSAGE = format('the sealed secret of data source "%s" is for its present server only', source.name),
      HINT = 'Give the credential again, together with the new location.';
  END IF;
  UPDATE bdc.source_definitions SET
    location = CASE WHEN a ->> 'location' IS NULL THEN location ELSE bdc.checked_location(connector, a ->> 'location') END,
    options = CASE WHEN a ->> 'options' IS NULL THEN options ELSE bdc.checked_options(a -> 'options') END,
    credential = CASE WHEN a ->> 'credential' IS NULL THEN credential ELSE bdc.checked_credential(a -> 'credential') END,
    version = version + 1
  WHERE id = source.id;
END $$;

CREATE FUNCTION bdc.carry_drop_data_source(caller name, a jsonb) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  source bdc.source_definitions := bdc.owned_source(caller, bdc.require(a ->> 'name', 'drop_data_source', 'name'));
  dependent text[] := ARRAY(SELECT format('%I.%I', schema_name, table_name) FROM bdc.table_definitions WHERE source_id = source.id ORDER BY 1);
  relation oid;
BEGIN
  IF cardinality(dependent) > 0 AND NOT coalesce((a ->> 'cascade')::boolean, false) THEN
    RAISE EXCEPTION USING ERRCODE = 'dependent_objects_still_exist', MESSAGE = format('data source "%s" still has virtual tables', source.name),
      DETAIL = array_to_string(dependent[1:10], ', ') || CASE WHEN cardinality(dependent) > 10 THEN ', …' ELSE '' END,
      HINT = format('Drop them first, or: CALL bdc.drop_data_source(%L, true);', source.name);
  END IF;
  FOR relation IN SELECT bdc.relation_of(schema_name, table_name) FROM bdc.table_definitions WHERE source_id = source.id LOOP
    IF relation IS NOT NULL THEN
      PERFORM bdc.require_owned(caller, relation);
      PERFORM bdc.remove_table(relation, true);
    END IF;
  END LOOP;
  DELETE FROM bdc.table_definitions WHERE source_id = source.id;
  DELETE FROM bdc.source_definitions WHERE id = source.id;
END $$;

CREATE FUNCTION bdc.carry_grant_source(caller name, a jsonb) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  source bdc.source_definitions := bdc.owned_source(caller, bdc.require(a ->> 'name', 'grant_source', 'name'));
  role_name text := bdc.require(a ->> 'grantee', 'grant_source', 'grantee');
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role_name) THEN
    RAISE EXCEPTION USING ERRCODE = 'undefined_object', MESSAGE = format('role "%s" does not exist', role_name);
  END IF;
  INSERT INTO bdc.source_grants VALUES (source.id, role_name) ON CONFLICT DO NOTHING;
END $$;

CREATE FUNCTION bdc.carry_revoke_source(caller name, a jsonb) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  source bdc.source_definitions := bdc.owned_source(caller, bdc.require(a ->> 'name', 'revoke_source', 'name'));
BEGIN
  DELETE FROM bdc.source_grants WHERE source_id = source.id AND grantee = a ->> 'grantee';
END $$;
