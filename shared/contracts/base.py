"""What an event is, and how it travels as a CloudEvent in binary mode."""

import os
import time
from collections.abc import Mapping
from datetime import UTC, date, datetime
from email.utils import format_datetime
from typing import Any, ClassVar, Self
from urllib.parse import quote, unquote
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, ValidationError

DRAFT = True  # until the contracts freeze, a schema may still change without a new major
CONTENT_TYPE = "application/json"


def uuid7() -> UUID:
    """A UUID of version 7 (RFC 9562): its order is the order of time, to the millisecond."""
    milliseconds = time.time_ns() // 1_000_000
    value = milliseconds << 80 | int.from_bytes(os.urandom(10))
    value = value & ~(0xF << 76) | 7 << 76
    return UUID(int=value & ~(0x3 << 62) | 2 << 62)


def now() -> datetime:
    """This moment, aware, in UTC."""
    return datetime.now(UTC)


def last_day(deprecated_on: date) -> date:
    """Until when a major version stays that is deprecated from *deprecated_on*: 12 months on."""
    try:
        return deprecated_on.replace(year=deprecated_on.year + 1)
    except ValueError:  # the 29th of February
        return date(deprecated_on.year + 1, 3, 1)


class NotAnEvent(Exception):
    """The message is no event of this contract."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Part(BaseModel):
    """A value inside an event: frozen, and deaf to fields it does not know."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Event(Part):
    """
    A fact that one service tells: whole state, with *region* as the last token of its subject.

    *id* and *at* travel as `ce-id` and `ce-time`, not in the body. *deprecated_on* is the day on
    which notice was given that this major version will go.
    """

    name: ClassVar[str]
    deprecated_on: ClassVar[date | None] = None

    id: UUID = Field(default_factory=uuid7, exclude=True)
    at: datetime = Field(default_factory=now, exclude=True)
    region: str

    @classmethod
    def owner(cls) -> str:
        """The service that tells this event."""
        return cls.name.split(".", 1)[0]

    @classmethod
    def event_name(cls) -> str:
        """The name without owner and version: `forecast-updated`."""
        return cls.name.split(".")[1]

    @classmethod
    def stream(cls) -> str:
        """The stream that carries it."""
        return f"events-{cls.owner()}"

    @property
    def subject(self) -> str:
        return f"events.{self.name}.{self.region}"

    @classmethod
    def subjects(cls) -> str:
        """The subject of this event in every region."""
        return f"events.{cls.name}.*"

    def body(self) -> bytes:
        """The JSON body, UTF-8."""
        return self.model_dump_json(exclude_none=True).encode()

    def headers(self, *, correlation: str | None = None) -> dict[str, str]:
        """The CloudEvents attributes as headers, values percent-encoded."""
        told = {
            "ce-specversion": "1.0",
            "ce-id": str(self.id),
            "ce-source": f"/massakoppi/{self.owner()}",
            "ce-type": self.name,
            "ce-time": self.at.isoformat(),
            "ce-dataschema": f"/schemas/{self.name}.json",
            "content-type": CONTENT_TYPE,
        }
        if correlation:  # the others are printable ASCII as they are
            told["ce-correlationid"] = encoded(correlation)
        return told

    @classmethod
    def from_message(cls, headers: Mapping[str, str], body: bytes) -> Self:
        """Read one from *headers* and *body*; raises `NotAnEvent` with what is wrong."""
        attributes = envelope(headers)
        if attributes["type"] != cls.name:
            raise NotAnEvent(f"ce-type is {attributes['type']!r}, awaited {cls.name!r}")
        try:
            event = cls.model_validate_json(body)
            told = {"id": UUID(attributes["id"]), "at": datetime.fromisoformat(attributes["time"])}
        except (ValidationError, ValueError) as error:
            raise NotAnEvent(str(error)) from error
        return event.model_copy(update=told)


def encoded(value: str) -> str:
    """*value* as CloudEvents ask of a header: printable ASCII, the rest percent-encoded."""
    if value.isascii() and value.isprintable() and "%" not in value and '"' not in value:
        return value
    return quote(value, safe=" !#$&'()*+,-./:;<=>?@[]^_`{|}~")


def envelope(headers: Mapping[str, str] | None) -> dict[str, str]:
    """
    The CloudEvents attributes in *headers*, without their prefix, decoded.

    Raises `NotAnEvent` when a required one (`specversion`, `id`, `source`, `type`) is missing.
    """
    found = {
        key[3:].lower(): unquote(value)
        for key, value in (headers or {}).items()
        if key.lower().startswith("ce-")
    }
    missing = [name for name in ("specversion", "id", "source", "type") if not found.get(name)]
    if missing:
        raise NotAnEvent(f"no CloudEvent: {', '.join('ce-' + name for name in missing)} missing")
    found.setdefault("time", now().isoformat())
    return found


def schema(contract: type[Event]) -> dict[str, Any]:
    """The JSON Schema of the body of *contract*, as committed."""
    told = contract.model_json_schema(mode="serialization")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"/schemas/{contract.name}.json",
        "x-status": "draft" if DRAFT else "published",
        **notice(contract.deprecated_on),
        **told,
    }


def notice(deprecated_on: date | None) -> dict[str, Any]:
    """What a schema says of a contract under notice: since when, and until when it stays."""
    if deprecated_on is None:
        return {}
    return {
        "deprecated": True,
        "x-deprecated-on": deprecated_on.isoformat(),
        "x-stays-until": last_day(deprecated_on).isoformat(),
    }


def notice_headers(deprecated_on: date) -> dict[str, str]:
    """`Deprecation` (RFC 9745) and `Sunset` (RFC 8594) of what is under notice since then."""
    since = datetime.combine(deprecated_on, datetime.min.time(), UTC)
    until = datetime.combine(last_day(deprecated_on), datetime.min.time(), UTC)
    return {
        "Deprecation": f"@{int(since.timestamp())}",
        "Sunset": format_datetime(until, usegmt=True),
    }
