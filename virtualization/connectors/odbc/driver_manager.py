"""unixODBC, which this machine must have besides the Python packages, and the drivers that are registered with it.

Both packages load ``libodbc.so.2`` when they are imported; so they are imported on first use, and what is missing becomes a sentence.
"""

from __future__ import annotations

import importlib
import importlib.util
from types import ModuleType

from virtualization.errors import DefinitionError

INSTALL = "On Debian, on each machine of the compute pool: apt-get install unixodbc, and the source's driver, for example odbc-mariadb."

for _needed in ("arrow_odbc", "pyodbc"):
    if importlib.util.find_spec(_needed) is None:
        raise ModuleNotFoundError(f"No module named {_needed!r}", name=_needed)


def metadata_module() -> ModuleType:
    """pyodbc, which asks for tables, columns and facts."""
    module = _loaded("pyodbc")
    setattr(module, "pooling", False)  # noqa: B010 pyodbc's stubs don't have it; connections are few, and closed when they have answered
    return module


def rows_module() -> ModuleType:
    """arrow-odbc, which reads rows."""
    return _loaded("arrow_odbc")


def _loaded(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except (ImportError, OSError) as error:
        if "libodbc" not in str(error):
            raise
        raise DefinitionError("connector odbc needs unixODBC (libodbc.so.2), which is not installed", hint=INSTALL) from None


def installed_drivers() -> list[str]:
    """As ``odbcinst -q -d`` prints them."""
    return sorted(metadata_module().drivers())


def check_driver(name: str, source: str) -> None:
    """DefinitionError where no driver of that name is registered; it lists those that are."""
    known = installed_drivers()
    if name.lower() in (one.lower() for one in known):  # the driver manager's own comparison
        return
    hint = f"Installed: {', '.join(known)}." if known else f"None is installed. {INSTALL}"
    raise DefinitionError(f'data source "{source}": ODBC driver "{name}" is not installed', hint=hint)
