"""What a service says of its HTTP API: OpenAPI 3.1, with problems, limits and who may ask."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, Generic, TypeVar

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel, ConfigDict, Field

T = TypeVar("T")
REFERENCE = "#/components/schemas/{model}"
CLOUD_EVENT = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"
_REFERENCE_TO_EVENT = {"$ref": REFERENCE.format(model="CloudEvent")}
PROBLEM: Mapping[str, Any] = {
    "type": "object",
    "description": "RFC 9457, with a code that stays",
    "required": ["type", "title", "status", "code", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string"},
        "detail": {"type": "string"},
        "reasons": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["pointer", "code", "text"],
                "properties": {
                    "pointer": {"type": "string", "description": "RFC 6901, into the body"},
                    "code": {"type": "string"},
                    "text": {"type": "string"},
                    "value": {},
                },
            },
        },
    },
}
ALWAYS = {
    "429": ("too_many_requests", "this key asked too often; Retry-After says when to ask again"),
    "503": ("database_away", "try again in a moment"),
}
SECURED = {
    "401": ("not_known", "no token, or one that has lapsed; get a token"),
    "403": ("not_allowed", "this is not yours to see or do"),
}
BY_METHOD = {
    "put": {
        "409": ("being_handled", "the same key is being handled; ask again"),
        "412": ("changed_meanwhile", "the ETag does not hold any more; the answer has today's"),
        "413": ("body_too_large", "send less at once"),
    },
    "post": {
        "409": ("being_handled", "it clashes with what is there, or is being handled"),
        "413": ("body_too_large", "send less at once"),
    },
    "delete": {
        "409": ("being_handled", "the same key is being handled; ask again"),
        "412": ("changed_meanwhile", "the ETag does not hold any more; the answer has today's"),
    },
    "patch": {"409": ("being_handled", "it clashes with what is there")},
}

HEADERS: Final[Mapping[str, str]] = {
    "ETag": "the revision in quotes; give it as If-Match to write onto what you saw",
    "Location": "where the thing is read",
    "Deprecation": "since when the contract that was handed in will go (RFC 9745)",
    "Sunset": "until when that contract stays (RFC 8594)",
    "Content-Disposition": "the name of the file",
}
"""The headers that answers carry beside those of HTTP, and what they mean."""


class Answer(BaseModel):
    """
    What an answer looks like, for the document: no answer is checked, copied or slowed by it.

    A test holds what is sent against it. The docstring of a field is its description.
    """

    model_config = ConfigDict(use_attribute_docstrings=True)


def left_out() -> Any:
    """A field that is never null: where there is nothing to say it is left out."""
    return Field(default=None, json_schema_extra=lambda schema: schema.pop("default"))


class Items(Answer, Generic[T]):
    """A page of a list."""

    items: list[T]
    next: str | None
    """Give it as `after`, as it is, for the next page; null on the last."""


class Listing(Items[T], Generic[T]):
    """A page of a list, and what moment it is true of."""

    as_of: datetime | None
    """What was known by then is in it; null where it is always of now."""


def answers(model: Any, status: int = 200, *headers: str) -> dict[int | str, dict[str, Any]]:
    """For `responses` of a route: what its success looks like, and which `HEADERS` come with it."""
    told: dict[str, Any] = {"model": model}
    if headers:
        told["headers"] = {
            name: {"schema": {"type": "string"}, "description": HEADERS[name]} for name in headers
        }
    return {status: told}


def schema_of(model: type[BaseModel]) -> dict[str, Any]:
    """The JSON Schema of what *model* takes, its parts among the document's components."""
    return model.model_json_schema(mode="validation", ref_template=REFERENCE)


def _named(model: type[BaseModel]) -> dict[str, Any]:
    """A reference to the schema of *model*, which goes among the components with its parts."""
    name = model.__name__
    return {"$ref": REFERENCE.format(model=name), "$defs": {name: schema_of(model)}}


