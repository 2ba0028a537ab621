"""``python -m controller.kubernetes.recover --namespace N --name C``: nobody can log in as admin any more. Whoever may run commands in the
controller's pod, who is admin of the cluster anyway, gives an admin a new password.

``{"username", "password"}`` as JSON on standard input; ``{"name", "username"}`` or ``{"error": …}`` as JSON on standard output.
"""

from __future__ import annotations

import argparse
import json
import sys

from controller.auth.passwords import check_rules
from controller.auth.users import check_name, recover_admin
from controller.errors import ControllerError, RequestError
from controller.kubernetes.api import connect
from controller.kubernetes.store import SecretStore
from controller.store import Store


def main(arguments: list[str] | None = None) -> int:
    """The program."""
    parser = argparse.ArgumentParser(prog="python -m controller.kubernetes.recover", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--namespace", required=True)
    parser.add_argument("--name", required=True, help="of the BigDataCluster")
    parser.add_argument("--kubeconfig", help="outside of a pod")
    given = parser.parse_args(arguments)
    try:
        store = SecretStore(connect(given.kubeconfig), given.namespace, given.name)
        answer: dict[str, object] = {"name": given.name, "username": recovered(store, sys.stdin.read())}
    except ControllerError as error:
        answer = {"error": error.envelope()}
    sys.stdout.write(json.dumps(answer) + "\n")
    return 0


def recovered(store: Store, text: str) -> str:
    """Make the user of ``text`` an admin with its password. RequestError for what breaks the rules, StoreError."""
    try:
        given = json.loads(text)
        name, password = str(given["username"]), str(given["password"])
    except (ValueError, KeyError, TypeError):
        raise RequestError("no user name and password were given", where="standard input", hint='{"username": …, "password": …}') from None
    check_name(name)
    check_rules(name, password)
    recover_admin(store, name, password)
    return name


if __name__ == "__main__":
    sys.exit(main())
