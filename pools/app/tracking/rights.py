"""Which requests of MLflow's API pass, and what they take: a table, since MLflow itself knows no users here. Pure.

What is not listed is not served: MLflow's server also calls other services for whoever asks (gateway, webhooks), runs jobs and an
assistant. Reads are GET and the searches that MLflow sends as POST.
"""

from __future__ import annotations

import re
from typing import Literal

Access = Literal["read", "write"]
READING = frozenset({"GET", "HEAD"})
WRITING = frozenset({"POST", "PUT", "PATCH", "DELETE"})
API = re.compile(r"/(?:ajax-)?api/[23]\.0/mlflow/(?P<call>(?P<group>[a-z-]+)(?:/.*)?)", re.DOTALL)
FILES = re.compile(r"/(?:ajax-)?api/2\.0/mlflow-artifacts/(?:artifacts|mpu|presigned)(?:/.*)?", re.DOTALL)
GROUPS = frozenset({
    "artifacts", "datasets", "experiments", "get-trace-artifact", "logged-models", "metrics", "model-versions", "registered-models",
    "runs", "server-info", "traces", "upload-artifact",
})  # fmt: skip
SEARCHES = frozenset({
    "artifacts/presigned-download-url", "datasets/search", "experiments/search", "experiments/search-datasets", "logged-models/search",
    "registered-models/get-latest-versions", "runs/search", "traces/batchGetInfos", "traces/calculate-filter-correlation",
    "traces/metrics", "traces/search",
})  # fmt: skip
"""Asked by POST, and they change nothing."""
PAGES = frozenset({"/", "/get-artifact", "/graphql", "/model-versions/get-artifact", "/version"})
"""``/graphql`` only searches, whatever its method."""
ASSETS = "/static-files/"
SPANS = "/v1/traces"


def needed(method: str, path: str) -> Access | None:
    """What a request takes; None: it is not served. ``path``: decoded, without the query."""
    if method not in READING | WRITING or {"..", "."} & set(path.split("/")):
        return None
    if path in PAGES or path.startswith(ASSETS):
        return "read" if method in READING or path == "/graphql" else None
    if path == SPANS:
        return "write"
    found = API.fullmatch(path)
    if found is not None and found["group"] in GROUPS:
        return "read" if method in READING or (method == "POST" and found["call"] in SEARCHES) else "write"
    if is_file(path):
        return "read" if method in READING else "write"
    return None


def is_file(path: str) -> bool:
    """Whether it is a file of a run or model that goes through: of any size."""
    return FILES.fullmatch(path) is not None
