"""``recorded_controller.py FILE …``: ``python -m controller.kubernetes …``; method, path, query, status of each request go to FILE."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from controller.kubernetes import __main__ as program
from controller.kubernetes.api import Api, ApiError

FILE = sys.argv.pop(1)
_response = Api._response


@contextmanager
def recorded(self: Api, method: str, path: str, body: Any, query: Any, *more: Any, **named: Any) -> Iterator[Any]:
    try:
        with _response(self, method, path, body, query, *more, **named) as response:
            record(method, path, query, response.status)
            yield response
    except ApiError as error:
        record(method, path, query, error.number)
        raise


def record(method: str, path: str, query: dict[str, str], status: int | None) -> None:
    with open(FILE, "a") as file:  # noqa: PTH123
        file.write(json.dumps([method, path, dict(query), status]) + "\n")


Api._response = recorded  # type: ignore[method-assign]
sys.exit(program.main(sys.argv[1:]))
