"""Apps of the runtime ``sql`` in a cluster: they log in at the master, and nowhere else, as a user that was made for them.

Who that is, the spec says (``env: {PGUSER: …}``), his password is a secret of the app: so it reaches the workers of that app alone, and
what a query may read is granted to that user, by name, and to be seen in the catalog like everybody's rights.
"""

from __future__ import annotations

from collections.abc import Mapping

from apps.errors import Problem, SpecError
from apps.spec import AppSpec

USER, PASSWORD, DATABASE = "PGUSER", "PGPASSWORD", "PGDATABASE"
HINT = "as whom it logs in: 'env: {PGUSER: NAME}' and 'secrets: [PGPASSWORD]', then bdc app secret set"


def check(spec: AppSpec, address: str | None) -> None:
    """SpecError for a query that can't log in. ``address``: of the master, ``HOST:PORT/DATABASE``; None: it can't be reached from here."""
    if spec.runtime != "sql":
        return
    if address is None:
        raise SpecError((Problem(1, "runtime", "sql: this app proxy was not told where the master is"),))
    given = {*spec.env, *spec.secrets}
    if PASSWORD not in spec.secrets or USER not in given:
        raise SpecError((Problem(1, "secrets", f"a query needs a login of its own, {HINT}"),))
    others = sorted(name for name in given - {USER, PASSWORD, DATABASE} if name.startswith("PG"))
    if others:
        raise SpecError((Problem(1, "env", f"{others[0]} can't be set: a query goes to the cluster's own master"),))


def variables(spec: AppSpec, address: str | None, tls: Mapping[str, str]) -> dict[str, str]:
    """libpq's, beside user and password. ``tls``: as in a connection string, such as ``sslmode``."""
    if spec.runtime != "sql" or address is None:
        return {}
    place, _, database = address.partition("/")
    host, _, port = place.rpartition(":")
    default = {} if DATABASE in {*spec.env, *spec.secrets} else {DATABASE: database}
    sure = {f"PG{name.replace('_', '').upper()}": value for name, value in tls.items()}
    return {"PGHOST": host, "PGPORT": port, "PGAPPNAME": spec.label, **sure, **default}
