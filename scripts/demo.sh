#!/usr/bin/env bash
# Sets up everything in the checkout, creates the cluster `demo` and shows what it does; `scripts/demo.sh stop` takes all of it away.
#   scripts/demo.sh --spark   installs Apache Spark too (450 MB), so that the demo shows its part; once it is there, every run does
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/setup.sh
if [ "${1:-}" = --spark ]; then shift; scripts/spark.sh; fi
export BDC_ARTIFACTS; BDC_ARTIFACTS=$(cat .cache/artifacts-folder)
exec .venv/bin/python examples/demo/demo.py "$@"
