"""Where a number comes from, and how far it may be trusted."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Tag = Literal["sourced", "derived", "unverified", "product_rule", "set_here"]


@dataclass(frozen=True, slots=True)
class Provenance:
    """
    *source* is an address or words; *tag* one of sourced, derived, unverified, product_rule,
    set_here (by this installation, instead of a default); *confidence* high, medium, low, or None
    where the source speaks for itself; *inputs_tag* the tag of what a derived value was computed
    from.
    """

    source: str
    tag: Tag
    confidence: str | None = None
    inputs_tag: Tag | None = None

    @property
    def shown_tag(self) -> Tag:
        """The tag to show: a value derived from unverified ones is shown as unverified."""
        return "unverified" if self.inputs_tag == "unverified" else self.tag


@dataclass(frozen=True, slots=True)
class Range:
    """A factor with its bounds, `low <= likely <= high`, in *unit*."""

    low: float
    likely: float
    high: float
    unit: str
    provenance: Provenance

    @property
    def tag(self) -> Tag:
        """The tag to show beside the factor and what is computed from it."""
        return self.provenance.shown_tag

    def over(self, divisor: "Range", unit: str) -> "Range":
        """This range divided by another of positive bounds, in *unit*; widest reading of both."""
        unverified = "unverified" in (self.tag, divisor.tag)
        return Range(
            low=self.low / divisor.high,
            likely=self.likely / divisor.likely,
            high=self.high / divisor.low,
            unit=unit,
            provenance=Provenance(
                source=f"derived: {self.unit} over {divisor.unit}",
                tag="derived",
                confidence=weaker(self.provenance.confidence, divisor.provenance.confidence),
                inputs_tag="unverified" if unverified else None,
            ),
        )


_STRENGTH = ("low", "medium", "high")


def weaker(one: str | None, other: str | None) -> str | None:
    """The weaker of two confidences; None, a source that speaks for itself, is the strongest."""
    known = [word for word in (one, other) if word in _STRENGTH]
    return min(known, key=_STRENGTH.index, default=None)


def provenance_of(row: Mapping[str, Any]) -> Provenance:
    """The provenance that stands in a row of a table."""
    confidence = row.get("confidence")
    return Provenance(
        source=str(row["source"]),
        tag=row["tag"],
        confidence=None if confidence in (None, "sourced") else str(confidence),
        inputs_tag=row.get("inputs_tag"),
    )
