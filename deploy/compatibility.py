"""What may change in a published contract, and what would break its readers."""

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

WORDS = {"title", "description", "$schema", "$id", "$defs", "x-status", "deprecated",
         "x-deprecated-on", "x-stays-until"}  # fmt: skip
WALKED = {"properties", "required", "items", "anyOf"}
Schema = Mapping[str, Any]


def breaks(before: Schema, after: Schema) -> list[str]:
    """
    Each difference between two schemas that an old reader, or an old body, would not survive.

    A new optional field breaks nobody, and words may change; everything else is told here.
    """
    return list(_breaks(before, after, before.get("$defs", {}), after.get("$defs", {}), ""))


def _breaks(
    before: Schema, after: Schema, known: Schema, known_after: Schema, at: str
) -> Iterator[str]:
    before, after = _resolved(before, known), _resolved(after, known_after)
    place = at or "/"
    for word in sorted((before.keys() | after.keys()) - WORDS - WALKED):
        if before.get(word) != after.get(word):
            yield f"{place}: {word} was {before.get(word)!r}, is {after.get(word)!r}"
    fields, fields_after = before.get("properties", {}), after.get("properties", {})
    for name, field in fields.items():
        if name in fields_after:
            yield from _breaks(field, fields_after[name], known, known_after, f"{at}/{name}")
        else:
            yield f"{at}/{name}: is gone"
    needed, needed_after = set(before.get("required", ())), set(after.get("required", ()))
    for name in sorted(needed ^ needed_after):
        yield f"{at}/{name}: {'was' if name in needed else 'is now'} required"
    if "items" in before and "items" in after:
        yield from _breaks(before["items"], after["items"], known, known_after, f"{at}/*")
    elif "items" in before or "items" in after:
        yield f"{place}: items changed"
    kinds, kinds_after = before.get("anyOf", []), after.get("anyOf", [])
    if len(kinds) != len(kinds_after):
        yield f"{place}: one of {len(kinds)} kinds, now one of {len(kinds_after)}"
        return
    for kind, kind_after in zip(kinds, kinds_after, strict=True):
        yield from _breaks(kind, kind_after, known, known_after, at)


def _resolved(told: Schema, known: Schema) -> Schema:
    """*told*, where it points at a definition, as that definition with what stands beside it."""
    if "$ref" not in told:
        return told
    beside = {key: value for key, value in told.items() if key != "$ref"}
    return {**_resolved(known[told["$ref"].rsplit("/", 1)[1]], known), **beside}


def advice(name: str, before: Schema | None, after: Schema, *, draft: bool) -> str:
    """What to do about contract *name* whose schema was *before* and is *after*."""
    if before is None:
        return f"{name} is new: write its schema with `make docs`"
    if before == after:
        return f"{name} is as committed"
    if draft:
        return (
            f"{name} changed: write it with `make docs`, and say so in CHANGELOG.md. "
            "(Contracts are drafts; they freeze when base.DRAFT becomes False.)"
        )
    broken = breaks(before, after)
    if not broken:
        return f"{name} only gained: write it with `make docs`, and say so in CHANGELOG.md"
    owner_and_event, _, version = name.rpartition(".v")
    return (
        f"{name} is published and this would break its readers: {'; '.join(broken)}. "
        f"Take it back, and make a new class named {owner_and_event}.v{int(version) + 1}, "
        f"announced beside the old one until no durable reads .v{version}"
    )


def leaves_too_early(name: str, before: Schema, today: date) -> list[str]:
    """Why contract *name*, whose schema was *before* and which is gone, may not go on *today*."""
    if before.get("x-status") == "draft":
        return []
    until = before.get("x-stays-until")
    if until is None:
        return [
            f"{name} is published and gone without notice: take it back, set deprecated_on, "
            "and remove it 12 months later at the earliest"
        ]
    if today < date.fromisoformat(until):
        return [f"{name} stays until {until}, 12 months after notice: take it back until then"]
    return []
