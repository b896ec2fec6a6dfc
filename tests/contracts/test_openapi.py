"""What each service says of its HTTP API: whole, and true of who may ask."""

from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from deploy.cards import cards
from deploy.generated import openapi
from shared.contracts import HANDED
from shared.service import Service
from tests.architecture.test_routes import routes
from tests.described import described

APIS = [one for one in cards() if one.api is not None and one.name != "portal"]
OPEN = {("registry", "/tokens"), ("registry", "/keys"), ("registry", "/open/forecasts")}
every_api = pytest.mark.parametrize("service", APIS, ids=lambda one: one.name)


def references(told: Any) -> Iterator[str]:
    if isinstance(told, dict):
        if isinstance(told.get("$ref"), str):
            yield told["$ref"]
        for value in told.values():
            yield from references(value)
    elif isinstance(told, list):
        for value in told:
            yield from references(value)


@every_api
def test_every_reference_leads_somewhere_and_every_schema_is_one(service: Service) -> None:
    """OpenAPI 3.1: its schemas are JSON Schema 2020-12."""
    document = openapi(service)
    schemas = document["components"]["schemas"]

    assert document["openapi"] == "3.1.0"
    assert "$defs" not in str(document)
    for reference in references(document):
        _, _, kind, name = reference.split("/")
        assert name in document["components"][kind]
    for schema in schemas.values():
        Draft202012Validator.check_schema(schema)


@every_api
def test_every_operation_says_who_may_ask_and_how_it_refuses(service: Service) -> None:
    """A problem with its codes for each refusal; a token wherever the route asks for one."""
    document = openapi(service)
    for path, operations in document["paths"].items():
        for operation in operations.values():
            assert bool(operation.get("security")) != ((service.name, path) in OPEN), path
            needed = {"422", "429", "503"} | (
                {"401", "403"} if operation.get("security") else set()
            )
            assert needed <= operation["responses"].keys(), path
            for code, answer in operation["responses"].items():
                if code.startswith(("4", "5")):
                    told = answer
                    if "$ref" in answer:
                        name = answer["$ref"].rpartition("/")[2]
                        told = document["components"]["responses"][name]
                    assert list(told["content"]) == ["application/problem+json"], path
                    assert told["content"]["application/problem+json"]["examples"], path


def successes(service: Service) -> Iterator[tuple[str, Any]]:
    """Each operation of *service*, and the schema of each JSON answer that is no refusal."""
    for path, operations in openapi(service)["paths"].items():
        for method, operation in operations.items():
            for code, answer in operation["responses"].items():
                for kind, content in answer.get("content", {}).items():
                    if code.startswith("2") and kind.endswith("json"):
                        yield f"{method.upper()} {path} {code}", content.get("schema", {})


@every_api
def test_every_json_answer_is_typed(service: Service) -> None:
    """A new route without a body of its own in its `responses` fails here."""
    found = list(successes(service))

    assert len(found) >= 4
    for operation, schema in found:
        told = schema.get("items", schema) if schema.get("type") == "array" else schema
        for one in told.get("anyOf", [told]):
            assert "$ref" in one, operation


@every_api
def test_no_answer_is_checked_or_copied_by_its_model(service: Service) -> None:
    """Models describe; what a route returns goes out as it is, or, few and small, is one itself."""
    assert service.api is not None
    checked = {
        route.path
        for route in routes(service.api)
        if route.response_field is not None
        and "BaseModel" in str(getattr(route.response_field.field_info.annotation, "__mro__", ""))
    }

    assert checked <= {"/preferences"}


@every_api
def test_every_operation_is_found_by_tag_and_summary(service: Service) -> None:
    """One tag, and a summary that says more than its name."""
    for path, operations in openapi(service)["paths"].items():
        for operation in operations.values():
            assert len(operation.get("tags", [])) == 1, path
            assert len(operation["summary"]) > 8, path
            assert operation["description"], path


@every_api
def test_who_may_write_onto_what_was_seen_is_told_what_it_was(service: Service) -> None:
    """Where If-Match is asked for, the answers have the ETag, and 412 or 409 says it differs."""
    for path, operations in openapi(service)["paths"].items():
        for operation in operations.values():
            asked = {one["name"].lower() for one in operation.get("parameters", ())}
            if "if-match" in asked:
                assert "ETag" in operation["responses"]["200"]["headers"], path
                assert {"409", "412"} & operation["responses"].keys(), path


@every_api
def test_every_parameter_is_described(service: Service) -> None:
    """What it means, and its unit."""
    silent = [
        f"{path}: {one['name']}"
        for path, operations in openapi(service)["paths"].items()
        for operation in operations.values()
        for one in operation.get("parameters", ())
        if not (one.get("description") or one["schema"].get("description"))
    ]

    assert silent == []


def examples(service: Service) -> Iterator[tuple[str, Any, Any]]:
    """Each example of *service*'s document: where it stands, what it is of, and itself."""
    document = openapi(service)

    def within(where: str, told: Any) -> Iterator[tuple[str, Any, Any]]:
        if isinstance(told, dict):
            for one in told.get("examples", {}) if "schema" in told else ():
                value = told["examples"][one]
                if "$ref" in value:
                    value = document["components"]["examples"][one]
                yield f"{where}: {one}", told["schema"], value["value"]
            if "example" in told and "schema" in told:
                yield where, told["schema"], told["example"]
            elif "example" in told and "type" in told:
                yield where, told, told["example"]
            for one in told.get("examples", ()) if "properties" in told else ():
                yield where, told, one
            for name, value in told.items():
                yield from within(f"{where}/{name}", value)
        elif isinstance(told, list):
            for value in told:
                yield from within(where, value)

    yield from within(service.name, document)


@every_api
def test_every_example_is_true(service: Service) -> None:
    """It is as its own schema says."""
    found = list(examples(service))

    assert len(found) > 20
    for where, schema, value in found:
        faults = described(service.name).validator(schema).iter_errors(value)
        assert [one.message for one in faults] == [], where


def test_what_is_handed_in_by_the_documents_examples_would_be_taken() -> None:
    """Its contract reads the event's data, and each body of a thing under its own id."""
    (registry,) = (one for one in APIS if one.name == "registry")
    document = openapi(registry)
    event = document["components"]["schemas"]["CloudEvent"]["example"]

    contract = HANDED[event["type"].split(".")[1]]
    assert contract.name == event["type"]
    assert contract(**event["data"]).external_id == "P-1"
    for kind, name in (("project", "added"), ("forecast", "updated"), ("area", "updated")):
        told = document["paths"][f"/{kind}s/{{external_id}}"]["put"]["requestBody"]
        (example,) = told["content"]["application/json"]["schema"]["examples"]
        assert HANDED[f"{kind}-{name}"](external_id="X-1", **example).body()
