"""A stand-in for ``python -m controller.local``: writes the events that the file named by STANDIN_EVENTS holds, and what it was given.

An event ``{"wait": true}`` waits for SIGINT; then come the events after it, and exit code 130.
"""

import json
import os
import pathlib
import signal
import sys

interrupted = []
signal.signal(signal.SIGINT, lambda *_: interrupted.append(True))
given = {"arguments": sys.argv[1:], "stdin": sys.stdin.read(), "environment": sorted(os.environ)}
pathlib.Path(os.environ["STANDIN_SEEN"]).write_text(json.dumps(given))
for line in pathlib.Path(os.environ["STANDIN_EVENTS"]).read_text().splitlines():
    event = json.loads(line) if line.startswith("{") else line
    if event == {"wait": True}:
        print(json.dumps({"event": "progress", "workload": "x", "state": "waiting", "reason": "for Ctrl-C", "seconds": 1}), flush=True)
        while not interrupted:
            signal.pause()
    else:
        print(line, flush=True)
sys.exit(130 if interrupted else 0)
