"""The apps that queries call: found at the proxy for each query, with the user's right; run here where they are models."""

from __future__ import annotations

import hashlib
import importlib.util
import pathlib
import re
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa

from pools.compute.errors import StatementError
from pools.compute.scoring.columns import ARROW, POSTGRESQL, as_json, checked, from_json, refuse_inputs
from pools.compute.scoring.process import MODEL, ModelProcess, Place, StartingError, empty
from pools.compute.scoring.proxy import AFTER_SECONDS, App, AppProxy, Asking
from virtualization.errors import CancelledError
from virtualization.plan import QueryContext
from virtualization.predictions import Call, Columns, Model

LIVE = "live"
KEPT = 500
"""Apps of which a plan may still speak."""
PROCESSES = 4
"""Models that stay loaded; the one used longest ago goes first."""
BATCH_ROWS = 1000
"""Of one request to the proxy; how many it answers, it says itself."""
BATCH_BYTES = 4 * 2**20
DISABLED_HINT = "spec.pools.app.enabled: true in the cluster's spec, then bdc apply; on Kubernetes call apps by REST."
Score = Callable[[pa.RecordBatch], Mapping[str, "pa.Array[Any]"]]

_NAME = re.compile(r"([a-z0-9](?:[a-z0-9.-]{0,38}[a-z0-9])?)(?:@([a-z0-9](?:[a-z0-9.-]{0,38}[a-z0-9])?))?(?:#(.{1,60}))?")


@dataclass(frozen=True)
class Name:
    """``house``, ``house@v1``, ``house@v1#output``."""

    app: str
    version: str
    output: str | None

    @classmethod
    def parse(cls, text: str) -> Name:
        """StatementError 22023."""
        match = _NAME.fullmatch(text)
        if match is None:
            raise StatementError(
                "22023", f"{text[:60]!r} is no app's name", hint="'house@v1', or 'house' for the live version; bdc app list."
            )
        return cls(match[1], match[2] or LIVE, match[3])


