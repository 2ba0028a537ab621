"""``bdc settings``: single fields of the spec, collected as *pending* and applied together. Keys are paths of the spec, or those of the
original that mean something here.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from controller.errors import RequestError
from controller.operations.planning import Planner
from controller.spec import ClusterSpec, load_spec
from controller.spec.edit import get_value, parse_path, set_value
from controller.store import Store

FILE = "settings.json"
CONF = "spec.pools.storage.spark.conf"
CONF_KEY = "spark-defaults-conf."

ORIGINAL = {
    "mssql.maxServerMemory": "spec.pools.master.memoryMegabytes",
    "hdfs-site.dfs.replication": "spec.pools.storage.replication",
    "spark-defaults-conf.spark.driver.memory": "spec.pools.storage.spark.memoryMegabytes",
    "spark-defaults-conf.spark.driver.cores": "spec.pools.storage.spark.cores",
}
"""Keys of Big Data Clusters → the field that does the same here. Megabytes are megabytes in both."""

NOTHING_HERE = {
    "bdc.telemetry.customerFeedback": "nothing is ever sent from here",
    "mssql.licensing.pid": "there are no editions and no licence keys",
    "mssql.sqlagent.enabled": "there is no SQL Agent; cron with 'bdc sql query', or a Spark job, does its work",
    "mssql.language.lcid": "the master speaks English; PostgreSQL's lc_messages is a session's own setting",
    "mssql.collation": "a collation is a database's or a column's: CREATE DATABASE … LC_COLLATE, or COLLATE in a table",
    "hadr.enabled": "the master has no replicas yet; bdc backup is what there is",
    "mssql.numberOfCpus": "PostgreSQL takes what the machine gives; on Kubernetes: resources in the spec",
    "mssql.minServerMemory": "PostgreSQL holds shared_buffers at all times: mssql.maxServerMemory",
    "mssql.degreeOfParallelism": "max_parallel_workers_per_gather is a session's or a role's own setting; shards: spec.pools.data.threads",
    "mssql.tempdb": "PostgreSQL has no tempdb; temp_file_limit is a role's own setting",
    "mssql.traceflags": "PostgreSQL has none; logging is set by ALTER SYSTEM or per role",
}
"""Keys of Big Data Clusters that mean nothing here, and what does."""


@dataclass(frozen=True)
class Setting:
    """``pending``: the value that ``apply`` would bring, None where none is pending."""

    name: str
    value: Any
    default: Any
    pending: Any = None

    @property
    def configured(self) -> bool:
        """Not the default's value."""
        return bool(self.value != self.default)


class Settings:
    """Of one cluster; pending ones lie in the store."""

    def __init__(self, store: Store, planner: Planner) -> None:
        self._store = store
        self._planner = planner

    def set(self, values: Mapping[str, str]) -> dict[str, str]:
        """Have them pending, all or none; all that are pending now, path → text. RequestError names an unknown key and what is near it,
        SpecError a value that the spec does not take."""
        found: dict[str, str] = {}
        text = self._text(self.pending())
        for key, value in values.items():
            path, written = _resolved(key, value, load_spec(text))
            text = set_value(text, path, written, "the settings")
            found[path] = written

        def change(before: Any) -> Any:  # noqa: ANN401 (what the document holds)
            return {**(before or {}), **found}

        return dict(self._store.update(FILE, change))

    def pending(self) -> dict[str, str]:
        """Path → text, as it would be written into the spec."""
        content = self._store.read(FILE)
        return {str(path): str(text) for path, text in content.items()} if isinstance(content, dict) else {}

    def revert(self) -> dict[str, str]:
        """Forget what is pending; what it was."""
        before = self.pending()
        self._store.write(FILE, {})
        return before

    def show(self) -> list[Setting]:
        """All fields of the spec."""
        spec = self._planner.current()
        then = load_spec(self._text(self.pending()))
        default = ClusterSpec.model_validate({"apiVersion": spec.api_version, "kind": spec.kind, "metadata": {"name": spec.name}})
        return [
            Setting(path, value, _at(default, path), _at(then, path) if _at(then, path) != value else None)
            for path, value in _leaves("spec", spec.model_dump(mode="json", by_alias=True)["spec"])
        ]

    def applied_text(self) -> str:
        """The spec with all that is pending. RequestError where nothing is."""
        pending = self.pending()
        if not pending:
            raise RequestError("no setting is pending", where="settings", hint="bdc settings set KEY=VALUE")
        return self._text(pending)

    def _text(self, pending: Mapping[str, str]) -> str:
        text = self._planner.text()
        for path, value in pending.items():
            text = set_value(text, path, value, "the settings")
        return text


def _resolved(key: str, value: str, spec: ClusterSpec) -> tuple[str, str]:
    """The path and the text to write there."""
    if key in ORIGINAL:
        return ORIGINAL[key], _megabytes(value) if key.endswith("emory") else value
    if key.startswith(CONF_KEY):
        conf = {**get_value(spec, CONF), key.removeprefix(CONF_KEY): value}
        return CONF, json.dumps(conf)
    for known, why in NOTHING_HERE.items():
        if key == known or key.startswith(known + "."):
            raise RequestError(f"{key} means nothing here: {why}", where=key, hint="bdc settings show --all lists what there is")
    path = ".".join(parse_path(key if key.startswith(("spec.", "$.")) else f"spec.{key}"))
    if path not in (known_paths := [name for name, _ in _leaves("spec", spec.model_dump(mode="json", by_alias=True)["spec"])]):
        raise RequestError(f"there is no setting {key[:200]!r}", where=key[:200], hint=_near(key, known_paths))
    return path, value


def _megabytes(value: str) -> str:
    """Spark writes 2g and 512m."""
    unit = {"m": 1, "g": 1024}.get(value[-1:].lower())
    return str(int(value[:-1]) * unit) if unit and value[:-1].isdigit() else value


def _near(key: str, known: list[str]) -> str:
    """By the whole path, or by its last word."""
    names = [*known, *ORIGINAL]
    lowered = {name.lower(): name for name in names} | {name.lower().removeprefix("spec."): name for name in known}
    near = difflib.get_close_matches(key.lower(), lowered, n=1, cutoff=0.75)
    if near:
        return f"did you mean {lowered[near[0]]!r}?"
    last = key.rsplit(".", 1)[-1].lower()
    ends = {name.rsplit(".", 1)[-1].lower(): name for name in names}
    near = difflib.get_close_matches(last, ends, n=1, cutoff=0.75)
    return f"did you mean {ends[near[0]]!r}?" if near else "bdc settings show --all lists what there is"


def _at(spec: ClusterSpec, path: str) -> Any:  # noqa: ANN401 (a value of the spec)
    return get_value(spec, path)


def _leaves(path: str, value: Any) -> list[tuple[str, Any]]:  # noqa: ANN401 (a value of the spec)
    if isinstance(value, dict) and value and path != CONF:
        return [leaf for key, inner in value.items() for leaf in _leaves(f"{path}.{key}", inner)]
    return [(path, value)]
