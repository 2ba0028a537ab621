#!/bin/sh
# packages.sh NAME...: Debian's packages, and nothing that only apt needs.
set -eu
. "$(dirname "$0")/network.sh"
export DEBIAN_FRONTEND=noninteractive
apt-get -qq update
apt-get -qq install --no-install-recommends "$@" > /dev/null
rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/apt /var/log/dpkg.log /var/cache/debconf/*-old /var/cache/ldconfig/aux-cache
