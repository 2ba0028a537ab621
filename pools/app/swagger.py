"""An app's OpenAPI 3.1 document, made from its spec."""

from __future__ import annotations

from typing import Any

from apps.runtimes import RUNTIMES
from apps.spec import AppSpec
from apps.types import TYPES
from pools.app.tensors import DATATYPES

ERROR = {
    "type": "object",
    "properties": {
        "success": {"const": False},
        "errorMessage": {"type": "string"},
        "error": {"type": "object", "properties": {name: {"type": ["string", "null"]} for name in ("code", "message", "where", "hint")}},
        "request_id": {"type": "string"},
    },
}
WORDS = {
    "401": "no token, or one that is not valid",
    "403": "the role app-reader is missing",
    "404": "no such app",
    "413": "the body is too large",
    "422": "an input is missing, unknown or of another type; `error.where` names it",
    "500": "the app failed",
    "503": "it is not ready, or too many calls wait",
    "504": "the call took too long",
}


def document(spec: AppSpec, base: str, number: str) -> dict[str, Any]:
    """``base``: the proxy's address; ``number``: by which the version is called, its own or ``live``."""
    answer = {
        "type": "object",
        "properties": {
            "success": {"const": True},
            "errorMessage": {"const": ""},
            "outputParameters": _object(spec.outputs),
            "outputFiles": {"type": "object"},
            "consoleOutput": {"type": "string"},
            "changedFiles": {"type": "array", "items": {"type": "string"}},
        },
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": spec.name, "version": spec.version},
        "servers": [{"url": base}],
        "components": {"securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}}},
        "security": [{"bearer": []}],
        "paths": {
            f"/api/app/{spec.name}/{number}/run": {
                "post": {
                    "operationId": "run",
                    "summary": f"Run {spec.name} {spec.version}",
                    "requestBody": {"required": True, "content": {"application/json": {"schema": _object(spec.inputs)}}},
                    "responses": {
                        "200": {"description": "its outputs", "content": {"application/json": {"schema": answer}}},
                        **{
                            status: {"description": words, "content": {"application/json": {"schema": ERROR}}}
                            for status, words in WORDS.items()
                        },
                    },
                }
            },
            **(_inference(spec, number) if RUNTIMES[spec.runtime].model else {}),
        },
    }


def _inference(spec: AppSpec, number: str) -> dict[str, Any]:
    """The Open Inference Protocol v2, of models. Its other paths are as the protocol has them."""
    tensor = {"name": {"type": "string"}, "shape": {"type": "array", "items": {"type": "integer"}}, "datatype": {"enum": list(DATATYPES)}}
    tensors = {
        "type": "array",
        "items": {"type": "object", "properties": {**tensor, "data": {"type": "array"}}, "required": [*tensor, "data"]},
    }
    named = {"type": "array", "items": {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}}
    request = {"type": "object", "properties": {"id": {"type": "string"}, "inputs": tensors, "outputs": named}, "required": ["inputs"]}
    names = {name: {"type": "string"} for name in ("model_name", "model_version", "id")}
    error = {"type": "object", "properties": {"error": {"type": "string"}}}
    path = f"/api/app/{spec.name}/{number}/v2/models/{spec.name}"
    return {
        path: {"get": {"operationId": "metadata", "summary": "Its tensors", "responses": {"200": {"description": "names, types, shapes"}}}},
        f"{path}/infer": {
            "post": {
                "operationId": "infer",
                "summary": f"Run {spec.name} {spec.version} for many rows (Open Inference Protocol v2)",
                "requestBody": {"required": True, "content": {"application/json": {"schema": request}}},
                "responses": {
                    "200": _said("its outputs", {"type": "object", "properties": {**names, "outputs": tensors}}),
                    **{
                        status: _said(words, error)
                        for status, words in {"400": "its tensors are not the model's", **WORDS}.items()
                        if status != "422"
                    },
                },
            }
        },
    }


def _said(words: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": words, "content": {"application/json": {"schema": schema}}}


def _object(kinds: Any) -> dict[str, Any]:  # noqa: ANN401 (a mapping of names to types)
    return {
        "type": "object",
        "properties": {name: dict(TYPES[kind].schema) for name, kind in kinds.items()},
        "required": list(kinds),
        "additionalProperties": False,
    }
