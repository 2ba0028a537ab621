"""The thread that looks everybody up again who is logged in with a directory account: it must not hold up the reconcile loop."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from controller.auth.directory.logins import DirectoryLogins
from controller.errors import ControllerError
from controller.log import Log

log = Log("directory")


class DirectoryWatch:
    """As often as the spec says, where this controller acts for the cluster (``acting``). ``changed``: called when somebody's rights or
    login are others now."""

    def __init__(self, logins: DirectoryLogins, changed: Callable[[], object], acting: Callable[[], bool] = lambda: True) -> None:
        self._logins = logins
        self._changed = changed
        self._acting = acting
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="directory", daemon=True)
        self.problem: str | None = None
        """Why the last round could not be finished."""

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self, seconds: float) -> None:
        """End it after the round under way, wait so long for it."""
        self._stopping.set()
        self._thread.join(seconds)

    def round(self) -> None:
        """One look at everybody; no error leaves it."""
        try:
            changes, problems = self._logins.check(time.time())
        except ControllerError as error:  # the store's
            changes, problems = [], [error.message]
        except Exception:
            log.exception("defect")
            return
        problem = "; ".join(problems) or None
        if problem is not None and problem != self.problem:
            log.warning("logins could not be looked up", reason=problem)
        self.problem = problem
        for sentence in changes:
            log.info("a login changed", what=sentence)
        if changes:
            self._changed()

    def _run(self) -> None:
        while not self._stopping.wait(self._logins.check_seconds()):
            if self._acting():
                self.round()
