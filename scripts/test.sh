#!/usr/bin/env bash
# Sets up everything that the tests need, then runs them.
#   scripts/test.sh           what fits 20 minutes on 2 cores, real services included, in two halves side by side: the commands, what
#                             stands on a whole cluster or on Spark; and all the rest. How long each test took: .cache/junit-*.xml
#   scripts/test.sh --two …   the same, with options for pytest
#   scripts/test.sh --full …  the long storms too, one after the other
#   scripts/test.sh ARGS…     handed to pytest, e.g. tests/virtualization -k join
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/setup.sh
export BDC_ARTIFACTS; BDC_ARTIFACTS=$(cat .cache/artifacts-folder)
select=(-m "not full")
[ $# -gt 0 ] || set -- --two
if [ "$1" = --full ]; then shift; select=(); fi
run=(.venv/bin/python -m pytest "${select[@]}")
[ "${1:-}" = --two ] || exec "${run[@]}" "$@"
shift

# Each half with a cache of its own (--last-failed); the first one's output comes when both have ended.
heavy=(tests/azdata_like_cli tests/bdc tests/cluster tests/controller tests/pyspark_bdc tests/test_docs.py) log=.cache/test-heavy.log code=0
echo "beside these runs ${heavy[*]}; what that prints follows at the end (now in $log)"
"${run[@]}" -o cache_dir=.pytest_cache/heavy --junit-xml=.cache/junit-heavy.xml "$@" "${heavy[@]}" > "$log" 2>&1 & first=$!
"${run[@]}" -o cache_dir=.pytest_cache/rest --junit-xml=.cache/junit-rest.xml "$@" "${heavy[@]/#/--ignore=}" & second=$!
trap 'kill -TERM $first $second 2>/dev/null' INT TERM
for half in $second $first; do
  while kill -0 "$half" 2>/dev/null; do wait "$half" || true; done   # a trap ends a wait early
  ended=0; wait "$half" || ended=$?
  case $ended in 0 | 5) ;; *) code=$ended ;; esac   # 5: none of its tests was asked for
done
cat "$log"
exit "$code"
