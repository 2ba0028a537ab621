#!/usr/bin/env bash
# Makes .cache/spark-venv: Apache Spark and the needs of pyspark_bdc, for the demo and the tests. 450 MB to download, once.
# Repeatable; does nothing where nothing changed. It runs scripts/setup.sh where that was not done yet. Where .venv is a link (see there), so is this.
set -euo pipefail
cd "$(dirname "$0")/.."
uv=.cache/bootstrap/bin/uv
{ [ -x "$uv" ] && [ -x .venv/bin/python ]; } || scripts/setup.sh
exec 9>.cache/spark-venv.lock; flock 9
venv=.cache/spark-venv
if [ -L .venv ]; then ln -sfn "$(dirname "$(readlink -f .venv)")/spark-venv" "$venv"; fi
place=$(readlink -m "$venv")
wanted=$(.venv/bin/python - <<'PY'
import hashlib, pathlib, sys

print(hashlib.sha256(pathlib.Path("locks/spark.txt").read_bytes() + sys.version.encode()).hexdigest())
PY
)
[ "$(cat "$place/openbdc-stamp" 2>/dev/null)" = "$wanted" ] && exit
echo "spark: installing Apache Spark into $venv (450 MB to download, some minutes)" >&2
export UV_CACHE_DIR="${UV_CACHE_DIR:-$PWD/.cache/uv}" UV_LINK_MODE="${UV_LINK_MODE:-hardlink}"
"$uv" venv --quiet --clear --python "$(readlink -f .venv/bin/python)" "$place"
"$uv" pip sync --python "$place/bin/python" --require-hashes locks/spark.txt
# as root Spark's Python runs as an OS user who can't write here: without bytecode each of its processes would compile for two seconds
"$place/bin/python" -c 'import pandas, pyarrow, pyspark.daemon, pyspark.sql.connect.session, pyspark.sql.worker.plan_data_source_read, pyspark.worker'
printf '%s' "$wanted" > "$place/openbdc-stamp"
