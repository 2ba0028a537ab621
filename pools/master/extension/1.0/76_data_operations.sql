-- What administrators ask about tables of the data pool; the pool asks the shards.

-- One row per table and shard, of the tables that the caller may read; wanted: null for all. Rows and dead ones are of the generation that
-- is read now, bytes of all that the shard keeps of the table.
CREATE FUNCTION bdc.shard_stats(wanted oid) RETURNS TABLE (schema_name text, table_name text, shard integer, rows bigint, dead bigint, segments bigint, bytes bigint, error text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  caller name := bdc.session_caller();
  known jsonb := (SELECT jsonb_agg(jsonb_build_object('id', d.table_id, 'schema', n.nspname, 'name', c.relname, 'generation', h.generation,
                                                      'shards', d.shards))
                  FROM bdc.data_tables AS d JOIN bdc.data_heads AS h USING (table_id) JOIN bdc.table_definitions AS t ON t.id = d.table_id
                  JOIN pg_class AS c ON c.oid = bdc.relation_of(t.schema_name, t.table_name) JOIN pg_namespace AS n ON n.oid = c.relnamespace
                  WHERE (wanted IS NULL OR c.oid = wanted) AND d.identity = bdc.identity() AND has_table_privilege(caller, c.oid, 'SELECT'));
BEGIN
  IF known IS NULL THEN
    RETURN;
  END IF;
  RETURN QUERY
    WITH said AS MATERIALIZED (
      SELECT a.* FROM bdc.request(caller, jsonb_build_object('action', 'data_stats', 'tables', (SELECT jsonb_agg(entry -> 'id') FROM jsonb_array_elements(known) AS entry))) AS answer,
        jsonb_to_record(answer) AS a ("table" uuid, shard integer, generation bigint, rows bigint, dead bigint, segments bigint, bytes bigint, error text))
    SELECT entry ->> 'schema', entry ->> 'name', (place ->> 'number')::integer,
      coalesce(sum(s.rows) FILTER (WHERE s.generation = (entry ->> 'generation')::bigint), 0)::bigint,
      coalesce(sum(s.dead) FILTER (WHERE s.generation = (entry ->> 'generation')::bigint), 0)::bigint,
      coalesce(sum(s.segments) FILTER (WHERE s.generation = (entry ->> 'generation')::bigint), 0)::bigint,
      coalesce(sum(s.bytes), 0)::bigint,
      (SELECT min(e.error) FROM said AS e WHERE e.shard = (place ->> 'number')::integer AND e.error IS NOT NULL)
    FROM jsonb_array_elements(known) AS entry CROSS JOIN LATERAL jsonb_array_elements(entry -> 'shards') AS place
    LEFT JOIN said AS s ON s."table" = (entry ->> 'id')::uuid AND s.shard = (place ->> 'number')::integer
    GROUP BY entry, place ORDER BY 1, 2, 3;
END $$;

-- The names are looked up as the caller sees them.
CREATE FUNCTION bdc.data_stats(named text DEFAULT NULL) RETURNS TABLE (schema_name text, table_name text, shard integer, rows bigint, dead bigint, segments bigint, bytes bigint, error text)
LANGUAGE plpgsql AS $$
BEGIN
  IF named IS NOT NULL AND pg_catalog.to_regclass(named) IS NULL THEN
    RAISE EXCEPTION USING ERRCODE = 'undefined_table', MESSAGE = pg_catalog.format('data table "%s" does not exist', named), HINT = 'SELECT * FROM bdc.data_tables_view lists them.';
  END IF;
  RETURN QUERY SELECT * FROM bdc.shard_stats(pg_catalog.to_regclass(named)::pg_catalog.oid);
END $$;
COMMENT ON FUNCTION bdc.data_stats(text) IS 'Rows, dead rows, segments and bytes on each shard, of one table or of all that the caller may read; error: that shard did not answer';
GRANT EXECUTE ON FUNCTION bdc.shard_stats(oid), bdc.data_stats(text) TO bdc_user;

-- How far loads under way are; of whose one sees, bdc.loads says.
CREATE FUNCTION bdc.load_progress() RETURNS TABLE (load uuid, shard integer, rows bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  caller name := bdc.session_caller();
BEGIN
  RETURN QUERY
    SELECT (answer ->> 'load')::uuid, arrived.key::integer, arrived.value::bigint
    FROM bdc.request(caller, '{"action": "loads"}') AS answer, jsonb_each_text(answer -> 'arrived_on') AS arrived
    WHERE answer ->> 'user' = caller OR pg_has_role(caller, 'bdc_admin', 'USAGE');
END $$;
COMMENT ON FUNCTION bdc.load_progress() IS 'Rows of loads under way that lie on each shard so far';
GRANT EXECUTE ON FUNCTION bdc.load_progress() TO bdc_user;

-- No lock: loads and queries go on.
CREATE FUNCTION bdc.carry_compact_data_table(caller name, a jsonb) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  definition bdc.table_definitions := bdc.owned_table(caller, a);
BEGIN
  IF NOT EXISTS (SELECT FROM bdc.data_tables WHERE table_id = definition.id) THEN
    RAISE EXCEPTION USING ERRCODE = 'wrong_object_type', MESSAGE = format('virtual table "%s" is no table of the data pool', a ->> 'table_name');
  END IF;
  PERFORM bdc.request(caller, jsonb_build_object('action', 'data_compact', 'table', definition.id, 'whole', coalesce((a ->> 'whole')::boolean, false)));
END $$;
CREATE PROCEDURE bdc.compact_data_table(table_name text, whole boolean DEFAULT false) LANGUAGE sql AS $$
  INSERT INTO bdc.commands (command, arguments) VALUES ('compact_data_table', pg_catalog.jsonb_build_object('table_name', table_name,
    'relation', pg_catalog.to_regclass(table_name)::pg_catalog.oid, 'whole', whole))
$$;
COMMENT ON PROCEDURE bdc.compact_data_table IS 'Folds small loads together and removes dead rows, on all shards; whole: also where little is won';
