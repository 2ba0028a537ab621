#!/usr/bin/env bash
# The house-price scenario: notebooks on a cluster that is made for them and deleted after them, each step checked against its expected figure.
#   scripts/demo-house.sh             with everything that it needs: Spark (450 MB to download, once), and what runs notebooks
#   scripts/demo-house.sh --full      also the bulk load of a million rows beside Spark's own JDBC
#   scripts/demo-house.sh --mlflow    also MLflow (800 MB, once): from then on the cluster has its server, and runs and models go there
#   scripts/demo-house.sh --install   only makes .cache/house-venv: what the notebooks run in, over Spark's environment
# Repeatable; the installation does nothing where nothing changed.
set -euo pipefail
cd "$(dirname "$0")/.."
uv=.cache/bootstrap/bin/uv
{ [ -x "$uv" ] && [ -x .venv/bin/python ]; } || scripts/setup.sh
scripts/spark.sh
venv=.cache/house-venv
(
  flock 9
  place=$(dirname "$(readlink -f .cache/spark-venv)")/house-venv
  if [ -L .venv ]; then ln -sfn "$place" "$venv"; fi
  wanted=$(cat locks/house.txt .cache/spark-venv/openbdc-stamp | sha256sum)
  [ "$(cat "$place/openbdc-stamp" 2>/dev/null)" = "$wanted" ] && exit
  echo "house: installing what runs notebooks into $venv" >&2
  export UV_CACHE_DIR="${UV_CACHE_DIR:-$PWD/.cache/uv}" UV_LINK_MODE="${UV_LINK_MODE:-hardlink}"
  "$uv" venv --quiet --clear --python "$(readlink -f .venv/bin/python)" "$place"
  "$uv" pip sync --quiet --python "$place/bin/python" --require-hashes locks/house.txt
  site=$("$place/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
  "$PWD/.cache/spark-venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))' > "$site/spark.pth"
  printf '%s' "$wanted" > "$place/openbdc-stamp"
) 9>.cache/house-venv.lock
[ "${1:-}" = --install ] && exit
case " $* " in *" --mlflow "*) scripts/mlflow.sh ;; esac
export BDC_ARTIFACTS; BDC_ARTIFACTS=$(cat .cache/artifacts-folder)
exec .venv/bin/python examples/house/demo.py "$@"
