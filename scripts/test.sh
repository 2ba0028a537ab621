#!/usr/bin/env bash
# Sets up everything that the tests need, then runs them.
#   scripts/test.sh           what fits 20 minutes on 2 cores, real services included, in two halves side by side: the commands, what
#                             stands on a whole cluster or on Spark; and all the rest. How long each test took: .cache/junit-*.xml
#   scripts/test.sh --two …   the same, with options for pytest
#   scripts/test.sh --full …  the long storms too, one after the other
#   scripts/test.sh ARGS…     handed to pytest, e.g. tests/virtualization -k join
# All but the last build Kubernetes first where this machine has none yet (its API is tested against): 8–10 minutes, once. Tests that run
# pods: scripts/test-kubernetes.sh
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/setup.sh
export BDC_ARTIFACTS; BDC_ARTIFACTS=$(cat .cache/artifacts-folder)
select=(-m "not full and not kubernetes")
[ $# -gt 0 ] || set -- --two
case $1 in --two | --full) .venv/bin/python -m tests.services.kubernetes build || [ $? = 3 ] ;; esac   # 3: can't be here, and it said why
if [ "$1" = --full ]; then shift; select=(-m "not kubernetes"); fi
run=(.venv/bin/python -m pytest "${select[@]}")
[ "${1:-}" = --two ] || exec "${run[@]}" "$@"
shift
again=; case " $* " in *" --last-failed "*) again=-again ;; esac   # how long all of them took stays known

# Each half with a cache of its own (--last-failed); the first one's output comes when both have ended. What stands on the same service
# stands together: it ends after its last test (tests/sharing.py).
heavy=(tests/azdata_like_cli tests/controller tests/bdc tests/cluster tests/examples tests/test_docs.py tests/pyspark_bdc) log=.cache/test-heavy.log code=0
echo "beside these runs ${heavy[*]}; what that prints follows at the end (now in $log)"
"${run[@]}" -o cache_dir=.pytest_cache/heavy --junit-xml=.cache/junit-heavy$again.xml "$@" "${heavy[@]}" > "$log" 2>&1 & first=$!
"${run[@]}" -o cache_dir=.pytest_cache/rest --junit-xml=.cache/junit-rest$again.xml "$@" "${heavy[@]/#/--ignore=}" & second=$!
trap 'kill -TERM $first $second 2>/dev/null' INT TERM
for half in $second $first; do
  while kill -0 "$half" 2>/dev/null; do wait "$half" || true; done   # a trap ends a wait early
  ended=0; wait "$half" || ended=$?
  case $ended in 0 | 5) ;; *) code=$ended ;; esac   # 5: none of its tests was asked for
done
cat "$log"
exit "$code"
