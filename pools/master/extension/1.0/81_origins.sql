-- Where the client of a session is, for the audit trail of the compute pool: by the session's id as logs have it (%c). NULL: the session has
-- ended, it is of nobody who may be "user" (who comes to the pool says himself which session he is), or its client came over the socket.
-- Where a process stands before the server for TLS, all come over the
-- socket, and it leaves their addresses beside (pools/master/front_clients.py).
CREATE FUNCTION bdc.pool_session_origin(session text, "user" text) RETURNS text
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  process integer;
  address inet;
BEGIN
  IF session !~ '^[0-9a-f]{1,15}\.[0-9a-f]{1,7}$' THEN
    RETURN NULL;
  END IF;
  process := ('x' || lpad(split_part(session, '.', 2), 8, '0'))::bit(32)::integer;
  SELECT a.client_addr INTO address FROM pg_stat_activity AS a JOIN pg_roles AS login ON login.oid = a.usesysid JOIN pg_roles AS r ON r.rolname = "user"
  WHERE a.pid = process AND (login.oid = r.oid OR NOT login.rolsuper AND pg_has_role(login.oid, r.oid, 'MEMBER'))
    AND to_hex(trunc(extract(epoch FROM a.backend_start))::bigint) = split_part(session, '.', 1);
  IF NOT FOUND OR address IS NOT NULL THEN
    RETURN host(address);
  END IF;
  BEGIN
    RETURN nullif(pg_read_file(split_part(current_setting('unix_socket_directories'), ',', 1) || '/clients/' || process, 0, 100, true), '');
  EXCEPTION WHEN OTHERS THEN
    RETURN NULL;  -- no such place: what is audited is worth more than from where
  END;
END $$;
