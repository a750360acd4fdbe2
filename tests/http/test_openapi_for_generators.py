"""The OpenAPI document has nothing that client generators cannot handle.

tests/clients/ runs some generators. These tests check what others are known to need.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from agent.simulation import Simulation
from tests.http.schema import operations
from tests.support import loopback
from tests.support.agents import agent_server
from tests.support.endpoints import OPEN, STREAM

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.http.schema import Schema


@pytest.fixture(scope="module")
def document() -> Schema:
    """The document as a client gets it."""
    with Simulation(gpus=1), agent_server() as url:
        document: Schema = loopback.get(f"{url}/openapi.json").json()
    return document


def schemas_in(schema: Any) -> Iterator[Schema]:
    """This schema and all schemas inside it."""
    yield schema
    for inner in (*schema.get("properties", {}).values(), *schema.get("anyOf", ()), *schema.get("oneOf", ())):
        yield from schemas_in(inner)
    for name in ("items", "additionalProperties"):
        if isinstance(schema.get(name), dict):
            yield from schemas_in(schema[name])


def every_schema(document: Schema) -> Iterator[Schema]:
    """All schemas of components, parameters and answers."""
    for schema in document["components"]["schemas"].values():
        yield from schemas_in(schema)
    for _, operation in operations(document):
        for parameter in operation.get("parameters", []):
            yield from schemas_in(parameter["schema"])
        for response in operation["responses"].values():
            for media in response.get("content", {}).values():
                yield from schemas_in(media["schema"])


def test_a_field_has_its_default_and_never_null_as_default(document: Schema) -> None:
    """Null as default would say that a field which may be left out may also be null."""
    assert [schema for schema in every_schema(document) if schema.get("default", 0) is None] == []
    columns = document["components"]["schemas"]["DeviceHistory"]["properties"]
    assert columns["fan_speed_percent"]["default"] == []


def test_components_are_sorted(document: Schema) -> None:
    schemas = list(document["components"]["schemas"])
    assert schemas == sorted(schemas)


def test_names_of_components_are_valid_in_every_language(document: Schema) -> None:
    for kind, components in document["components"].items():
        assert components
        for name in components:
            assert re.fullmatch("[A-Z][A-Za-z0-9]*", name), f"{kind}: {name}"
        assert len({name.lower() for name in components}) == len(components)


def test_a_name_made_of_a_component_and_its_field_is_unique(document: Schema) -> None:
    """Generators make such a name for the type of a field: GpuFan and speed, or Gpu and fan_speed."""
    components = document["components"]["schemas"]
    made = [
        f"{name}{field}".replace("_", "").lower()
        for name, schema in components.items()
        for field, described in schema.get("properties", {}).items()
        if "$ref" not in described
    ]
    names = Counter([*made, *(name.lower() for name in components)])
    assert [name for name, times in names.items() if times > 1] == []


def test_every_operation_says_which_credential_it_needs(document: Schema) -> None:
    """An empty list means that none is required."""
    for path, operation in operations(document):
        assert (operation["security"] == []) == (path in OPEN), path


def test_operations_are_named_after_their_paths(document: Schema) -> None:
    named = {path: operation["operationId"] for path, operation in operations(document)}
    assert named == {path: "get_" + path[1:].replace("/", "_") for path in named}
    assert named[STREAM] == "get_gpu_stream"


def test_each_operation_has_one_tag_that_is_explained(document: Schema) -> None:
    explained = {tag["name"] for tag in document["tags"] if tag["description"]}
    used = [operation["tags"] for _, operation in operations(document)]
    assert {len(tags) for tags in used} == {1}
    assert {tag for (tag,) in used} == explained


def test_licence_and_contact_are_reported(document: Schema) -> None:
    assert document["info"]["license"]["name"] == "Apache 2.0"
    assert document["info"]["contact"]["url"].startswith("https://")


def test_no_schema_has_a_title_or_a_constant(document: Schema) -> None:
    """A title becomes a class name, which may be that of a component. Few generators support constants."""
    keys = set().union(*every_schema(document))
    assert keys & {"title", "const", "prefixItems", "patternProperties", "if", "not", "allOf"} == set()


def test_every_number_has_a_format_with_its_width(document: Schema) -> None:
    """Otherwise many generators use 32 bits, which are too few for bytes or milliseconds."""
    widths = {"integer": "int64", "number": "double"}
    for schema in every_schema(document):
        if schema.get("type") in widths and "enum" not in schema:
            assert schema["format"] == widths[schema["type"]], schema


def test_null_is_the_only_alternative_to_a_type(document: Schema) -> None:
    """All generators support this. Other alternatives exclude each other and are named components."""
    components = document["components"]["schemas"]
    for schema in every_schema(document):
        options = schema.get("anyOf", [{}, {"type": "null"}])
        assert (len(options), options[-1]) == (2, {"type": "null"}), schema
        assert "oneOf" not in schema or schema in components.values(), schema


def test_values_that_may_be_n_a_have_their_own_types(document: Schema) -> None:
    components = document["components"]["schemas"]
    not_available = {"type": "string", "enum": ["N/A"]}
    known = {
        "IntegerOrNA": {"type": "integer", "format": "int64"},
        "NumberOrNA": {"type": "number", "format": "double"},
        "VerdictOrNA": {"$ref": "#/components/schemas/Verdict"},
    }
    assert {name: [schema, not_available] for name, schema in known.items()} == {
        name: components[name]["oneOf"] for name in known
    }
    inline = [schema for schema in every_schema(document) if schema == not_available]
    assert len(inline) == len(known)


def test_an_optional_field_is_never_null(document: Schema) -> None:
    """The exception is a field whose default is documented."""
    for schema in every_schema(document):
        for name in schema.get("properties", {}).keys() - set(schema.get("required", ())):
            field = schema["properties"][name]
            assert "anyOf" not in field or "default" in field, name


def test_the_events_of_the_stream_have_a_named_schema(document: Schema) -> None:
    content = document["paths"][STREAM]["get"]["responses"]["200"]["content"]
    assert content == {"text/event-stream": {"schema": {"$ref": "#/components/schemas/StreamEvent"}}}
