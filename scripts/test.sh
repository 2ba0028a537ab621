#!/usr/bin/env bash
# Sets up everything that the tests need, then runs them.
#   scripts/test.sh           what fits 20 minutes on 2 cores, real services included
#   scripts/test.sh --full    the long storms too
#   scripts/test.sh ARGS…     handed to pytest, e.g. tests/virtualization -k join
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/setup.sh
export BDC_ARTIFACTS; BDC_ARTIFACTS=$(cat .cache/artifacts-folder)
select=(-m "not full")
if [ "${1:-}" = --full ]; then shift; select=(); fi
exec .venv/bin/python -m pytest "${select[@]}" "$@"
