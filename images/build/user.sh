#!/bin/sh
# user.sh: whom our images run as, and the folders where Kubernetes mounts what a pod may read or write.
# PostgreSQL and Hadoop ask for the name of their user: it must be in /etc/passwd.
set -eu
groupadd --gid 10001 openbdc
useradd --uid 10001 --gid 10001 --no-log-init --no-create-home --home-dir /var/lib/openbdc --shell /usr/sbin/nologin openbdc
mkdir -p /var/lib/openbdc/data /etc/openbdc/config /etc/openbdc/secrets /run/openbdc /var/log/openbdc
chown -R 10001:10001 /var/lib/openbdc /run/openbdc /var/log/openbdc
