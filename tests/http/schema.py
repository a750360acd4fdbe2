"""Checks a JSON value against an OpenAPI schema, with exactly its keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

Schema = dict[str, Any]

_TYPES: dict[str, tuple[type, ...]] = {
    "integer": (int,),
    "number": (int, float),
    "string": (str,),
    "boolean": (bool,),
    "null": (type(None),),
    "array": (list,),
    "object": (dict,),
}
_UNDERSTOOD = {
    *("$ref", "anyOf", "oneOf", "type", "enum", "const", "properties", "required", "items"),
    *("additionalProperties", "propertyNames", "title", "description", "default", "format"),
}


def operations(document: Schema) -> Iterator[tuple[str, Schema]]:
    """Every GET of the document; there must be nothing else."""
    assert len(document["paths"]) > 10
    for path, methods in document["paths"].items():
        assert list(methods) == ["get"]
        yield path, methods["get"]


def resolve(schema: Schema, document: Schema) -> Schema:
    """The schema itself, if this one is only a reference to it."""
    while "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return schema


def response_schema(document: Schema, path: str, status: int) -> Schema:
    """The schema of the answer of this path with this status, from the document."""
    content = document["paths"][path]["get"]["responses"][str(status)]["content"]
    media = content["application/json"] if "application/json" in content else next(iter(content.values()))
    schema: Schema = media["schema"]
    return schema


def faults(value: Any, schema: Schema, document: Schema, place: str = "$") -> Iterator[str]:
    """Every difference between the value and the schema, with its place."""
    schema = resolve(schema, document)
    assert schema.keys() <= _UNDERSTOOD, f"{place}: {sorted(schema.keys() - _UNDERSTOOD)} is not understood"
    yield from _faults_of_options(value, schema, document, place)
    if "enum" in schema and value not in schema["enum"]:
        yield f"{place}: {value!r} is not one of {schema['enum']}"
    if "const" in schema and (value != schema["const"] or type(value) is not type(schema["const"])):
        yield f"{place}: {value!r} is not {schema['const']!r}"
    if "type" in schema:
        is_bool_for_number = isinstance(value, bool) and schema["type"] != "boolean"
        if is_bool_for_number or not isinstance(value, _TYPES[schema["type"]]):
            yield f"{place}: {value!r} is no {schema['type']}"
            return
    if schema.get("type") == "object":
        yield from _faults_of_object(value, schema, document, place)
    if schema.get("type") == "array":
        for index, item in enumerate(value):
            yield from faults(item, schema["items"], document, f"{place}[{index}]")


def _faults_of_options(value: Any, schema: Schema, document: Schema, place: str) -> Iterator[str]:
    for kind in ("anyOf", "oneOf"):
        options = [list(faults(value, option, document, place)) for option in schema.get(kind, ())]
        fitting = options.count([])
        if options and (fitting == 0 or (kind == "oneOf" and fitting > 1)):
            yield f"{place}: {value!r} fits {fitting} of {len(options)}: {options}"


def _faults_of_object(value: Schema, schema: Schema, document: Schema, place: str) -> Iterator[str]:
    known = schema.get("properties", {})
    for name in schema.get("required", []):
        if name not in value:
            yield f"{place}.{name} is missing"
    for name, item in value.items():
        if name in known:
            yield from faults(item, known[name], document, f"{place}.{name}")
        elif "additionalProperties" in schema:
            yield from faults(item, schema["additionalProperties"], document, f"{place}.{name}")
            yield from faults(name, schema.get("propertyNames", {}), document, f"{place}.{name}")
        else:
            yield f"{place}.{name} is not in the document"
