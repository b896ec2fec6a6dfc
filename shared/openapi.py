"""What a service says of its HTTP API: OpenAPI 3.1, with problems, limits and who may ask."""

import re
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
PROBLEM_TYPE = "application/problem+json"
_REFERENCE_TO_EVENT = {"$ref": REFERENCE.format(model="CloudEvent")}
PROBLEM: Mapping[str, Any] = {
    "type": "object",
    "description": "RFC 9457, with a code that stays",
    "required": ["type", "title", "status", "code", "detail"],
    "properties": {
        "type": {"type": "string", "description": "`/problems/` and the code"},
        "title": {"type": "string"},
        "status": {"type": "integer", "description": "that of the answer"},
        "code": {"type": "string", "description": "for programs: it stays"},
        "detail": {"type": "string", "description": "for people: the value, and what to do"},
        "reasons": {
            "type": "array",
            "description": "every reason at once, where more than one thing can be wrong",
            "items": {
                "type": "object",
                "required": ["pointer", "code", "text"],
                "properties": {
                    "pointer": {"type": "string", "description": "RFC 6901, into the body"},
                    "code": {"type": "string"},
                    "text": {
                        "type": "string",
                        "description": "with the value and the remedy, as Accept-Language asks",
                    },
                    "value": {},
                },
            },
        },
    },
}
MEMBERS: Final[Mapping[str, Mapping[str, Any]]] = {
    "etag": {"type": ["string", "null"], "description": "today's; null where there is no thing"},
    "limit": {"type": "integer", "description": "how many lots one answer takes"},
}
"""What some problems tell beside it, by name."""

COMMON = (
    (422, "request_invalid", "see reasons"),
    (429, "too_many_requests", "this key asked too often; Retry-After says when to ask again"),
    (500, "failed", "a fault of ours; it is in the log"),
    (503, "database_away", "try again in a moment"),
)
SECURED = (
    (401, "not_known", "no token, or one that has lapsed; get a token"),
    (403, "not_allowed", "this is not yours to see or do"),
    (503, "not_noted", "the look at another's data could not be put on the trail; try again"),
)
PAGED = (422, "cursor_invalid", "give the `next` of the last answer as `after`, as it was")
HANDING_IN = (422, "body_unreadable", "send the body as its content type says")
EVERYWHERE = (*COMMON, *SECURED, PAGED, HANDING_IN)
RETRIED = (409, 429, 503)

HEADERS: Final[Mapping[str, str]] = {
    "ETag": "the revision in quotes; give it as If-Match to write onto what you saw",
    "Location": "where the thing is read",
    "Deprecation": "since when the contract that was handed in will go (RFC 9745)",
    "Sunset": "until when that contract stays (RFC 8594)",
    "Content-Disposition": "the name of the file",
}
"""The headers that answers carry beside those of HTTP, and what they mean."""

PARAMETERS: Final[Mapping[str, str]] = {
    "id": "the canonical id, as receipts and lists tell it",
    "external_id": "your own id of the thing; write / in it as %2F",
    "token": "the token of the organisation",
    "owner": "the token of the organisation that lets another report for it",
    "organisation": "the token of one organisation",
    "region": "the code of a region, as 01",
    "material": "the code of a material",
    "after": "the `next` of the page before, as it was",
    "limit": "items a page",
    "order": "by which end of the list the first page begins",
    "from": "the first month, YYYY-MM",
    "to": "the last month, YYYY-MM",
}
"""What parameters mean that have the same name everywhere, unless their route says more."""

LANGUAGE_ASKED: Final[Mapping[str, Any]] = {
    "name": "Accept-Language",
    "in": "header",
    "required": False,
    "schema": {"type": "string"},
    "description": "language of the reasons where it is refused: fi, sv or en",
}


class Answer(BaseModel):
    """
    What an answer looks like, for the document: no answer is checked, copied or slowed by it.

    A test holds what is sent against it. The docstring of a field is its description.
    """

    model_config = ConfigDict(use_attribute_docstrings=True)


def left_out() -> Any:
    """A field that is never null: where there is nothing to say it is left out."""
    return Field(default=None, json_schema_extra=_without_default)


def _without_default(schema: dict[str, Any]) -> None:
    schema.pop("default")


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
        told["headers"] = described(*headers)
    return {status: told}


def described(*headers: str) -> dict[str, Any]:
    """Headers of an answer, of those in `HEADERS`."""
    return {name: {"schema": {"type": "string"}, "description": HEADERS[name]} for name in headers}


def schema_of(model: type[BaseModel]) -> dict[str, Any]:
    """The JSON Schema of what *model* takes, its parts among the document's components."""
    return model.model_json_schema(mode="validation", ref_template=REFERENCE)


def _named(model: type[BaseModel]) -> dict[str, Any]:
    """A reference to the schema of *model*, which goes among the components with its parts."""
    name = model.__name__
    return {"$ref": REFERENCE.format(model=name), "$defs": {name: schema_of(model)}}


def about_body(model: type[BaseModel], **example: Any) -> dict[str, Any]:
    """
    The request body of a thing under its own id: as *model*, its `external_id` in the address.

    For `openapi_extra` of a route that reads the body by itself, to give every reason at once.
    """
    schema = schema_of(model)
    schema["required"] = [name for name in schema["required"] if name != "external_id"]
    schema["examples"] = [example]
    content = {"application/json": {"schema": schema}}
    return {"requestBody": {"required": True, "content": content}, "parameters": [LANGUAGE_ASKED]}


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
            },
            LANGUAGE_ASKED,
        ],
    }


