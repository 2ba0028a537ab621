"""What can go wrong with a directory, as the controller's errors. Words name servers and entries, never a password.

DirectoryError                     service   503   directory_unavailable   no server answered, or none that is to be trusted
├── DirectoryAccountError                          directory_refused       the search account: not let in, or no password was set
├── DirectorySetupError                            directory_setup         a base that does not exist, an attribute nobody may read
└── DirectoryBusyError                             directory_busy          as many logins wait for it as may
TooManyGroupsError                 user      403   too_many_groups
"""

from __future__ import annotations

from controller.errors import ControllerError


class DirectoryError(ControllerError):
    """No server of the directory could be asked."""

    code = "directory_unavailable"
    category = "service"
    status = 503


class DirectoryAccountError(DirectoryError):
    """The account that searches was refused."""

    code = "directory_refused"


class DirectorySetupError(DirectoryError):
    """What the spec says of the directory does not fit it."""

    code = "directory_setup"


class DirectoryBusyError(DirectoryError):
    """Too many wait for it."""

    code = "directory_busy"


class TooManyGroupsError(ControllerError):
    """Somebody is in more groups than are looked at."""

    code = "too_many_groups"
    category = "user"
    status = 403