def about_body(model: type[BaseModel]) -> dict[str, Any]:
    """
    The request body of a thing under its own id: as *model*, its `external_id` in the address.

    For `openapi_extra` of a route that reads the body by itself, to give every reason at once.
    """
    schema = schema_of(model)
    schema["required"] = [name for name in schema["required"] if name != "external_id"]
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def about_events(contracts: Mapping[str, type[BaseModel]]) -> dict[str, Any]:
    """The request body of a door for *contracts* as CloudEvents: binary, structured, batch."""
    event = {
        "type": "object",
        "required": ["specversion", "source", "type", "data"],
        "properties": {
            "specversion": {"const": "1.0"},
            "id": {"type": "string", "maxLength": 200},
            "source": {"type": "string", "maxLength": 200},
            "type": {"enum": [f"intake.{name}.v1" for name in contracts]},
            "time": {"type": "string", "format": "date-time"},
            "lang": {"enum": ["fi", "sv", "en"]},
            "data": {"anyOf": [_named(one) for one in contracts.values()]},
        },
        "example": {
            "specversion": "1.0",
            "id": "7f1c",
            "source": "/acme/erp",
            "type": "intake.project-added.v1",
            "data": {"external_id": "P-1", "title": "Ring road ditch", "municipality": "049"},
        },
    }
    return {
        "requestBody": {
            "required": True,
            "content": {
                CLOUD_EVENT: {"schema": {**_REFERENCE_TO_EVENT, "$defs": {"CloudEvent": event}}},
                BATCH: {
                    "schema": {"type": "array", "items": _REFERENCE_TO_EVENT, "maxItems": 1000}
                },
                "application/json": {"schema": {"anyOf": [*map(_named, contracts.values())]}},
            },
        },
        "parameters": [
            {
                "name": f"ce-{name}",
                "in": "header",
                "required": False,
                "schema": {"type": "string"},
                "description": "in binary mode: the attribute of the CloudEvent",
            }
            for name in ("specversion", "id", "source", "type", "time")
        ]
        + [
            {
                "name": "Idempotency-Key",
                "in": "header",
                "required": False,
                "schema": {"type": "string", "maxLength": 200},
                "description": "the id of a single event that has none",
            }
        ],
    }


def refusal(status: int, code: str, detail: str) -> dict[int | str, dict[str, Any]]:
    """What a route says of a refusal of its own, for its `responses`."""
    return {status: _problem(status, code, detail)}


def document(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI 3.1 document of *app*: the same that it serves at `/openapi.json`."""
    told = get_openapi(
        title=app.title,
        version=app.version,
        openapi_version="3.1.0",
        routes=app.routes,
        description="Lists are paged: give `next` as `after` until it is null. Problems are "
        "application/problem+json.",
        license_info={"name": "EUPL-1.2", "identifier": "EUPL-1.2"},
    )
    components = told.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for path in told["paths"].values():
        for method, operation in path.items():
            _complete(method, operation)
    _lift(told["paths"], schemas)
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    schemas["Problem"] = dict(PROBLEM)
    components["schemas"] = dict(sorted(schemas.items()))
    return told


def _complete(method: str, operation: dict[str, Any]) -> None:
    answers = operation.setdefault("responses", {})
    for schema in _of_successes(answers):
        if "$ref" in schema:  # what the route's own annotation says beside it says less
            reference = schema["$ref"]
            schema.clear()
            schema["$ref"] = reference
    for answer in [one for code, one in answers.items() if code == "422"]:
        answer.clear()
    found = {"422": ("request_invalid", "see reasons"), **ALWAYS}
    if operation.get("security"):
        found |= SECURED
    if any(one["in"] == "path" for one in operation.get("parameters", ())):
        found["404"] = ("not_found", "there is none, or none that you may see")
    found |= BY_METHOD.get(method, {})
    for code, (word, detail) in found.items():
        answers[code] = _problem(int(code), word, detail)
    operation["responses"] = dict(sorted(answers.items()))


def _of_successes(answers: Mapping[str, Any]) -> list[dict[str, Any]]:
    found = [one for code, one in answers.items() if code.startswith("2")]
    return [told["schema"] for one in found for told in one.get("content", {}).values()
            if "schema" in told]  # fmt: skip


def _problem(status: int, code: str, detail: str) -> dict[str, Any]:
    example = {
        "type": f"/problems/{code}",
        "title": code.replace("_", " "),
        "status": status,
        "code": code,
        "detail": detail,
    }
    answer: dict[str, Any] = {
        "description": detail,
        "content": {
            "application/problem+json": {
                "schema": {"$ref": REFERENCE.format(model="Problem")},
                "example": example,
            }
        },
    }
    if status in (429, 503):
        answer["headers"] = {
            "Retry-After": {"schema": {"type": "integer"}, "description": "seconds"}
        }
    if status == 412:
        answer["headers"] = {"ETag": {"schema": {"type": "string"}}}
    return answer


def _lift(told: Any, schemas: dict[str, Any]) -> None:
    """Move every `$defs` in *told* to *schemas*, where its references look."""
    if isinstance(told, dict):
        lifted = told.pop("$defs", {})
        schemas |= lifted
        for value in [*told.values(), *lifted.values()]:
            _lift(value, schemas)
    elif isinstance(told, list):
        for value in told:
            _lift(value, schemas)