def refusals(
    *told: tuple[int, str, str], named: str = "Problem", members: Mapping[str, Any] | None = None
) -> dict[int | str, dict[str, Any]]:
    """
    For `responses` of a route: its own refusals, each a status, a code, and what to do about it.

    *members* are schemas of what these problems tell beside the usual, by name; their schema is
    *named* otherwise then.
    """
    found: dict[int | str, dict[str, Any]] = {}
    for status, code, detail in told:
        answer = found.setdefault(status, _problems(status, named, members or {}))
        answer["content"][PROBLEM_TYPE]["examples"][code] = _example(status, code, detail)
    return found


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
    alike: dict[str, Any] = {}
    for path in told["paths"].values():
        for operation in path.values():
            _complete(operation, alike)
    components["responses"] = dict(sorted(alike.items()))
    _lift([told["paths"], alike], schemas)
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    components["schemas"] = dict(sorted(schemas.items()))
    components["examples"] = {
        code: _example(status, code, detail) for status, code, detail in EVERYWHERE
    }
    return told


def _complete(operation: dict[str, Any], alike: dict[str, Any]) -> None:
    """
    What the route itself leaves unsaid: its summary, parameters, and refusals from elsewhere.

    Answers that many routes give alike go to *alike*, by name.
    """
    _summarise(operation)
    for one in operation.get("parameters", ()):
        if "description" not in one["schema"] and one["name"] in PARAMETERS:
            one.setdefault("description", PARAMETERS[one["name"]])
    answers = operation.setdefault("responses", {})
    for schema in _of_successes(answers):
        if "$ref" in schema:  # what the route's own annotation says beside it says less
            reference = schema["$ref"]
            schema.clear()
            schema["$ref"] = reference
    if "HTTPValidationError" in str(answers.get("422")):
        del answers["422"]
    _refuse(operation, answers, alike)
    operation["responses"] = dict(sorted(answers.items()))


def _refuse(operation: dict[str, Any], answers: dict[str, Any], alike: dict[str, Any]) -> None:
    """Put the refusals that come from elsewhere after those of the route itself."""
    for status, answer in refusals(*_from_elsewhere(operation)).items():
        if str(status) in answers:
            known = _examples(answers[str(status)])
            known |= {code: one for code, one in _examples(answer).items() if code not in known}
        else:
            name = "_or_".join(_examples(answer))
            alike[name] = answer
            answers[str(status)] = {"$ref": f"#/components/responses/{name}"}
    own = [one for code, one in answers.items() if code[0] in "45" and "$ref" not in one]
    for answer in [*own, *alike.values()]:
        answer["description"] = "; ".join(_examples(answer))
        told = answer["content"][PROBLEM_TYPE]
        told["examples"] = {code: _shared(code, one) for code, one in _examples(answer).items()}


def _from_elsewhere(operation: Mapping[str, Any]) -> list[tuple[int, str, str]]:
    """The refusals of the framework, the gate and the database that *operation* can meet."""
    asked = operation.get("parameters", ())
    found = [*COMMON]
    if operation.get("security"):
        found += SECURED
    if any(one["name"] == "after" and "uuid" not in str(one["schema"]) for one in asked):
        found.append(PAGED)
    if "requestBody" in operation:
        found.append(HANDING_IN)
    return found


def _summarise(operation: dict[str, Any]) -> None:
    """The first sentence of what a route's docstring says, else all of it, as its summary."""
    told = operation.get("description", "")
    first = " ".join(told.partition("\n\n")[0].split())
    operation["summary"] = re.split(r"[.:;] |\.$", first)[0]


def _of_successes(answers: Mapping[str, Any]) -> list[dict[str, Any]]:
    found = [one for code, one in answers.items() if code.startswith("2")]
    return [told["schema"] for one in found for told in one.get("content", {}).values()
            if "schema" in told]  # fmt: skip


def _shared(code: str, example: dict[str, Any]) -> dict[str, Any]:
    """The *example* of a code, by reference where it is one of all routes."""
    everywhere = [_example(*one) for one in EVERYWHERE]
    return {"$ref": f"#/components/examples/{code}"} if example in everywhere else example


def _problems(status: int, named: str, members: Mapping[str, Any]) -> dict[str, Any]:
    whole = {**PROBLEM, "properties": {**PROBLEM["properties"], **members}}
    schema = {"$ref": REFERENCE.format(model=named), "$defs": {named: whole}}
    answer: dict[str, Any] = {"content": {PROBLEM_TYPE: {"schema": schema, "examples": {}}}}
    if status == 412:
        answer["headers"] = described("ETag")
    if status in RETRIED:
        answer["headers"] = {
            "Retry-After": {"schema": {"type": "integer"}, "description": "seconds"}
        }
    return answer


def _examples(answer: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = answer["content"][PROBLEM_TYPE]["examples"]
    return found


def _example(status: int, code: str, detail: str) -> dict[str, Any]:
    value = {
        "type": f"/problems/{code}",
        "title": code.replace("_", " "),
        "status": status,
        "code": code,
        "detail": detail,
    }
    return {"summary": detail, "value": value}


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
