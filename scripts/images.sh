#!/usr/bin/env bash
# Builds the images of images/ and lays them into .cache/images/<name>.tar, which `docker load` and `ctr images import` read.
#   scripts/images.sh                       all; only changed layers are built again
#   scripts/images.sh compute data          these
#   scripts/images.sh --registry HOST/PATH  names them HOST/PATH/openbdc/<name> (spec.kubernetes.images.registry); default: docker.io
#   scripts/images.sh --tag TAG             instead of the version of distributions/cluster
#   scripts/images.sh --build-arg PYTHON=…  another base (Debian with Python 3.11 or newer, and its venv)
#   scripts/images.sh --push                pushes them after all are built (log in before, with the tool's own `login`)
#   scripts/images.sh --fresh               builds every layer anew, on the newest bases: for the updates of Debian
#   scripts/images.sh --local-bases         makes the bases from Debian's packages, where no registry of images is reached (root, buildah)
# Uses docker (if its engine answers), podman or buildah, whichever is there first; IMAGES_TOOL names another one of these.
set -euo pipefail
cd "$(dirname "$0")/.."
say() { printf 'images: %s\n' "$*" >&2; }
fail() { say "error: $1"; say "next: $2"; exit 1; }

all=(controller data compute app storage test/postgresql) names=() registry=docker.io tag='' push='' bases='' fresh=() given_arguments=()
while [ $# -gt 0 ]; do
  case $1 in
    --registry | --tag) [ -n "${2:-}" ] || fail "$1 needs a value" "scripts/images.sh $1 VALUE"; declare "${1#--}=$2"; shift ;;
    --build-arg) [ -n "${2:-}" ] || fail "$1 needs a value" "scripts/images.sh --build-arg PYTHON=…"; given_arguments+=(--build-arg "$2"); shift ;;
    --push) push=1 ;;
    --local-bases) bases=1 ;;
    --fresh) fresh=(--no-cache) ;;
    -h | --help) sed -n '2,11s/^# \?//p' "$0"; exit ;;
    *) [ -f "images/$1/Dockerfile" ] || fail "there is no image $1" "one of: ${all[*]}"; names+=("$1") ;;
  esac
  shift
