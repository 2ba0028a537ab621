#!/usr/bin/env bash
# Sets up everything in the checkout, creates the cluster `demo` and shows what it does; `scripts/demo.sh stop` takes all of it away.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/setup.sh
export BDC_ARTIFACTS; BDC_ARTIFACTS=$(cat .cache/artifacts-folder)
exec .venv/bin/python examples/demo/demo.py "$@"
