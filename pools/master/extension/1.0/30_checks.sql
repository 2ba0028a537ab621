-- What the procedures check before they change anything. Each refusal names what was wrong and what to write instead.

CREATE FUNCTION bdc.is_admin(caller name) RETURNS boolean LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT pg_has_role(caller, 'bdc_admin', 'USAGE')
$$;

CREATE FUNCTION bdc.require(argument text, procedure text, parameter text) RETURNS text LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF argument IS NULL OR btrim(argument) = '' THEN
    RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = format('bdc.%s: %s is missing', procedure, parameter);
  END IF;
  RETURN argument;
END $$;

CREATE FUNCTION bdc.refuse_clear_text(place text, value text) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF value ~* '(password|passwd|pwd|secret|token|api_?key|access_?key|private_?key|credential)\s*[=:]' OR value ~ '^[A-Za-z][A-Za-z0-9+.-]*://[^/@]*:[^/@]*@' THEN
    RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = format('%s looks like it holds a secret in clear text', place),
      HINT = 'Seal it: "bdc source create" does so, or pass credential => ''{"user": …, "sealed": "sealed:v2:…"}'' made with bdc.sealing_key().';
  END IF;
END $$;

CREATE FUNCTION bdc.checked_options(options jsonb) RETURNS jsonb LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  option record;
BEGIN
  IF options IS NULL OR options = 'null' THEN
    RETURN '{}';
  END IF;
  IF jsonb_typeof(options) <> 'object' THEN
    RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = 'options must be a JSON object', HINT = 'For example ''{"header": "true"}''.';
  END IF;
  FOR option IN SELECT key, value, jsonb_typeof(value) AS kind, options ->> key AS plain FROM jsonb_each(options) LOOP
    IF option.kind NOT IN ('string', 'number', 'boolean') THEN
      RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = format('option "%s" must be a text, a number or a boolean', option.key);
    END IF;
    PERFORM bdc.refuse_clear_text(format('option "%s"', option.key), option.key || '=');
    PERFORM bdc.refuse_clear_text(format('option "%s"', option.key), option.plain);
  END LOOP;
  RETURN (SELECT coalesce(jsonb_object_agg(key, value), '{}') FROM jsonb_each_text(options));
END $$;

CREATE FUNCTION bdc.checked_credential(credential jsonb) RETURNS jsonb LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF credential IS NULL OR credential IN ('null', '{}') THEN
    RETURN '{}';
  END IF;
  IF jsonb_typeof(credential) <> 'object'
    OR EXISTS (SELECT FROM jsonb_each(credential) WHERE key NOT IN ('user', 'sealed', 'mounted') OR jsonb_typeof(value) <> 'string') THEN
    RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = 'a credential has the texts "user" and "sealed"; nothing else',
      HINT = 'A secret in clear text is never taken: "bdc source create" seals it with the key that bdc.sealing_key() gives.';
  END IF;
  IF credential ? 'mounted' THEN
    RAISE EXCEPTION USING ERRCODE = 'feature_not_supported', MESSAGE = 'this version can''t read mounted secrets: the credential''s "mounted" is refused',
      HINT = 'Give the secret sealed: "bdc source create" does so.';
  END IF;
  IF credential ? 'sealed' AND credential ->> 'sealed' !~ '^sealed:v2:[A-Za-z0-9_-]+=*$' THEN
    RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = 'the credential''s "sealed" is not a sealed value',
      HINT = 'It starts with "sealed:v2:" and is made by "bdc source create" or with the key that bdc.sealing_key() gives.';
  END IF;
  RETURN credential;
END $$;

CREATE FUNCTION bdc.checked_location(connector_name text, location text) RETURNS text LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  connector bdc.connectors;
BEGIN
  SELECT * INTO connector FROM bdc.connectors WHERE name = connector_name;
  IF connector.name IS NULL THEN
    RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = format('connector "%s" does not exist', connector_name),
      HINT = 'Connectors: ' || (SELECT string_agg(name, ', ' ORDER BY name) FROM bdc.connectors) || '.';
  END IF;
  PERFORM bdc.refuse_clear_text('location', location);
  IF location !~* connector.location_pattern THEN
    RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = format('location "%s" is none of connector "%s"', location, connector_name),
      HINT = format('It looks like %s.', connector.location_example);
  END IF;
  RETURN location;
END $$;

-- The type as PostgreSQL itself prints it, so that only a type's name ever reaches a statement. Only built-in types can be carried.
CREATE FUNCTION bdc.checked_type(column_name text, type_name text) RETURNS text LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  type_oid oid;
  modifier integer := -1;
