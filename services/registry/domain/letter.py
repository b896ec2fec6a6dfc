"""A message at the door, opened: its CloudEvents attributes and its JSON, or why it has none."""

import hashlib
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import Any
from urllib.parse import unquote

from services.registry.domain.fields import read_fields
from services.registry.domain.texts import LANGUAGES
from services.registry.domain.values import EVENTS, Reason, pointer_to
from shared.vocabulary.errors import Coded

LARGEST_BODY = 256 * 1024  # bytes
DEEPEST = 6
LONGEST_ATTRIBUTE = 200
REQUIRED = ("specversion", "id", "source", "type")

_TYPE = re.compile(r"intake\.([a-z0-9-]{1,40})\.v1", re.ASCII)
_NAME = re.compile(r"[a-z0-9-]{1,40}", re.ASCII)
_ACKNOWLEDGES = {"type", "error", "stream", "seq", "domain", "duplicate", "val", "batch", "count"}


@dataclass(frozen=True, slots=True)
class Letter:
    """
    One message, opened and read field by field.

    *event* is its name, if known; *told* its data as sent and *said* what could be read of it;
    *reasons* are what was found against it so far. *about* names it in its receipt, and *digest*
    stands for what it said. *stray* is a bus's acknowledgement that strayed here and is no message.
    """

    source: str
    id: str
    about: str
    digest: str
    event: str | None = None
    told: Mapping[str, Any] | None = None
    said: Mapping[str, Any] = field(default_factory=dict)
    told_at: datetime | None = None
    language: str = "en"
    reasons: tuple[Reason, ...] = ()
    stray: bool = False


