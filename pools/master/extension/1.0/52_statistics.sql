-- What the planner knows of the columns of virtual tables. Without it a join on a key looks as if it multiplied rows (200 different
-- values are assumed), and the planner then fetches both tables instead of having them joined in the compute pool.

-- superuser: statistics = {"<column at the source>": {"null_frac", "avg_width", "n_distinct", …}}, as pg_stats names them (arrays as
-- text); columns of which nothing is said keep what they have
CREATE FUNCTION bdc.set_statistics(relation oid, columns jsonb, statistics jsonb) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF statistics IS NULL OR current_setting('server_version_num')::int < 180000
    OR NOT EXISTS (SELECT FROM bdc.virtual_relations AS v WHERE v.relation = set_statistics.relation) THEN
    RETURN;
  END IF;
  EXECUTE 'SELECT pg_restore_attribute_stats(''schemaname'', n.nspname::text, ''relname'', c.relname::text, ''attname'', a.attname::text,
      ''inherited'', false, ''null_frac'', least(greatest((known ->> ''null_frac'')::real, 0), 1),
      ''avg_width'', greatest((known ->> ''avg_width'')::integer, 1), ''n_distinct'', greatest((known ->> ''n_distinct'')::real, -1),
      ''most_common_vals'', known ->> ''most_common_vals'', ''most_common_freqs'', (known ->> ''most_common_freqs'')::real[],
      ''histogram_bounds'', known ->> ''histogram_bounds'')
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    JOIN jsonb_array_elements($2) AS definition ON definition ->> ''name'' = coalesce((SELECT option_value
      FROM pg_options_to_table(a.attfdwoptions) WHERE option_name = ''column_name''), a.attname)
    CROSS JOIN LATERAL (SELECT $3 -> coalesce(definition ->> ''remote'', definition ->> ''name'')) AS s(known)
    WHERE c.oid = $1 AND known IS NOT NULL'
    USING relation, columns, statistics;
END $$;

-- What the compute pool's own planner is told: {"<column>": [n_distinct, null_frac, avg_width, least value, greatest value]}
ALTER TABLE bdc.table_definitions ADD COLUMN IF NOT EXISTS facts jsonb NOT NULL DEFAULT '{}', ADD COLUMN IF NOT EXISTS analyzed_at timestamptz;

-- superuser: what the master has in pg_stats of a virtual table's columns, by their names in the definition; bounds as far as they are short
CREATE FUNCTION bdc.column_facts(relation oid) RETURNS jsonb LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT coalesce(jsonb_object_agg(coalesce((SELECT option_value FROM pg_options_to_table(a.attfdwoptions) WHERE option_name = 'column_name'), a.attname),
    jsonb_build_array(s.n_distinct, s.null_frac, s.avg_width, CASE WHEN length(bounds[1]) <= 40 THEN bounds[1] END,
      CASE WHEN length(bounds[cardinality(bounds)]) <= 40 THEN bounds[cardinality(bounds)] END)), '{}')
  FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace JOIN pg_stats AS s ON s.schemaname = n.nspname AND s.tablename = c.relname
    JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attname = s.attname
    CROSS JOIN LATERAL (SELECT s.histogram_bounds::text::text[] AS bounds) AS b
  WHERE c.oid = column_facts.relation AND EXISTS (SELECT FROM bdc.virtual_relations AS v WHERE v.relation = column_facts.relation)
$$;

-- Keeps them with the definition; sampled: of columns of which pg_stats has nothing, as nobody knows their least and greatest values
CREATE FUNCTION bdc.remember_facts(relation oid, rows double precision, sampled jsonb DEFAULT '{}') RETURNS void
LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $$
  UPDATE bdc.table_definitions AS t SET rows = coalesce(remember_facts.rows, t.rows), facts = known, analyzed_at = now()
  FROM bdc.virtual_relations AS v CROSS JOIN LATERAL (SELECT coalesce(sampled, '{}') || bdc.column_facts(v.relation)) AS k(known)
  WHERE v.relation = remember_facts.relation AND (v.schema_name, v.table_name) = (t.schema_name, t.table_name)
    AND (known <> '{}' OR remember_facts.rows IS NOT NULL)
$$;

-- superuser: ANALYZE, where the table has grown or shrunk by a tenth since the last one; a large table, which takes longer, by half. As its
-- owner, whose mapping the pool is asked with. rows NULL: whatever has changed.
CREATE FUNCTION bdc.analyze_table(relation oid, rows bigint) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '1s' AS $$
DECLARE
  large CONSTANT integer := 1000000;
  known real := (SELECT reltuples FROM pg_class WHERE oid = relation);
BEGIN
  IF NOT EXISTS (SELECT FROM bdc.virtual_relations AS v WHERE v.relation = analyze_table.relation)
    OR (known >= 0 AND abs(rows - known) <= 50 + greatest(rows, known) * CASE WHEN greatest(rows, known) < large THEN 0.1 ELSE 0.5 END) THEN
    RETURN false;
  END IF;
  EXECUTE format('ANALYZE %s', relation::regclass);
  PERFORM bdc.remember_facts(relation, (SELECT nullif(reltuples, -1)::double precision FROM pg_class WHERE oid = relation));
  RETURN true;
END $$;
