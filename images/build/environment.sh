#!/bin/sh
# environment.sh NAME FOLDER: a virtual environment with exactly the packages of locks/NAME.txt, each checked against its hash; where there is
# one already, what it lacks. It will lie on a read-only root file system, where no bytecode can be written: it is compiled here, and
# never compared with the source again.
set -eu
. "$(dirname "$0")/tools.sh"
folder=$2 wheels=$work/wheels began=$work/began
touch "$began"

# sdists (pyspark) are built with the locked tools, not with whatever is newest
"$tools/bin/pip" wheel --quiet --no-deps --no-build-isolation --require-hashes -r "$here/../locks/$1.txt" -w "$wheels"
[ -e "$folder/bin/python" ] || python3 -m venv --without-pip "$folder"
"$tools/bin/pip" --python "$folder/bin/python" install --quiet --no-deps --no-index --no-compile "$wheels"/*.whl

# what only tests and compilers read
site=$("$folder/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
find "$site" -depth -type d \( -name tests -o -name include \) -exec rm -r {} +
find "$site" -type f \( -name '*.a' -o -name '*.pyx' -o -name '*.pxd' -o -name '*.pyi' \) -delete
find "$site" -name '*.py' -newercm "$began" | "$folder/bin/python" -m compileall -q -j 2 --invalidation-mode unchecked-hash -i -
