#!/usr/bin/env bash
# The tests that run pods on a real Kubernetes node (marker `kubernetes`): sets up what they need, then runs them.
#   scripts/test-kubernetes.sh ARGS…          handed to pytest
#   scripts/test-kubernetes.sh --full ARGS…   the long ones too: five minutes without the API server
# What is missing is built first, once per machine: Kubernetes (8–10 minutes), the images. Needs root.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/setup.sh
export BDC_ARTIFACTS; BDC_ARTIFACTS=$(cat .cache/artifacts-folder)
.venv/bin/python -m tests.services.kubernetes build
scripts/images.sh --local-bases
mapfile -t files < <(grep -rl --include='test_*.py' 'pytest\.mark\.kubernetes' tests)   # collecting all others takes longer than some of these
select="kubernetes and not full"
if [ "${1:-}" = --full ]; then shift; select=kubernetes; fi
case "$*" in *tests/*) files=() ;; esac
exec .venv/bin/python -m pytest -m "$select" -o cache_dir=.pytest_cache/kubernetes --junit-xml=.cache/junit-kubernetes.xml "$@" "${files[@]}"
