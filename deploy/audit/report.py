"""What an audit says: each promise, whether it holds, what was counted, what was found."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

SHOWN = 5


class Counts(dict[str, Any]):
    """What was counted, by name; reads as a line."""

    def __str__(self) -> str:
        return ", ".join(f"{name} {value}" for name, value in self.items())


@dataclass(frozen=True)
class Line:
    """One promise; *found* names the first few findings where it is broken."""

    promise: str
    held: bool
    counted: Counts = field(default_factory=Counts)
    found: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Report:
    """All promises, in the order in which events travel."""

    lines: list[Line]

    @property
    def clean(self) -> bool:
        """Whether every promise holds."""
        return all(line.held for line in self.lines)

    @property
    def broken(self) -> list[Line]:
        return [line for line in self.lines if not line.held]

    def to_json(self) -> dict[str, Any]:
        return {"clean": self.clean, "lines": [vars(line) for line in self.lines]}


def line(promise: str, counted: Mapping[str, Any], found: Iterable[object]) -> Line:
    """The line of *promise*: held when nothing was *found*."""
    told = [str(one) for one in found]
    counts = Counts(counted)
    if told:
        counts["broken"] = len(told)
    return Line(promise, not told, counts, told[:SHOWN])


def compared(
    promise: str,
    wanted: Mapping[Any, Any],
    kept: Mapping[Any, Any],
    counted: Mapping[str, Any] | None = None,
) -> Line:
    """The line of a promise that *kept* is what it should be, key by key."""
    found = []
    for key in [*wanted, *(key for key in kept if key not in wanted)]:
        one, other = wanted.get(key), kept.get(key)
        if one != other:
            found.append(f"{_named(key)}: {_differs(other, one)}")
    return line(promise, {**(counted or {}), "compared": len(wanted), "kept": len(kept)}, found)


def _named(key: Any) -> str:
    return " ".join(map(str, key)) if isinstance(key, tuple) else str(key)


def _differs(kept: Any, wanted: Any) -> str:
    if isinstance(kept, Mapping) and isinstance(wanted, Mapping):
        names = sorted({*kept, *wanted})
        parts = [
            f"{name} is {kept.get(name)!r}, not {wanted.get(name)!r}"
            for name in names
            if kept.get(name) != wanted.get(name)
        ]
        return "; ".join(parts)
    return f"is {kept!r}, not {wanted!r}"
