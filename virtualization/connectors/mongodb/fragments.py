"""A pipeline for a MongoDB source, ready to run."""

from __future__ import annotations

from dataclasses import dataclass, field

import bson.json_util

from virtualization.connectors.mongodb.client import Client
from virtualization.connectors.mongodb.parallel import connections, in_ranges, reads_all
from virtualization.connectors.mongodb.pipelines import Pipeline
from virtualization.fragments import RowsThroughOpen
from virtualization.plan import Batches, OutputColumn, QueryContext

_JSON = bson.json_util.JSONOptions(json_mode=bson.json_util.JSONMode.RELAXED)


@dataclass(frozen=True)
class PipelineFragment(RowsThroughOpen):
    """See ``virtualization.plan.Fragment``."""

    source: str
    columns: tuple[OutputColumn, ...]
    text: str
    tables: tuple[tuple[str, str], ...]
    pipeline: Pipeline = field(repr=False)
    client: Client = field(repr=False, compare=False)

    def open(self, context: QueryContext) -> Batches:
        """One cursor in a session of its own, batches as they come; several for a big collection."""
        return in_ranges(self.client, self.pipeline, context)

    def ranges(self) -> str | None:
        """See ``virtualization.plan.ReadInRanges``."""
        if not reads_all(self.pipeline) or connections(self.client) == 1:
            return None
        return (
            f"ranges of _id over up to {connections(self.client)} connections, of at least {self.client.settings.scan_documents} documents"
        )


def fragment(client: Client, pipeline: Pipeline, tables: tuple[tuple[str, str], ...]) -> PipelineFragment:
    """Of a pipeline."""
    columns = tuple(OutputColumn(output.name, output.kind.of.text) for output in pipeline.outputs)
    shown = bson.json_util.dumps(list(pipeline.stages), json_options=_JSON, ensure_ascii=False)
    text = f"db.{pipeline.collection}.aggregate({shown})"
    return PipelineFragment(client.settings.source, columns, text, tables, pipeline, client)
