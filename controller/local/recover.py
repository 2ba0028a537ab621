"""``recover-admin``: nobody can log in as admin any more. The owner of the cluster's files, or root, sets a password on the machine."""

from __future__ import annotations

import os

from controller.auth.passwords import check_rules
from controller.auth.users import check_name, recover_admin
from controller.local.errors import LocalError
from controller.local.laying import own_store
from controller.substrates.local.layout import ClusterHome
from controller.substrates.local.users import ids, user_names


def recover(home: ClusterHome, given: dict[str, object]) -> dict[str, object]:
    """Make ``username`` an admin with ``password``; works with the cluster up (the controller reads the file anew) or down."""
    if os.geteuid() not in (0, home.store_folder.stat().st_uid):
        raise LocalError("not_owner", "only root and the owner of the cluster's files may do this", where=str(home.store_folder))
    name, password = str(given.get("username") or "admin"), given.get("password")
    if not isinstance(password, str) or not password:
        raise LocalError("invalid_request", "no password was given", where="standard input", hint='{"username": …, "password": …}')
    check_name(name)
    check_rules(name, password)
    recover_admin(home.store, name, password)
    users = user_names(home.name)
    own_store(home, ids(users["control"]) if users else None)
    return {"name": home.name, "username": name}
