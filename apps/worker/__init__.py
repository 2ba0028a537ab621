"""Worker processes: an app's code runs in one of them, in its own environment, with limits, and nowhere else.

The host's side is ``calls`` (one worker) and ``pool`` (the workers of a version); the worker's own is ``start``, ``child``, ``limits`` and
``console``. Between them go frames over a socket pair (``framing``).
"""
