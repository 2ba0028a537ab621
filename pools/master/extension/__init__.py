"""The SQL extension ``bdc``, as files for PostgreSQL's extension folder.

``bdc.control`` names the newest version. ``1.0/`` holds the first version in parts, in the order of their names; PostgreSQL gets them
as one script ``bdc--1.0.sql``. A later version is one file beside the folder, ``bdc--1.0--1.1.sql``: the change from one version to
the next, which ``CREATE EXTENSION`` runs after the first version's script and ``ALTER EXTENSION bdc UPDATE`` runs by itself. A released
file never changes. A migration must leave privileges right: it ends with what ``99_privileges.sql`` does for the objects it makes.
"""

from __future__ import annotations

from pathlib import Path

FIRST_VERSION = "1.0"
_FOLDER = Path(__file__).parent
_GUARD = '\\echo Use "CREATE EXTENSION bdc" to load this file. \\quit\n'


def extension_files() -> dict[str, str]:
    """File name → content of everything that PostgreSQL's ``extension`` folder needs."""
    parts = sorted((_FOLDER / FIRST_VERSION).glob("*.sql"))
    files = {
        "bdc.control": (_FOLDER / "bdc.control").read_text(),
        f"bdc--{FIRST_VERSION}.sql": _GUARD + "\n".join(part.read_text() for part in parts),
    }
    for migration in sorted(_FOLDER.glob("bdc--*--*.sql")):
        files[migration.name] = _GUARD + migration.read_text()
    return files
