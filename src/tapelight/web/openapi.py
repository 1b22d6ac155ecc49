"""The OpenAPI 3.1 document, made from the table of endpoints."""

from collections.abc import Iterator, Sequence
from http import HTTPStatus

import msgspec

from tapelight.ports import Json
from tapelight.web.endpoints import Endpoint, Param
from tapelight.web.problems import MEDIA_TYPE, Problem

REFERENCE = "#/components/schemas/{name}"


def document(endpoints: Sequence[Endpoint], version: str) -> Json:
    """Return the document that describes `endpoints`."""
    types = [e.answer for e in endpoints if not isinstance(e.answer, str)]
    bodies = [e.body for e in endpoints if e.body is not None]
    (_, *schemas), components = msgspec.json.schema_components(
        [Problem, *types, *bodies], ref_template=REFERENCE
    )
    waiting, brought = iter(schemas[: len(types)]), iter(schemas[len(types) :])
    paths: dict[str, Json] = {}
    for endpoint in endpoints:
        operation = _operation(endpoint, _content(endpoint, waiting))
        if endpoint.body is not None:
            content = {"application/json": {"schema": next(brought)}}
            operation["requestBody"] = {"required": True, "content": content}
        path = endpoint.path.replace(":path}", "}")
        paths.setdefault(path, {})[endpoint.method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Tapelight",
            "version": version,
            "description": "The market as one live table. The stream of changes is at /ws.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {"schemas": components},
    }


def _content(endpoint: Endpoint, schemas: Iterator[Json]) -> Json:
    if isinstance(endpoint.answer, str):
        return {endpoint.answer: {"schema": {"type": "string"}}}
    return {"application/json": {"schema": next(schemas)}}


def _operation(endpoint: Endpoint, content: Json) -> Json:
    failures = {str(status): _failure(status) for status in (*endpoint.errors, 500)}
    if endpoint.path == "/health":
        failures["503"] = {"description": "Not live; `reason` says why.", "content": content}
    return {
        "operationId": _prefix(endpoint)
        + endpoint.path.strip("/").replace("/", "_").translate(_PLAIN),
        "summary": endpoint.summary,
        "parameters": [_parameter(param) for param in endpoint.params],
        "responses": {"200": {"description": "The answer.", "content": content}, **failures},
    }


def _prefix(endpoint: Endpoint) -> str:
    return "" if endpoint.method == "GET" else f"{endpoint.method.lower()}_"


_PLAIN = str.maketrans({"{": None, "}": None, ":": "_", ".": "_", "-": "_"})


def _failure(status: int) -> Json:
    schema = {"$ref": REFERENCE.format(name=Problem.__name__)}
    return {
        "description": HTTPStatus(status).phrase,
        "content": {MEDIA_TYPE: {"schema": schema}},
    }


def _parameter(param: Param) -> Json:
    schema: dict[str, Json] = {"type": "integer" if param.kind is int else "string"}
    if param.kind is int:
        schema |= {"minimum": param.least, "maximum": param.most}
    elif not param.choices:
        schema["maxLength"] = param.most
    if param.choices:
        schema["enum"] = list(param.choices)
    if param.default is not None:
        schema["default"] = param.default
    return {
        "name": param.name,
        "in": param.place,
        "required": param.place == "path",
        "description": param.doc,
        "schema": schema,
    }
