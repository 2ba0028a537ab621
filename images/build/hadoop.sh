#!/bin/sh
# hadoop.sh FOLDER: Hadoop's jars, the same files, checked against the same SHA-256, as on one machine (HADOOP_JARS in
# controller/substrates/local/programs.py, which is copied beside this script). None holds a class of another: their order is free.
set -eu
. "$(dirname "$0")/tools.sh"
export BDC_ARTIFACTS=$work/hadoop PYTHONPATH="$here" PYTHONDONTWRITEBYTECODE=1
"$tools/bin/python" -c 'from programs import classpath; classpath("hadoop", lambda said: print(said, flush=True))'
mkdir "$1"
mv "$BDC_ARTIFACTS"/hadoop-*/*.jar "$1"
