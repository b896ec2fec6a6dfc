"""Rules that can change, each with the days it is in force."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from typing import Any, Final

from shared.vocabulary.provenance import Provenance, provenance_of
from shared.vocabulary.tables import table, version_of

RULES_VERSION: Final = version_of("rules")
"""The version of the table, as text."""


@dataclass(frozen=True, slots=True)
class Rule:
    """
    One version of a rule: in force from the first day to the last, both included.

    No first day: since before anything here; a *slot* is a rule that is awaited and not in force.
    """

    id: str
    version: str
    names: Mapping[str, str] = field(hash=False)
    in_force_from: date | None
    in_force_until: date | None
    slot: bool
    provenance: Provenance
    note: str | None = None

    def in_force(self, day: date) -> bool:
        """Whether it is in force on *day*."""
        begun = self.in_force_from is None or self.in_force_from <= day
        return (
            not self.slot and begun and (self.in_force_until is None or day <= self.in_force_until)
        )


def rules_at(day: date) -> tuple[Rule, ...]:
    """The rules in force on *day*, in the order of the table; each id once."""
    return tuple(rule for rule in RULES if rule.in_force(day))


def rule_at(id: str, day: date) -> Rule | None:
    """The version of the rule *id* in force on *day*; None when none is."""
    return next((rule for rule in rules_at(day) if rule.id == id), None)


@lru_cache(maxsize=1024)
def rules_version(day: date) -> str:
    """
    Which rules judge on *day*, as text to keep beside a judgement.

    The table's version, then each rule in force: `2026-11-24 mara/843-2017 pima/214-2007 …`.
    """
    return " ".join([RULES_VERSION, *(f"{rule.id}/{rule.version}" for rule in rules_at(day))])


def authority_at(day: date, lang: str) -> str:
    """The authority for notifications and permits on *day*, named in *lang* (fi, sv, en)."""
    found = rule_at("authority", day)
    return "" if found is None else str(found.names.get(lang, found.version))


def _day(told: str | None) -> date | None:
    return None if told is None else date.fromisoformat(told)


def _rule(row: Mapping[str, Any]) -> Rule:
    return Rule(
        id=row["id"],
        version=row["version"],
        names=row["names"],
        in_force_from=_day(row["in_force_from"]),
        in_force_until=_day(row["in_force_until"]),
        slot=row.get("slot", False),
        provenance=provenance_of(row),
        note=row.get("note"),
    )


RULES: Final[tuple[Rule, ...]] = tuple(_rule(row) for row in table("rules")["rules"])
"""Every rule and slot, in force or not."""
