"""The SQL extension ``bdc``, as files for PostgreSQL's extension folder.

``bdc.control`` names the newest version. ``1.0/`` holds the first version in parts, in the order of their names; PostgreSQL gets them
as one script ``bdc--1.0.sql``, and once more as ``bdc--1.0--renewed.sql``, which brings a database that was made from earlier parts to
the present ones (``renewal.py`` says what the parts must bear for it). ``master-setup`` runs that where ``bdc.code_digest()`` is not the
digest that the control file's comment ends with: the one of the files that the server has.
What a renewal can't do (a column with another type, rows in another form) is a later version, one file beside the folder,
``bdc--1.0--1.1.sql``: the change from one version to the next, which ``CREATE EXTENSION`` runs after the first version's script and
``ALTER EXTENSION bdc UPDATE`` runs by itself.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from pools.master.extension.renewal import RENEWED, RUN, renewal

FIRST_VERSION = "1.0"
_FOLDER = Path(__file__).parent
_GUARD = '\\echo Use "CREATE EXTENSION bdc" to load this file. \\quit\n'
_PRIVILEGES = "99_privileges.sql"
_DIGEST = "CREATE FUNCTION bdc.code_digest() RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT '{}' $$;\n"


def extension_files() -> dict[str, str]:
    """File name → content of everything that PostgreSQL's ``extension`` folder needs."""
    texts = {part.name: part.read_text() for part in sorted((_FOLDER / FIRST_VERSION).glob("*.sql"))}
    digest = hashlib.sha256("\n".join([RUN.read_text(), *texts.values()]).encode()).hexdigest()[:16]
    privileges = texts.pop(_PRIVILEGES)
    parts = "\n".join([*texts.values(), _DIGEST.format(digest)])
    files = {
        "bdc.control": (_FOLDER / "bdc.control").read_text().replace("$DIGEST", digest),
        f"bdc--{FIRST_VERSION}.sql": _GUARD + parts + privileges,
        f"bdc--{FIRST_VERSION}--{RENEWED}.sql": _GUARD + renewal(parts, privileges),
        f"bdc--{RENEWED}--{FIRST_VERSION}.sql": _GUARD,
    }
    for migration in sorted(_FOLDER.glob("bdc--*--*.sql")):
        files[migration.name] = _GUARD + migration.read_text()
    return files
