#!/bin/sh
# postgresql-server.sh: Debian's PostgreSQL 18 with the user that the public image has, and no server of Debian's own.
set -eu
groupadd --system --gid 999 postgres
useradd --system --uid 999 --gid 999 --no-log-init --no-create-home --home-dir /var/lib/postgresql --shell /bin/bash postgres
mkdir -p /etc/postgresql-common
echo 'create_main_cluster = false' > /etc/postgresql-common/createcluster.conf
sh "$(dirname "$0")/packages.sh" postgresql-18
mkdir -p /var/lib/postgresql /var/run/postgresql
chown -R 999:999 /var/lib/postgresql /var/run/postgresql
