-- Oracle's own rules where PostgreSQL has others: '' is NULL, NUMBER has 40 digits, dates are counted in days.
CREATE SCHEMA ora;

CREATE FUNCTION ora.digits(x numeric) RETURNS numeric LANGUAGE sql IMMUTABLE AS
$$ SELECT CASE WHEN x = 0 THEN 0 ELSE round(x, 39 - floor(log(abs(x)))::int) END $$;
CREATE FUNCTION ora.add(a numeric, b numeric) RETURNS numeric LANGUAGE sql IMMUTABLE AS $$ SELECT ora.digits(a + b) $$;
CREATE FUNCTION ora.add(a timestamp, b numeric) RETURNS timestamp LANGUAGE sql IMMUTABLE AS $$ SELECT a + b * interval '1 day' $$;
CREATE FUNCTION ora.sub(a numeric, b numeric) RETURNS numeric LANGUAGE sql IMMUTABLE AS $$ SELECT ora.digits(a - b) $$;
CREATE FUNCTION ora.sub(a timestamp, b timestamp) RETURNS numeric LANGUAGE sql IMMUTABLE AS
$$ SELECT ora.digits(extract(epoch FROM a - b) / 86400) $$;
CREATE FUNCTION ora.mul(a numeric, b numeric) RETURNS numeric LANGUAGE sql IMMUTABLE AS $$ SELECT ora.digits(a * b) $$;
CREATE FUNCTION ora.div(a numeric, b numeric) RETURNS numeric LANGUAGE sql IMMUTABLE AS
$$ SELECT ora.digits(round(a * 1e60, 60) / b / 1e60) $$;
CREATE FUNCTION ora.mod(a numeric, b numeric) RETURNS numeric LANGUAGE sql IMMUTABLE AS
$$ SELECT CASE WHEN b = 0 THEN a ELSE a - b * trunc(a / b) END $$;
CREATE FUNCTION ora.trunc(a numeric) RETURNS numeric LANGUAGE sql IMMUTABLE AS $$ SELECT trunc(a) $$;
CREATE FUNCTION ora.trunc(a timestamp) RETURNS timestamp LANGUAGE sql IMMUTABLE AS $$ SELECT date_trunc('day', a) $$;
CREATE FUNCTION ora.trunc(a timestamp, unit text) RETURNS timestamp LANGUAGE sql IMMUTABLE AS
$$ SELECT date_trunc(CASE unit WHEN 'YYYY' THEN 'year' WHEN 'Q' THEN 'quarter' WHEN 'MM' THEN 'month' WHEN 'IW' THEN 'week'
     WHEN 'DD' THEN 'day' WHEN 'HH24' THEN 'hour' WHEN 'MI' THEN 'minute' END, a) $$;
CREATE FUNCTION ora.round(a numeric) RETURNS numeric LANGUAGE sql IMMUTABLE AS $$ SELECT round(a) $$;
CREATE FUNCTION ora.round(a numeric, b numeric) RETURNS numeric LANGUAGE sql IMMUTABLE AS $$ SELECT round(a, b::int) $$;
CREATE FUNCTION ora.concat(a text, b text) RETURNS text LANGUAGE sql IMMUTABLE AS
$$ SELECT nullif(coalesce(a, '') || coalesce(b, ''), '') $$;
CREATE FUNCTION ora.substr(a text, b numeric) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT nullif(substr(a, b::int), '') $$;
CREATE FUNCTION ora.substr(a text, b numeric, c numeric) RETURNS text LANGUAGE sql IMMUTABLE AS
$$ SELECT nullif(substr(a, b::int, c::int), '') $$;
CREATE FUNCTION ora.trim(a text) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT nullif(btrim(a), '') $$;
CREATE FUNCTION ora.ltrim(a text) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT nullif(ltrim(a), '') $$;
CREATE FUNCTION ora.rtrim(a text) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT nullif(rtrim(a), '') $$;
CREATE FUNCTION ora.translate(a text, b text, c text) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT nullif(translate(a, b, c), '') $$;
CREATE FUNCTION ora.length(a text) RETURNS numeric LANGUAGE sql IMMUTABLE AS $$ SELECT nullif(length(a), 0)::numeric $$;
CREATE FUNCTION ora.instr(a text, b text) RETURNS numeric LANGUAGE sql IMMUTABLE AS $$ SELECT strpos(a, nullif(b, ''))::numeric $$;
CREATE FUNCTION ora.to_char(a numeric, f text) RETURNS text LANGUAGE sql IMMUTABLE AS
$$ SELECT CASE WHEN f <> 'TM9' THEN (1 / 0)::text ELSE regexp_replace(trim_scale(ora.digits(a))::text, '^(-?)0\.', '\1.') END $$;
CREATE FUNCTION ora.to_char(a timestamp, f text) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT to_char(a, f) $$;
CREATE FUNCTION ora.to_number(a text) RETURNS numeric LANGUAGE sql IMMUTABLE AS $$ SELECT a::numeric $$;
CREATE FUNCTION ora.to_date(a text, f text) RETURNS timestamp LANGUAGE sql IMMUTABLE AS $$ SELECT to_timestamp(a, f) AT TIME ZONE 'UTC' $$;
CREATE FUNCTION ora.moment(a text) RETURNS timestamp LANGUAGE sql IMMUTABLE AS $$ SELECT a::timestamp $$;
CREATE FUNCTION ora.to_binary_double(a numeric) RETURNS double precision LANGUAGE sql IMMUTABLE AS $$ SELECT a::double precision $$;
CREATE FUNCTION ora.to_binary_double(a double precision) RETURNS double precision LANGUAGE sql IMMUTABLE AS $$ SELECT a $$;
CREATE FUNCTION ora.sys_extract_utc(a timestamptz) RETURNS timestamp LANGUAGE sql IMMUTABLE AS $$ SELECT a AT TIME ZONE 'UTC' $$;
CREATE FUNCTION ora.sys_context(a text, b text) RETURNS text LANGUAGE sql STABLE AS
$$ SELECT CASE b WHEN 'CURRENT_SCHEMA' THEN current_setting('ora.schema') END $$;

CREATE FUNCTION ora.rawtohex(a bytea) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT upper(encode(a, 'hex')) $$;

CREATE TABLE dual(dummy text);
INSERT INTO dual VALUES ('X');
CREATE TABLE nls_database_parameters(parameter text, value text);
CREATE TABLE all_users(username text);
CREATE TABLE all_tables(owner text, table_name text, num_rows numeric);
CREATE TABLE all_objects(owner text, object_name text, object_type text, temporary text, secondary text);
CREATE TABLE all_tab_columns(owner text, table_name text, column_name text, data_type text, char_length numeric, data_precision numeric,
  data_scale numeric, nullable text, "collation" text, column_id numeric);
CREATE TABLE all_tab_col_statistics(owner text, table_name text, column_name text, num_distinct numeric, low_value bytea, high_value bytea,
  num_nulls numeric, avg_col_len numeric);