class Apps:
    """``proxy``: None where the cluster has none, or none that can be reached. ``folder``: for models; thread-safe, blocks."""

    def __init__(self, proxy: AppProxy | None, folder: pathlib.Path | None = None, threads: int = 1) -> None:
        self._proxy = proxy
        self._folder = folder
        self._threads = threads
        self._lock = threading.Lock()
        self._known: OrderedDict[str, tuple[App, Model, str]] = OrderedDict()
        self._processes: OrderedDict[str, ModelProcess] = OrderedDict()
        self._elsewhere: dict[str, str] = {}
        """Models that can't be run here, and why."""

    # What the session asks

    def find(self, name: Name, user: str) -> App:
        """The version as it is now. StatementError: no app pool, unknown, not ready, proxy away, inputs that SQL has not."""
        app = self._reached().describe(name.app, name.version, user)
        refuse_inputs(app.label, app.inputs)
        return app

    def model_for(self, text: str, user: str) -> Model:
        """What ``predict(text, …)`` calls. StatementError."""
        name = Name.parse(text)
        app = self.find(name, user)
        output = self._output(app, name.output)
        content = app.model if app.model is not None else app.digest
        shape = repr((app.inputs, app.outputs, app.timeout, app.memory_mb))
        identity = hashlib.sha256(f"{content} {shape}".encode()).hexdigest()[:12]
        label = app.label if name.output is None else f"{app.label}#{output}"
        model = Model(
            key=f"{label}:{output}:{identity}".replace("'", ""),
            label=label,
            inputs=tuple((input_name, POSTGRESQL[kind]) for input_name, kind in app.inputs.items()),
            output=POSTGRESQL[app.outputs[output]],
            place=self.place(app),
        )
        with self._lock:
            self._known[model.key] = (app, model, output)
            self._known.move_to_end(model.key)
            while len(self._known) > KEPT:
                self._known.popitem(last=False)
        return model

    def place(self, app: App) -> str:
        """Where it runs, in a sentence."""
        why = self._not_here(app)
        if why is None:
            return f"it runs in the compute pool, in batches: model {str(app.model)[:12]} in a process of its own"
        return f"it asks the app proxy, in batches: {why}"

    @staticmethod
    def _output(app: App, wanted: str | None) -> str:
        outputs = list(app.outputs)
        if wanted is None and len(outputs) != 1:
            raise StatementError(
                "22023",
                f"{app.label} has {len(outputs)} outputs",
                hint=f"Name one: {', '.join(f'{app.label}#{name}' for name in outputs)}; bdc.score gives all of them.",
            )
        if wanted is not None and wanted not in app.outputs:
            raise StatementError("22023", f"{app.label} has no output {wanted!r}", hint=f"It has {', '.join(outputs)}.")
        return wanted or outputs[0]

    # What the executor asks: see ``virtualization.predictions.Models``

    def model(self, key: str) -> Model | None:
        """See there."""
        with self._lock:
            found = self._known.get(key)
        return None if found is None else found[1]

    def call(self, key: str, context: QueryContext) -> Call:
        """See there."""
        with self._lock:
            found = self._known.get(key)
        if found is None:
            raise StatementError("40001", "the app that predict calls is not known any more", hint="Run the query again.")
        app, _, output = found
        score = self.scoring(app, context)

        def called(columns: Columns) -> pa.Array[Any]:
            return score(checked(app.label, app.inputs, columns))[output]

        return called

    def scoring(self, app: App, context: QueryContext) -> Score:
        """How the rows of one query go through it."""
        if self._not_here(app) is None:
            try:
                process = self._process(app, context.user or "")
                process.start()
            except StartingError as error:
                self._elsewhere[str(app.model)] = str(error)
            else:
                return lambda batch: process.score(batch) if batch.num_rows else empty(app)
        return _ByProxy(self._reached(), app, context)

    def _not_here(self, app: App) -> str | None:
        if app.model is None:
            return f"its runtime is {app.runtime}"
        if app.model in self._elsewhere:
            return self._elsewhere[app.model]
        if importlib.util.find_spec("onnxruntime") is None:
            return "onnxruntime is not installed in the compute pool (pip install 'openbdc-cluster[onnx]')"
        return None

    def _process(self, app: App, user: str) -> ModelProcess:
        # what the model is, and all that its process is told of it
        key = repr((app.model, app.inputs, app.outputs, app.timeout, app.memory_mb))
        with self._lock:
            known = self._processes.get(key)
            if known is not None:
                self._processes.move_to_end(key)
                return known
        content = self._reached().model(app, user)
        folder = pathlib.Path(tempfile.mkdtemp(prefix="model-", dir=self._folder))
        (folder / MODEL).write_bytes(content)
        made = ModelProcess(replace(app), Place(folder, self._threads))
        with self._lock:
            known = self._processes.setdefault(key, made)
            gone = [self._processes.popitem(last=False)[1] for _ in range(max(0, len(self._processes) - PROCESSES))]
        for one in gone if known is made else [*gone, made]:
            one.close()
        return known

    def _reached(self) -> AppProxy:
        if self._proxy is None:
            raise StatementError("0A000", "this cluster has no app pool that the compute pool can call", hint=DISABLED_HINT)
        return self._proxy

    def close(self) -> None:
        """End all processes."""
        with self._lock:
            processes, self._processes = list(self._processes.values()), OrderedDict()
        for process in processes:
            process.close()


class _ByProxy:
    """Batches over HTTP, for one query; its threads take turns."""

    def __init__(self, proxy: AppProxy, app: App, context: QueryContext) -> None:
        self._proxy = proxy
        self._app = app
        self._context = context
        self._asking = Asking(proxy, app.timeout + AFTER_SECONDS)
        self._turn = threading.Lock()

    def __call__(self, batch: pa.RecordBatch) -> Mapping[str, pa.Array[Any]]:
        if not batch.num_rows:
            return empty(self._app)
        gathered: dict[str, list[Any]] = {name: [] for name in self._app.outputs}
        rows = max(1, min(BATCH_ROWS, BATCH_BYTES * batch.num_rows // max(1, batch.nbytes)))
        done = 0
        with self._turn:
            while done < batch.num_rows:
                if self._context.cancelled:
                    raise CancelledError("canceling statement due to user request")
                outputs, count = self._proxy.batch(self._asking, self._app, as_json(batch.slice(done, rows)), self._context.user or "")
                for name, values in outputs.items():
                    gathered[name] += values
                done += count
        return {name: _read(self._app, name, values) for name, values in gathered.items()}


def _read(app: App, name: str, values: list[Any]) -> pa.Array[Any]:
    made = from_json(app.outputs[name], values)
    assert made.type == ARROW[app.outputs[name]]
    return made
