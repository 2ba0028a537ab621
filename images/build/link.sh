#!/bin/sh
# link.sh FOLDER PACKAGE/PATH LINK: LINK names what lies in a package of the environment FOLDER, so that nobody has to know Python's version.
set -eu
site=$("$1/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
[ -d "$site/$2" ] || { echo "$site/$2 is missing" >&2; exit 1; }
ln -s "$site/$2" "$3"
