#!/bin/sh
# ours.sh FOLDER DISTRIBUTION...: our own wheels for the environment FOLDER of the image, laid under /ours: a small layer of its own above
# those of the packages, which change seldom.
set -eu
. "$(dirname "$0")/tools.sh"
folder=$1 wheels=$work/wheels; shift
for distribution; do
  "$tools/bin/pip" wheel --quiet --no-deps --no-index --no-build-isolation -w "$wheels" "/source/distributions/$distribution"
done
[ -e "$folder/bin/python" ] || python3 -m venv --without-pip "$folder"
"$tools/bin/pip" --python "$folder/bin/python" install --quiet --no-deps --no-index --no-compile --root /ours "$wheels"/*.whl
"$folder/bin/python" -m compileall -q -j 2 -s /ours --invalidation-mode unchecked-hash "/ours$folder"
