#!/usr/bin/env bash
# bases.sh FOLDER [--no-cache]: makes images of the names that the Dockerfiles begin with, where these can't be pulled: the same Debian releases,
# from Debian's packages. Called by `scripts/images.sh --local-bases`; needs root, buildah and mmdebstrap. Does nothing
# where they are there, but with --no-cache.
set -euo pipefail
mkdir -p "$1"; folder=$(cd "$1" && pwd) anew=${2:-}

make_base() {   # REFERENCE SUITE PACKAGES
  local reference=$1 suite=$2 packages=$3 root="$folder/$2.tar" container  # .tar: mmdebstrap goes by the name
  if [ -z "$anew" ] && buildah inspect --type image "$reference" > /dev/null 2>&1; then return; fi
  printf 'images: making a base that stands in for %s (Debian %s)\n' "$reference" "$suite" >&2
  # how this machine's apt reaches Debian; taken out of the base again
  apt-config dump | grep '^Acquire::' > "$folder/apt.conf" || true
  mmdebstrap --quiet --variant=minbase --include="$packages" --aptopt="$folder/apt.conf" \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/info/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
    --customize-hook='rm -f "$1"/etc/apt/apt.conf.d/99mmdebstrap; rm -rf "$1"/var/cache/apt/* "$1"/var/log/*' "$suite" "$root"
  container=$(buildah from scratch)
  buildah add --quiet "$container" "$root" / > /dev/null
  buildah config --env PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin --env LANG=C.UTF-8 --cmd bash \
    --label openbdc.dev/stand-in=true "$container"
  buildah commit --quiet --rm "$container" "$reference" > /dev/null
  rm "$root" "$folder/apt.conf"
}

make_base docker.io/library/python:3.11-slim-bookworm bookworm python3,python3-venv,ca-certificates
make_base docker.io/library/debian:forky-slim forky ca-certificates
