#!/usr/bin/env bash
# Makes everything that the checkout needs: a virtual environment in .venv with the locked packages and our own distributions,
# and Hadoop's jars. Repeatable; does nothing where nothing changed.
#
# As root the pools run as OS users of their own, who must be able to reach the interpreter and the packages. So an interpreter
# below /root is passed over for the system's, and where the checkout itself can't be reached, .venv becomes a link into
# /var/cache/openbdc, with our distributions installed instead of linked.
set -euo pipefail
cd "$(dirname "$0")/.."
say() { printf 'setup: %s\n' "$*" >&2; }
fail() { say "error: $1"; say "next: $2"; exit 1; }
root() { [ "$(id -u)" = 0 ]; }
# can somebody who is nobody reach it?
reachable() { ! root || setpriv --reuid=65534 --regid=65534 --clear-groups sh -c '"$@"' sh "$@" >/dev/null 2>&1; }

choose_python() {
  local candidate real
  for candidate in ${PYTHON:-} python3 /usr/bin/python3 /usr/local/bin/python3; do
    real=$("$candidate" -c 'import sys; print(sys.executable) if sys.version_info >= (3, 11) else sys.exit(1)' 2>/dev/null) || continue
    reachable "$real" -c 'import ssl, sqlite3' && { printf '%s' "$real"; return; }
    say "passing over $real: the pools' OS users can't reach it"
  done
  if root && command -v apt-get >/dev/null; then
    say "installing Debian's python3"
    { apt-get update -qq && apt-get install -y -qq python3; } >&2 && reachable /usr/bin/python3 -c 'import ssl' && { printf /usr/bin/python3; return; }
  fi
  fail "no Python >= 3.11 that the pools' OS users can reach" "install one outside /root, or set PYTHON=/path/to/python3"
}

bootstrap_uv() {
  local tools=.cache/bootstrap
  if [ -x "$tools/bin/uv" ] && cmp -s locks/bootstrap.txt "$tools/stamp"; then return; fi
  say "installing uv"
  rm -rf "$tools"; mkdir -p .cache
  if ! python3 -m venv "$tools" >/dev/null 2>&1; then   # Debian's python3 comes without ensurepip
    rm -rf "$tools"
    root && command -v apt-get >/dev/null && { apt-get update -qq && apt-get install -y -qq python3-venv; } >&2 \
      && python3 -m venv "$tools" || fail "python3 can't make virtual environments" "apt-get install python3-venv"
  fi
  "$tools/bin/pip" --quiet --disable-pip-version-check install --require-hashes -r locks/bootstrap.txt
  cp locks/bootstrap.txt "$tools/stamp"
}

install_ours() {   # $1: --editable (linked) or --reinstall (copied)
  local distribution
  for distribution in client cluster; do
    "$uv" pip install --quiet --python .venv/bin/python --no-deps --no-build-isolation "$1" "./distributions/$distribution"
  done
}

mkdir -p .cache
exec 9>.cache/setup.lock; flock 9   # two at once would tear each other's environment
bootstrap_uv
uv=.cache/bootstrap/bin/uv
export UV_CACHE_DIR="${UV_CACHE_DIR:-$PWD/.cache/uv}" UV_LINK_MODE="${UV_LINK_MODE:-hardlink}"

outside=""
if ! reachable test -r "$PWD/Makefile"; then
  outside=/var/cache/openbdc/$(printf '%s' "$PWD" | sha256sum | cut -c1-12)
  say "the pools' OS users can't reach $PWD: the environment goes to $outside"
  mkdir -p "$outside"; chmod 755 /var/cache/openbdc "$outside"
  [ -L .venv ] || rm -rf .venv
  ln -sfn "$outside/venv" .venv
fi

wanted=$(cat locks/dev.txt distributions/*/pyproject.toml scripts/setup.sh | sha256sum)
if [ ! -x .venv/bin/python ] || [ "$(cat .venv/openbdc-stamp 2>/dev/null)" != "$wanted" ]; then
  python=$(choose_python)
  say "making .venv with $python"
  "$uv" venv --quiet --clear --python "$python" "$(readlink -m .venv)"
  "$uv" pip sync --quiet --python .venv/bin/python --require-hashes locks/dev.txt
  [ -n "$outside" ] || install_ours --editable
  printf '%s' "$wanted" > .venv/openbdc-stamp
fi
[ -z "$outside" ] || install_ours --reinstall   # not linked: take over what changed in the sources

export BDC_ARTIFACTS="${BDC_ARTIFACTS:-${outside:-$PWD/.cache}/artifacts}"
.venv/bin/python - <<'PY'
import sys

from controller.substrates.local.programs import ProgramMissingError, classpath

try:
    classpath("hadoop", lambda sentence: print(f"setup: {sentence}", file=sys.stderr))
except ProgramMissingError as error:
    sys.exit(f"setup: error: {error.message}\nsetup: next: {error.hint}")
PY
printf '%s\n' "$BDC_ARTIFACTS" > .cache/artifacts-folder
