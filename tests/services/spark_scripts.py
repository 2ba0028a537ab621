"""Runs scripts one after the other in one Python with one JVM, in Spark's environment: the start of a JVM and its first queries are most of
what a short job takes. It needs nothing of ours.

A line on standard input is ``{"script": path, "given": {…}}``; the script finds ``given`` as JSON on its standard input, as if it had been
started by itself. The answer is a line ``{"said": what it printed, "failure": why or null}``.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import runpy
import sys
import traceback

from pyspark import SparkContext

SparkContext._ensure_initialized()  # type: ignore[no-untyped-call]  # the JVM, with no script's configuration: each brings its own
os.environ["SPARK_TESTING"] = "1"  # for Python alone: Connect takes a free port instead of always the same
requests, answers = sys.stdin, sys.stdout
for line in requests:
    request, said, failure = json.loads(line), io.StringIO(), None
    sys.stdin = io.StringIO(json.dumps(request["given"]))
    with contextlib.redirect_stdout(said):
        try:
            runpy.run_path(request["script"], run_name="__main__")
        except BaseException:  # noqa: BLE001 - the test shows it
            failure = traceback.format_exc()
    print(json.dumps({"said": said.getvalue(), "failure": failure}), file=answers, flush=True)
