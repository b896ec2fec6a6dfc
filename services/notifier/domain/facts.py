"""What was told, as one organisation's system may be told of it: decided here for every webhook."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from services.notifier.domain.matches import match_from, of_the_other, own_view
from shared.vocabulary.visibility import as_others_see, is_open

Kind = Literal[
    "match", "near_miss", "delivery", "project", "forecast", "area", "confirmation", "duplicate"
]
Body = Mapping[str, Any]
ENDS = ("surplus", "need")


@dataclass(frozen=True, slots=True)
class Fact:
    """One revision of a thing of this *kind*, as *type* told it at *told_at*; *body* as JSON."""

    type: str
    kind: Kind
    id: UUID
    revision: int
    told_at: datetime
    body: Body

    @property
    def name(self) -> str:
        """The event's name: `forecast-updated`."""
        return self.type.split(".")[1]

    @property
    def region(self) -> str:
        region: str = self.body["region"]
        return region

    @property
    def organisations(self) -> frozenset[str]:
        """Those whose own it is."""
        return _OWNERS[self.kind](self.body)

    @property
    def is_open(self) -> bool:
        """Whether others are told of it too."""
        return self.kind in THINGS and is_open(self.body)


@dataclass(frozen=True, slots=True)
class Seen:
    """What one organisation may see of a fact, and what of it filters ask for."""

    body: Body
    whose: Literal["own", "others"]
    regions: frozenset[str] = frozenset()
    materials: frozenset[str] = frozenset()
    municipalities: frozenset[str] = frozenset()
    directions: frozenset[str] = frozenset()
    projects: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Filter:
    """What a webhook wants: each list empty, or one of it is met by what the fact has of that."""

    events: tuple[str, ...] = ()
    whose: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    materials: tuple[str, ...] = ()
    municipalities: tuple[str, ...] = ()
    directions: tuple[str, ...] = ()
    projects: tuple[str, ...] = ()

    def wants(self, name: str, seen: Seen) -> bool:
        """Whether event *name* about what is *seen* is wanted; a project, say, has no material."""
        return (
            _meets(self.events, {name})
            and _meets(self.whose, {seen.whose})
            and _meets(self.regions, seen.regions)
            and _meets(self.materials, seen.materials)
            and _meets(self.municipalities, seen.municipalities)
            and _meets(self.directions, seen.directions)
            and _meets(self.projects, seen.projects)
        )


def _meets(wanted: Collection[str], found: Collection[str]) -> bool:
    return not wanted or not found or bool(set(wanted) & set(found))


def seen_by(fact: Fact, organisation: str) -> Seen | None:
    """What *organisation* may see of *fact*; None where it is not told of it."""
    return _SEEN[fact.kind](fact, organisation)


# --- things: an owner sees all of its own, others what it opened, as the registry answers them ----

THINGS = frozenset({"project", "forecast", "area"})


def _tellers(body: Body) -> frozenset[str]:
    return frozenset({body["organisation"], body["reporter"]})


def _seen_thing(fact: Fact, organisation: str) -> Seen | None:
    own = organisation in fact.organisations
    if not own and not fact.is_open:
        return None
    body = fact.body
    return Seen(
        body=body if own else as_others_see(body),
        whose="own" if own else "others",
        regions=frozenset({body["region"]}),
        materials=frozenset(body.get("materials") or _named(body, "material")),
        municipalities=frozenset({body["place"]["municipality"]}),
        directions=_named(body, "direction"),
        projects=_named(body, "project_id"),
    )


def _named(body: Body, name: str) -> frozenset[str]:
    return frozenset({body[name]}) if body.get(name) is not None else frozenset()


def _seen_question(fact: Fact, organisation: str) -> Seen | None:
    if organisation not in fact.organisations:
        return None
    body = fact.body
    return Seen(
        body=body,
        whose="own",
        regions=frozenset({body["region"]}),
        materials=frozenset({body["material"]}),
        directions=frozenset({body["direction"]}),
        projects=frozenset({body["project_id"]}),
    )


# --- pairs: each side is told, of the other what it may see --------------------------------------


