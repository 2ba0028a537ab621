"""``bdc user recover-admin`` on Kubernetes: the controller's own program for it, run in its pod."""

from __future__ import annotations

import json

from azdata_like_cli.kubernetes.places import RELEASE
from bdc import kubectl
from bdc.contexts import Place
from bdc.errors import UserError

PYTHON = "/opt/openbdc/bin/python"


def recover(place: Place, cluster: str, username: str, password: str) -> None:
    """Make ``username`` an admin with ``password``. UserError where the controller refuses it, ForbiddenError, ServiceError."""
    program = (PYTHON, "-m", "controller.kubernetes.recover", "--namespace", place.namespace, "--name", cluster)
    words = ("exec", "--stdin", f"deployment/{RELEASE}", "--container", "controller", "--", *program)
    answer = json.loads(kubectl.call(place, *words, stdin=json.dumps({"username": username, "password": password})))
    refused = answer.get("error")
    if refused is not None:
        raise UserError(str(refused["message"]), where=refused.get("where"), hint=refused.get("hint"), code=str(refused["code"]))
