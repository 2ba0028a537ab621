"""The errors of this folder. Foreign errors (drivers, engines, parsers) stop at its border and become one of these.

    VirtualizationError          code: SQLSTATE; category: user | service | internal
    ├── SqlError                 user      42601  the text can't be parsed or bound
    ├── UnknownTableError        user      42P01
    ├── UnknownColumnError       user      42703
    ├── AmbiguousColumnError     user      42702
    ├── GroupingError            user      42803  a column that is neither grouped by nor aggregated
    ├── UnsupportedError         user      0A000  says what, and what to write instead
    ├── DefinitionError          user      22023  a source's or table's definition is wrong
    ├── PredictionError          user      22023  a call of predict that its app does not take
    ├── DataError                user      22000  the data does not fit its declared type (names column and place)
    ├── SourceError              service   HV000  a source failed
    │   ├── SourceUnreachableError         08001
    │   ├── SourceCredentialError          28000
    │   ├── SourceTimeoutError             57014
    │   └── RemoteObjectError    user      HV00R  the remote table, column or file is gone or changed
    ├── MovedError               user      40001  a table of the data pool was moved to other shards meanwhile
    ├── MemoryLimitError         service   53200
    ├── CapacityError            service   53300  everything that could run it is taken, for longer than it may wait
    ├── CancelledError           user      57014
    └── InternalError            internal  XX000

Messages and hints hold no secrets.
"""

from __future__ import annotations

from typing import ClassVar, Literal

Category = Literal["user", "service", "internal"]


class VirtualizationError(Exception):
    """``message`` says what was wrong and where; ``hint`` what to do next; neither holds secrets."""

    code: ClassVar[str] = "XX000"
    category: ClassVar[Category] = "internal"

    def __init__(self, message: str, *, detail: str | None = None, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.detail = detail
        self.hint = hint


class SqlError(VirtualizationError):
    """The text can't be parsed or bound."""

    code = "42601"
    category = "user"


class UnknownTableError(VirtualizationError):
    """A name in FROM is no virtual table."""

    code = "42P01"
    category = "user"


class UnknownColumnError(VirtualizationError):
    """A column that no table in scope has."""

    code = "42703"
    category = "user"


class AmbiguousColumnError(VirtualizationError):
    """An unqualified column that several tables in scope have."""

    code = "42702"
    category = "user"


class GroupingError(VirtualizationError):
    """A block that groups shows a column that is neither grouped by nor inside an aggregate."""

    code = "42803"
    category = "user"


class UnsupportedError(VirtualizationError):
    """Valid SQL that the pool does not run; ``hint`` says what to write instead."""

    code = "0A000"
    category = "user"


class DefinitionError(VirtualizationError):
    """A data source's or virtual table's definition is wrong; names the option."""

    code = "22023"
    category = "user"


class PredictionError(VirtualizationError):
    """A call of ``predict`` that its app does not take: other inputs, other types, no constant name."""

    code = "22023"
    category = "user"


class DataError(VirtualizationError):
    """A value does not fit the declared type; names file or table, column and place."""

    code = "22000"
    category = "user"


class SourceError(VirtualizationError):
    """A source failed in a way that none of the more exact classes names."""

    code = "HV000"
    category: ClassVar[Category] = "service"


class SourceUnreachableError(SourceError):
    """No connection to the source."""

    code = "08001"


class SourceCredentialError(SourceError):
    """The source refused the credential."""

    code = "28000"


class SourceTimeoutError(SourceError):
    """The source did not answer within its time limit."""

    code = "57014"


class RemoteObjectError(SourceError):
    """The remote table, column or file is gone or changed."""

    code = "HV00R"
    category = "user"


class MovedError(VirtualizationError):
    """The rows lie elsewhere than at the time that the transaction reads: run it again."""

    code = "40001"
    category = "user"


class MemoryLimitError(VirtualizationError):
    """The query would need more memory than its limit and could not spill."""

    code = "53200"
    category = "service"


class CapacityError(VirtualizationError):
    """Everything that could run the query is taken, for longer than it may wait."""

    code = "53300"
    category = "service"


class CancelledError(VirtualizationError):
    """Cancelled by the user or by a limit on time."""

    code = "57014"
    category = "user"


class InternalError(VirtualizationError):
    """A defect of ours; the message says what to report."""

    code = "XX000"
    category = "internal"
