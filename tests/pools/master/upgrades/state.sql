-- All that makes up the extension in a database, but for users' rows.
WITH members AS (SELECT objid FROM pg_depend JOIN pg_extension AS e ON e.oid = refobjid WHERE deptype = 'e' AND extname = 'bdc')
SELECT p.oid::regprocedure::text AS name, md5(concat(prosrc, prorettype::regtype, prosecdef, provolatile, proconfig, proowner::regrole, obj_description(p.oid))) AS what,
  (SELECT string_agg(concat(grantee::regrole, privilege_type), ',' ORDER BY grantee, privilege_type) FROM aclexplode(proacl)) AS rights, p.oid IN (TABLE members) AS member
FROM pg_proc AS p WHERE pronamespace = 'bdc'::regnamespace
UNION ALL
SELECT relname, md5(concat(relkind, relowner::regrole, reloptions, obj_description(c.oid), pg_get_viewdef(c.oid),
    (SELECT string_agg(concat(attname, atttypid::regtype, attnotnull, col_description(c.oid, attnum)), ',' ORDER BY attname) FROM pg_attribute
      WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped),
    (SELECT string_agg(pg_get_triggerdef(t.oid), ',' ORDER BY tgname) FROM pg_trigger AS t WHERE tgrelid = c.oid AND NOT tgisinternal))),
  (SELECT string_agg(concat(grantee::regrole, privilege_type), ',' ORDER BY grantee, privilege_type) FROM aclexplode(relacl)), c.oid IN (TABLE members)
FROM pg_class AS c WHERE relnamespace = 'bdc'::regnamespace
UNION ALL
SELECT evtname, concat(evttags, evtfoid::regproc), NULL, e.oid IN (TABLE members) FROM pg_event_trigger AS e
UNION ALL
SELECT 'dumped', string_agg(one::regclass::text, ',' ORDER BY one::regclass::text), NULL, NULL FROM pg_extension, unnest(extconfig) AS one WHERE extname = 'bdc'
UNION ALL
SELECT 'connectors', string_agg(concat(name, location_pattern), ',' ORDER BY name), NULL, NULL FROM bdc.connectors
