"""What each service says of its HTTP API: whole, and true of who may ask."""

from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from deploy.cards import cards
from deploy.generated import openapi
from shared.service import Service

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
        assert reference.removeprefix("#/components/schemas/") in schemas
    for schema in schemas.values():
        Draft202012Validator.check_schema(schema)


@every_api
def test_every_operation_says_who_may_ask_and_how_it_refuses(service: Service) -> None:
    """A problem for each refusal; a token wherever the route asks for one."""
    for path, operations in openapi(service)["paths"].items():
        for operation in operations.values():
            assert bool(operation.get("security")) != ((service.name, path) in OPEN), path
            needed = {"422", "429", "503"} | (
                {"401", "403"} if operation.get("security") else set()
            )
            assert needed <= operation["responses"].keys(), path
            for code, answer in operation["responses"].items():
                if code.startswith(("4", "5")):
                    assert list(answer["content"]) == ["application/problem+json"], path