def _of_ends(body: Body) -> frozenset[str]:
    ends = (body.get(end) or {} for end in ENDS)
    return frozenset(one["organisation"] for one in ends if one.get("organisation"))


def _seen_match(fact: Fact, organisation: str) -> Seen | None:
    match = match_from(fact.body, fact.told_at, found=fact.name == "match-found")
    return _seen_pair(fact, organisation, lambda: own_view(fact.body, match, organisation))


def _seen_near_miss(fact: Fact, organisation: str) -> Seen | None:
    return _seen_pair(fact, organisation, lambda: near_view(fact.body, organisation))


def _seen_load(fact: Fact, organisation: str) -> Seen | None:
    return _seen_pair(fact, organisation, lambda: load_view(fact.body, organisation))


def _seen_pair(fact: Fact, organisation: str, view: Callable[[], Body]) -> Seen | None:
    body = fact.body
    own = {end: body[end] for end in ENDS if _is_of(body.get(end), organisation)}
    if not own:
        return None
    seen = view()
    shown = [seen[end] for end in ENDS if seen.get(end)]
    return Seen(
        body=seen,
        whose="own",
        regions=frozenset({body["region"], *(end["region"] for end in shown)}),
        materials=frozenset(end["material"] for end in shown),
        municipalities=frozenset(_municipality(end) for end in shown),
        directions=frozenset(own),
        projects=frozenset(end["project_id"] for end in own.values()),
    )


def _is_of(end: Body | None, organisation: str) -> bool:
    return end is not None and end.get("organisation") == organisation


def _municipality(end: Body) -> str:
    told: str = end["municipality"] if "municipality" in end else end["place"]["municipality"]
    return told


def near_view(body: Body, organisation: str) -> dict[str, Any]:
    """A near miss as *organisation* may see it: the other as in a proposal nobody accepted."""
    seen = dict(body)
    for end in ENDS:
        if not _is_of(body[end], organisation):
            seen[end] = of_the_other(body[end], named=False, exact=False)
    seen["who_could"] = [one for one in body["who_could"] if one == organisation]
    return seen


def load_view(body: Body, organisation: str) -> dict[str, Any]:
    """
    A load as *organisation*, one of its ends, may see it.

    Without what was assumed of its costs; the other end only under a match, whose sides know each
    other.
    """
    seen = {name: value for name, value in body.items() if name != "baseline"}
    if body.get("match_id") is None:
        for end in ENDS:
            if not _is_of(body.get(end), organisation):
                seen.pop(end, None)
                seen.pop(f"{end}_forecast_id", None)
    return seen


# --- duplicates: who sees both forecasts, and has a part in one ----------------------------------


def _of_pair(body: Body) -> frozenset[str]:
    return frozenset[str]().union(*map(_tellers, body["forecasts"]))


def _seen_duplicate(fact: Fact, organisation: str) -> Seen | None:
    pair: Iterable[Body] = fact.body["forecasts"]
    own = [one for one in pair if organisation in _tellers(one)]
    if not own or not all(is_open(one) or organisation in _tellers(one) for one in pair):
        return None
    return Seen(
        body={name: told for name, told in fact.body.items() if name != "decided_by"},
        whose="own",
        regions=frozenset(one["region"] for one in pair),
        materials=frozenset(one["material"] for one in pair),
        municipalities=frozenset(one["place"]["municipality"] for one in pair),
        directions=frozenset(one["direction"] for one in pair),
        projects=frozenset(one["project_id"] for one in own),
    )


_OWNERS: Mapping[Kind, Callable[[Body], frozenset[str]]] = {
    "match": _of_ends,
    "near_miss": _of_ends,
    "delivery": _of_ends,
    "project": _tellers,
    "forecast": _tellers,
    "area": _tellers,
    "confirmation": _tellers,
    "duplicate": _of_pair,
}
_SEEN: Mapping[Kind, Callable[[Fact, str], Seen | None]] = {
    "match": _seen_match,
    "near_miss": _seen_near_miss,
    "delivery": _seen_load,
    "project": _seen_thing,
    "forecast": _seen_thing,
    "area": _seen_thing,
    "confirmation": _seen_question,
    "duplicate": _seen_duplicate,
}
