#!/usr/bin/env bash
# Makes .cache/mlflow-venv: MLflow with its server, for the demo and the long tests. 800 MB, once. Repeatable; does nothing where nothing changed.
# Where .venv is a link (scripts/setup.sh), so is this.
set -euo pipefail
cd "$(dirname "$0")/.."
uv=.cache/bootstrap/bin/uv
{ [ -x "$uv" ] && [ -x .venv/bin/python ]; } || scripts/setup.sh
exec 9>.cache/mlflow-venv.lock; flock 9
venv=.cache/mlflow-venv
if [ -L .venv ]; then ln -sfn "$(dirname "$(readlink -f .venv)")/mlflow-venv" "$venv"; fi
place=$(readlink -m "$venv")
wanted=$(cat locks/tracking.txt <(.venv/bin/python -VV) | sha256sum)
[ "$(cat "$place/openbdc-stamp" 2>/dev/null)" = "$wanted" ] && exit
echo "mlflow: installing MLflow into $venv (800 MB)" >&2
export UV_CACHE_DIR="${UV_CACHE_DIR:-$PWD/.cache/uv}" UV_LINK_MODE="${UV_LINK_MODE:-hardlink}"
"$uv" venv --quiet --clear --python "$(readlink -f .venv/bin/python)" "$place"
# with bytecode: as root it runs as an OS user who can't write here, and would compile for half a minute at each start
"$uv" pip sync --quiet --compile-bytecode --python "$place/bin/python" --require-hashes locks/tracking.txt
printf '%s' "$wanted" > "$place/openbdc-stamp"
