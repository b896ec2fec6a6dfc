"""Answers held against the OpenAPI document of the service that gave them."""

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import aiohttp
from jsonschema import Draft202012Validator, FormatChecker
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

DOCUMENTS = Path(__file__).parents[1] / "docs" / "openapi"
PROBLEM = "application/problem+json"
JSON = re.compile(r"application/(?:[\w.-]+\+)?json")
NOT_TOLD = frozenset({"date", "server", "content-type", "content-length", "www-authenticate",
                      "connection", "transfer-encoding"})  # fmt: skip
"""Headers of HTTP itself, which no operation describes."""


class Described:
    """A service's document; its schemas are read closed: what they do not name is a fault."""

    def __init__(self, service: str) -> None:
        written = (DOCUMENTS / f"{service}.json").read_text()
        self.document = json.loads(written)
        closed = json.loads(written)["components"]["schemas"]
        for schema in closed.values():
            _close(schema)
        for operations in self.document["paths"].values():
            for told in operations.values():
                told["responses"] = {
                    status: self._found(answer) for status, answer in told["responses"].items()
                }
        held = {"components": {"schemas": closed}}
        self._registry: Registry[Any] = Registry().with_resource(
            "urn:api", Resource(held, DRAFT202012)
        )
        self._paths = sorted(self.document["paths"], key=_place)

    def operation(self, method: str, path: str) -> Mapping[str, Any] | None:
        """The operation that *method* on *path* is; None for what the document does not tell."""
        for told in self._paths:
            operation: Mapping[str, Any] | None = self.document["paths"][told].get(method.lower())
            if operation is not None and _pattern(told).fullmatch(path):
                return operation
        return None

    def faults(
        self, operation: Mapping[str, Any], status: int, headers: Mapping[str, str], body: bytes
    ) -> Iterator[str]:
        """What of an answer is not as described: its status, kind, headers, code or body."""
        answer = operation["responses"].get(str(status))
        if answer is None:
            yield f"{status} is not described"
            return
        kind = headers.get("content-type", "").partition(";")[0]
        content = answer.get("content", {})
        if body and kind not in content:
            yield f"{status} as {kind!r} is not described"
            return
        told = {name.lower() for name in answer.get("headers", {})} | NOT_TOLD
        for name in headers:
            if name.lower() not in told:
                yield f"{status}: header {name} is not described"
        if not JSON.fullmatch(kind) or not body:
            return
        value = json.loads(body)
        for error in self.validator(content[kind]["schema"]).iter_errors(value):
            yield f"{status} at {error.json_path}: {error.message[:300]}"
        if kind == PROBLEM and "verdict" not in value:  # a rejection's is that of its reason
            codes = content[kind]["examples"]
            if value.get("code") not in {*codes, "not_found"}:  # the address of no route at all
                yield f"{status} with the code {value.get('code')!r} is not among {[*codes]}"

    def _found(self, answer: Any) -> Any:
        """The *answer*, or what it refers to."""
        if "$ref" not in answer:
            return answer
        return self.document["components"]["responses"][answer["$ref"].rpartition("/")[2]]

    def validator(self, schema: Any) -> Draft202012Validator:
        """What holds a value against *schema*, a part of the document."""
        rooted = json.loads(json.dumps(schema).replace('"#/', '"urn:api#/'))
        return Draft202012Validator(rooted, registry=self._registry, format_checker=FormatChecker())


@cache
def described(service: str) -> Described:
    """The document of *service*."""
    return Described(service)


async def as_described(service: str, answer: aiohttp.ClientResponse) -> bytes:
    """The body of *answer* of *service*; fails where it departs from what its document says."""
    body = await answer.read()
    held, asked, path = described(service), answer.method, answer.url.raw_path
    if (operation := held.operation(asked, path)) is not None:
        found = held.faults(operation, answer.status, answer.headers, body)
        told = "\n".join(dict.fromkeys(found))
        assert not told, f"{service} {asked} {path} is not as its document says:\n{told}"
    return body


def _close(schema: Any) -> None:
    if isinstance(schema, dict):
        if "properties" in schema:
            schema.setdefault("additionalProperties", False)
        for value in schema.values():
            _close(value)
    elif isinstance(schema, list):
        for value in schema:
            _close(value)


@cache
def _pattern(told: str) -> re.Pattern[str]:
    parts = re.split(r"(\{[^}]*\})", told)
    known = {"{external_id}": ".+"}  # the reporter's own, with whatever is in it
    return re.compile(
        "".join(known.get(one, "[^/]+") if one.startswith("{") else re.escape(one) for one in parts)
    )


def _place(told: str) -> tuple[int, str]:
    return told.count("{"), told