@dataclass(slots=True)
class _Reading:
    reasons: list[Reason] = field(default_factory=list)
    twice: list[str] = field(default_factory=list)

    def refuse(self, code: str, pointer: str = "", value: Any = None, **says: Any) -> None:
        self.reasons.append(Reason(code, pointer, value, says))

    def pairs(self, pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            names = [name for name, _ in pairs]
            self.twice.extend(name for name in found if names.count(name) > 1)
        return found

    def json(self, body: bytes) -> Any:
        """The value in *body*, or None with the reason noted."""
        if len(body) > LARGEST_BODY:
            return self.refuse("body_too_large", value=len(body), most=LARGEST_BODY)
        try:
            value = json.loads(body.decode("utf-8-sig"), object_pairs_hook=self.pairs)
        except UnicodeDecodeError as error:
            return self.refuse("body_not_utf8", value=f"{error.reason}, byte {error.start}")
        except RecursionError:
            return self.refuse("nesting_too_deep")
        except ValueError as error:
            return self.refuse("body_not_json", value=str(error))
        if _depth(value) > DEEPEST:
            return self.refuse("nesting_too_deep")
        return value


def opened(
    event_name: str, headers: Mapping[str, str] | None, body: bytes, stream_seq: int | None = None
) -> Letter:
    """
    The message of *headers* and *body*, sent under *event_name* (empty where no subject names it).

    Binary and structured CloudEvents are read alike; an `Idempotency-Key` is the id of an event
    that has none. What has no readable envelope is named by its
    *stream_seq* and its digest.
    """
    known = {name.lower(): value for name, value in (headers or {}).items()}
    reading = _Reading()
    structured = known.get("content-type", "").lower().startswith("application/cloudevents+json")
    if structured:
        attributes, data = _structured(reading, body)
    else:
        attributes = {name[3:]: unquote(value) for name, value in known.items()
                      if name.startswith("ce-")}  # fmt: skip
        data = reading.json(body)
        if not known and _is_acknowledgement(data):
            return Letter("", "", event_name, "", stray=True)
    key = known.get("idempotency-key", "").strip().strip('"')
    if key and not attributes.get("id"):
        attributes = {**attributes, "id": unquote(key)}
    language = _language(attributes.get("lang") or known.get("accept-language", ""))
    missing = [f"ce-{name}" for name in REQUIRED if not attributes.get(name)]
    if missing:
        return _unreadable(
            reading,
            missing,
            event_name=event_name,
            headers=headers,
            body=body,
            stream_seq=stream_seq,
            language=language,
        )
    return _letter(reading, attributes, data, body=body, event_name=event_name, language=language)


class BadBatch(Coded):
    """The whole is no JSON array of events."""


def items_of(body: bytes) -> list[bytes]:
    """
    The events of a batch (`application/cloudevents-batch+json`), each as its own bytes.

    Raises `BadBatch` when the whole is no JSON array.
    """
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadBatch("batch_invalid/not_utf8", at=error.start) from error
    decoder = json.JSONDecoder()
    at = _past_space(text, 0)
    if text[at : at + 1] != "[":
        raise BadBatch("batch_invalid", value=text[at : at + 20])
    at = _past_space(text, at + 1)
    items: list[bytes] = []
    going_on = text[at : at + 1] != "]"
    while going_on:
        try:
            _, end = decoder.raw_decode(text, at)
        except RecursionError as error:
            raise BadBatch("batch_invalid/deep", at=at) from error
        except ValueError as error:
            broken = error.pos if isinstance(error, json.JSONDecodeError) else at
            raise BadBatch("batch_invalid/at", at=broken) from error
        items.append(text[at:end].encode())
        at = _past_space(text, end)
        if text[at : at + 1] not in (",", "]"):
            raise BadBatch("batch_invalid/at", at=at)
        going_on = text[at] == ","
        at = _past_space(text, at + 1) if going_on else at
    if text[at + 1 :].strip():
        raise BadBatch("batch_invalid/at", at=at + 1)
    return items


def _past_space(text: str, at: int) -> int:
    while at < len(text) and text[at] in " \t\r\n":
        at += 1
    return at


def _structured(reading: _Reading, body: bytes) -> tuple[dict[str, str], Any]:
    whole = reading.json(body)
    if not isinstance(whole, dict):
        if not reading.reasons:
            reading.refuse("body_not_object", value=_kind_of(whole))
        return {}, None
    attributes = {
        name.lower(): value
        for name, value in whole.items()
        if isinstance(value, str) and name not in ("data", "data_base64")
    }
    return attributes, whole.get("data")


def _letter(
    reading: _Reading,
    attributes: Mapping[str, str],
    data: Any,
    *,
    body: bytes,
    event_name: str,
    language: str,
) -> Letter:
    if attributes["specversion"] != "1.0":
        reading.refuse("specversion_unknown", "/ce-specversion", attributes["specversion"])
    for name in ("id", "source"):
        if not _is_plain(attributes[name]):
            reading.refuse("attribute_invalid", f"/ce-{name}", attributes[name],
                           most=LONGEST_ATTRIBUTE)  # fmt: skip
    event = _event(reading, attributes["type"], event_name)
    told_at = _moment(reading, attributes.get("time"))
    if not isinstance(data, dict) and not reading.reasons:
        reading.refuse("body_not_object", value=_kind_of(data))
    for name in dict.fromkeys(reading.twice):
        reading.refuse("key_twice", pointer_to(name))
    told = data if isinstance(data, dict) else None
    said: dict[str, Any] = {}
    if told is not None and event is not None:
        said, against = read_fields(event, told)
        reading.reasons += against
    about = event_name or (event or "")
    return Letter(
        source=_kept(attributes["source"]),
        id=_kept(attributes["id"]),
        about=about if _NAME.fullmatch(about) else "unknown",
        digest=_digest(attributes["type"], body if told is None else _canonical(told, body)),
        event=event,
        told=told,
        said=said,
        told_at=told_at,
        language=language,
        reasons=tuple(reading.reasons),
    )


def _unreadable(
    reading: _Reading,
    missing: Sequence[str],
    *,
    event_name: str,
    headers: Mapping[str, str] | None,
    body: bytes,
    stream_seq: int | None,
    language: str,
) -> Letter:
    # the digest keeps a stream made again, which counts from 1, from meeting an old sequence
    digest = _digest(repr(sorted((headers or {}).items())), body)
    place = "http" if stream_seq is None else f"seq-{stream_seq}"
    reading.refuse("envelope_unreadable", missing=", ".join(missing))
    return Letter(
        source="",
        id=f"{place}-{digest[:12]}",
        about=event_name if _NAME.fullmatch(event_name) else "unknown",
        digest=digest,
        language=language,
        reasons=tuple(reading.reasons),
    )


def _event(reading: _Reading, told: str, event_name: str) -> str | None:
    found = _TYPE.fullmatch(told)
    name = event_name or (found[1] if found else told)
    if name not in EVENTS:
        close = get_close_matches(name, EVENTS, n=2, cutoff=0.5)
        reading.refuse("event_unknown", "/ce-type", name,
                       close=("close", close) if close else ("one_of", EVENTS))  # fmt: skip
        return None
    if told != f"intake.{name}.v1":
        reading.refuse("type_differs", "/ce-type", told, wanted=f"intake.{name}.v1")
    return name


def _moment(reading: _Reading, told: str | None) -> datetime | None:
    if not told:
        return None
    try:
        found = datetime.fromisoformat(told)
        if found.tzinfo is None or not 2000 <= found.year <= 2100:
            raise ValueError(told)
        return found.astimezone(UTC)
    except (ValueError, OverflowError):
        reading.refuse("time_invalid", "/ce-time", told)
        return None


def _language(told: str) -> str:
    """The first of *told* (as of Accept-Language, weights by order) that texts are kept in."""
    for each in told.split(","):
        code = each.split(";")[0].strip().lower()[:2]
        if code in LANGUAGES:
            return code
    return "en"


def _is_plain(value: str) -> bool:
    return len(value) <= LONGEST_ATTRIBUTE and value.isprintable() and bool(value.strip())


def _kept(value: str) -> str:
    if _is_plain(value):
        return value
    return f"unusable-{hashlib.sha256(value.encode('utf-8', 'replace')).hexdigest()[:16]}"


def _is_acknowledgement(data: Any) -> bool:
    return (
        isinstance(data, dict)
        and isinstance(data.get("stream"), str)
        and isinstance(data.get("seq"), int)
        and data.keys() <= _ACKNOWLEDGES
    )


def _canonical(told: Mapping[str, Any], body: bytes) -> bytes:
    try:
        written = json.dumps(told, sort_keys=True, separators=(",", ":"))
    except ValueError:  # an integer of more digits than Python writes
        return body
    return written.encode()


def _digest(first: str, rest: bytes) -> str:
    return hashlib.sha256(first.encode("utf-8", "replace") + b"\n" + rest).hexdigest()


def _depth(value: Any) -> int:
    """How deep *value* is nested, without calling itself."""
    level, deepest = [value], 0
    while level:
        inner: list[Any] = []
        for each in level:
            if isinstance(each, dict):
                inner.extend(each.values())
            elif isinstance(each, list):
                inner.extend(each)
        level = inner
        deepest += 1
        if deepest > DEEPEST + 1:
            break
    return deepest


def _kind_of(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    names = {bool: "a boolean", int: "a number", float: "a number", str: "a text", list: "a list"}
    return names.get(type(value), "no object")
