"""Connectors in use: built on first need, one per definition of a source, closed when the definition changes or is gone."""

from __future__ import annotations

import importlib
import threading
from collections.abc import Callable, Collection, Mapping

from virtualization.catalog import DataSource
from virtualization.connectors import CONNECTORS
from virtualization.errors import DefinitionError
from virtualization.plan import Connector

Factory = Callable[[DataSource], Connector]


def factory(name: str) -> Factory:
    """The class of a registered connector; DefinitionError for an unknown name or a driver that is not installed."""
    entry = CONNECTORS.get(name)
    if entry is None:
        raise DefinitionError(f'connector "{name}" does not exist', hint=f"Connectors: {', '.join(sorted(CONNECTORS))}.")
    module, _, attribute = entry[0].partition(":")
    try:
        made: Factory = getattr(importlib.import_module(module), attribute)
    except ImportError as error:
        raise DefinitionError(
            f'connector "{name}" needs a module that is not installed: {error.name}',
            hint=f"Install the extra [{entry[1]}]." if entry[1] else "Install the cluster distribution with its requirements.",
        ) from error
    return made


class Connections:
    """Thread-safe. A source is known by its name and the identity part of its version (all before the last ``/``), so that sources
    of several databases may share a name."""

    def __init__(self, factories: Mapping[str, Factory] | None = None) -> None:
        self._factories = dict(factories or {})
        self._lock = threading.Lock()
        self._open: dict[tuple[str, str], tuple[DataSource, Connector]] = {}

    def connector(self, source: DataSource) -> Connector:
        """The connector of exactly this definition; an older definition's is closed (what it runs finishes first)."""
        key = (source.name, source.version.rpartition("/")[0])
        replaced: Connector | None = None
        with self._lock:
            known = self._open.get(key)
            if known is not None and known[0] == source:
                return known[1]
            made = self._factory(source.connector)(source)
            self._open[key] = (source, made)
            replaced = known[1] if known is not None else None
        if replaced is not None:
            replaced.close()
        return made

    def retain(self, sources: Collection[DataSource]) -> None:
        """Close what stands for none of these definitions any more (what it runs finishes first): a source that was dropped must not
        keep sessions. Versions don't count, so a source that is asked for before its definition is committed stays open after it."""
        wanted = {_definition(source) for source in sources}
        with self._lock:
            gone = [key for key, (source, _) in self._open.items() if _definition(source) not in wanted]
            connectors = [self._open.pop(key)[1] for key in gone]
        for connector in connectors:
            connector.close()

    def close(self) -> None:
        """Close all."""
        with self._lock:
            connectors, self._open = [connector for _, connector in self._open.values()], {}
        for connector in connectors:
            connector.close()

    def _factory(self, name: str) -> Factory:
        return self._factories.get(name) or factory(name)


def _definition(source: DataSource) -> tuple[object, ...]:
    return (source.name, source.connector, source.location, tuple(sorted(source.options.items())), source.credential)