BEGIN
  BEGIN
    type_oid := to_regtype(type_name);
    IF current_setting('server_version_num')::int >= 170000 THEN
      EXECUTE 'SELECT to_regtypemod($1)' INTO modifier USING type_name;
    ELSIF type_name ~ '\(' THEN
      modifier := NULL;
    END IF;
  EXCEPTION WHEN OTHERS THEN
    type_oid := NULL;
  END;
  IF type_oid IS NULL THEN
    RAISE EXCEPTION USING ERRCODE = 'undefined_object', MESSAGE = format('column "%s": type "%s" does not exist', column_name, type_name);
  END IF;
  IF NOT EXISTS (SELECT FROM pg_type WHERE oid = type_oid AND typtype = 'b' AND typnamespace = 'pg_catalog'::regnamespace) THEN
    RAISE EXCEPTION USING ERRCODE = 'feature_not_supported', MESSAGE = format('column "%s": type "%s" can''t be carried by a virtual table', column_name, type_name),
      HINT = 'Use a built-in type; text carries anything.';
  END IF;
  -- before 17 nothing parses the modifier for us: take one of plain numbers, and put it where PostgreSQL itself prints it
  IF modifier IS NULL AND type_name ~ '^[A-Za-z ]+\(\d+(, ?-?\d+)?\)[A-Za-z ]*(\[\])*$' AND (SELECT typmodin <> 0 FROM pg_type WHERE oid = type_oid) THEN
    RETURN regexp_replace(format_type(type_oid, NULL), '^\w+( varying)?', '\&' || replace(substring(type_name FROM '\(.*?\)'), ' ', ''));
  END IF;
  RETURN format_type(type_oid, modifier);
END $$;

CREATE FUNCTION bdc.checked_columns(columns jsonb) RETURNS jsonb LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  entry jsonb;
  checked jsonb := '[]';
  names text[] := '{}';
BEGIN
  IF jsonb_typeof(columns) <> 'array' OR jsonb_array_length(columns) = 0 THEN
    RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = 'columns must be a JSON array with at least one column',
      HINT = 'For example ''[{"name": "id", "type": "bigint"}]'', or leave columns out to have them detected.';
  END IF;
  FOR entry IN SELECT jsonb_array_elements(columns) LOOP
    IF jsonb_typeof(entry) <> 'object' OR coalesce(entry ->> 'name', '') = '' OR coalesce(entry ->> 'type', '') = '' THEN
      RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = format('column %s needs "name" and "type"', entry);
    END IF;
    IF octet_length(entry ->> 'name') > 63 THEN
      RAISE EXCEPTION USING ERRCODE = 'name_too_long', MESSAGE = format('column name "%s" is longer than 63 bytes', entry ->> 'name'),
        HINT = 'Give it a shorter "name" and the source''s name as "remote".';
    END IF;
    IF entry ->> 'name' = ANY (names) THEN
      RAISE EXCEPTION USING ERRCODE = 'duplicate_column', MESSAGE = format('column "%s" is named twice', entry ->> 'name');
    END IF;
    names := names || (entry ->> 'name');
    checked := checked || (jsonb_build_object('name', entry ->> 'name', 'type', bdc.checked_type(entry ->> 'name', entry ->> 'type'),
      'nullable', coalesce((entry ->> 'nullable')::boolean, true), 'remote', coalesce(entry ->> 'remote', entry ->> 'name'))
      || CASE WHEN entry ->> 'seen' IS NULL THEN '{}' ELSE jsonb_build_object('seen', entry ->> 'seen') END);
  END LOOP;
  RETURN checked;
END $$;

-- [schema, table] of a name as SQL writes it.
CREATE FUNCTION bdc.table_name_parts(written text, default_schema text) RETURNS text[] LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  parts text[] := parse_ident(written);
  part text;
BEGIN
  IF cardinality(parts) = 1 AND default_schema IS NOT NULL THEN
    parts := ARRAY[default_schema, parts[1]];
  END IF;
  IF cardinality(parts) <> 2 THEN
    RAISE EXCEPTION USING ERRCODE = 'invalid_name', MESSAGE = format('"%s" is no table name', written), HINT = 'Write schema.table; quote parts as in SQL.';
  END IF;
  FOREACH part IN ARRAY parts LOOP
    IF octet_length(part) > 63 THEN
      RAISE EXCEPTION USING ERRCODE = 'name_too_long', MESSAGE = format('name "%s" is longer than 63 bytes', part);
    END IF;
  END LOOP;
  RETURN parts;
END $$;