done
[ ${#names[@]} -gt 0 ] || names=("${all[@]}")
version=$(sed -n 's/^version = "\(.*\)"/\1/p' distributions/cluster/pyproject.toml)
tag=${tag:-$version} folder=.cache/images log=.cache/images/log
mkdir -p "$log"; chmod 755 "$folder"
exec 9> "$folder/lock"; flock -n 9 || { say "waiting for another build"; flock 9; }

choose_tool() {
  if [ -n "${IMAGES_TOOL:-}" ]; then echo "$IMAGES_TOOL"; return; fi
  if [ -z "$bases" ] && docker info > /dev/null 2>&1; then echo docker; return; fi
  if [ -z "$bases" ] && command -v podman > /dev/null; then echo podman; return; fi
  command -v buildah > /dev/null && echo buildah
}
if [ -n "$bases" ] && ! { command -v buildah && command -v mmdebstrap; } > /dev/null; then
  [ "$(id -u)" = 0 ] || fail "--local-bases needs root, buildah and mmdebstrap" "apt-get install buildah mmdebstrap, then as root"
  say "installing buildah and mmdebstrap"
  { apt-get -q update && DEBIAN_FRONTEND=noninteractive apt-get -qy install --no-install-recommends buildah mmdebstrap; } > "$log/apt.log" 2>&1 \
    || { tail -5 "$log/apt.log" >&2; fail "they can't be installed" "see $log/apt.log"; }
fi
if [ ${#fresh[@]} -gt 0 ] && [ -z "$bases" ]; then fresh+=(--pull); fi
tool=$(choose_tool) || fail "neither docker (with its engine), podman nor buildah is there" "apt-get install buildah, or install Docker"
[ -z "$bases" ] || images/bases.sh "$folder/bases" "${fresh[@]}" || fail "the bases can't be made" "see above; Debian's packages must be reachable"

# How this machine reaches the package registries, for the build only: mounted as secrets, in no layer, no argument, no environment.
secrets=$(mktemp -d); trap 'rm -rf "$secrets"' EXIT
python3 - > "$secrets/pip" <<'PY'
import subprocess, sys

listed = subprocess.run([sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True).stdout
wanted = ("index-url", "extra-index-url", "trusted-host", "proxy", "timeout", "default-timeout")
print("[global]")
for line in listed.splitlines():
    name, _, value = line.partition("=")
    if (option := name.rpartition(".")[2]) in wanted:
        print(f"{option.removeprefix('default-')} = {value.strip(chr(39))}")
PY
for bundle in "${PIP_CERT:-}" "${REQUESTS_CA_BUNDLE:-}" "${SSL_CERT_FILE:-}"; do
  if [ -f "$bundle" ]; then cp "$bundle" "$secrets/ca"; break; fi
done
if command -v apt-config > /dev/null; then apt-config dump | grep '^Acquire::' > "$secrets/apt" || true; fi
given=(); for file in "$secrets"/*; do given+=(--secret "id=$(basename "$file"),src=$file"); done

reference() { case $1 in test/postgresql) echo "$registry/library/postgres:18" ;; *) echo "$registry/openbdc/$1:$tag" ;; esac; }
build() {   # NAME REFERENCE
  local arguments=("${fresh[@]}" --file "images/$1/Dockerfile" --tag "$2" --build-arg "VERSION=$version" "${given_arguments[@]}" "${given[@]}")
  case $tool in
    docker) DOCKER_BUILDKIT=1 docker build --progress=plain "${arguments[@]}" . ;;
    podman) podman build --layers "${arguments[@]}" . ;;
    # needs neither a runtime nor control groups; bases made here must not be looked for elsewhere
    buildah) buildah bud --isolation chroot --layers ${bases:+--pull=never} "${arguments[@]}" . ;;
  esac
}
identity() { case $tool in docker) docker image inspect -f '{{.Id}}' "$1" ;; podman) podman image inspect -f '{{.Id}}' "$1" ;; buildah) buildah inspect --type image -f '{{.FromImageID}}' "$1" ;; esac; }
save() {   # REFERENCE FILE
  rm -f "$2.new"
  case $tool in
    docker) docker save --output "$2.new" "$1" ;;
    podman) podman save --quiet --format docker-archive --output "$2.new" "$1" ;;
    buildah) buildah push --quiet "$1" "docker-archive:$2.new:$1" ;;
  esac
  mv "$2.new" "$2"
}

number=0
for name in "${names[@]}"; do
  number=$((number + 1)) began=$SECONDS full=$(reference "$name") file=$folder/${name//\//-}.tar log_file=$log/${name//\//-}.log
  say "$name ($number of ${#names[@]}): building $full with $tool"
  build "$name" "$full" > "$log_file" 2>&1 || {
    tail -25 "$log_file" >&2
    if grep -qiE "pull|no such image|image not known" "$log_file"; then
      fail "$name was not built: its base can't be had" "name one that can (scripts/images.sh --build-arg PYTHON=…), or scripts/images.sh --local-bases"
    fi
    fail "$name was not built" "see $log_file"
  }
  id=$(identity "$full")
  if [ -f "$file" ] && [ "$(cat "$file.id" 2> /dev/null)" = "$full $id" ]; then
    say "$name: nothing changed ($((SECONDS - began)) s)"
  else
    save "$full" "$file" || fail "$file can't be written" "df -h $folder"
    echo "$full $id" > "$file.id"
    say "$name: $file, $(($(stat -c %s "$file") / 1000000)) MB unpacked ($((SECONDS - began)) s)"
  fi
done
[ -z "$push" ] || for name in "${names[@]}"; do
  [ "$name" = test/postgresql ] && continue
  say "pushing $(reference "$name")"
  "$tool" push "$(reference "$name")" || fail "$(reference "$name") was not pushed" "$tool login ${registry%%/*}"
done
