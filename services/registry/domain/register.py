"""What a batch of letters makes of what is known: one verdict each, in the order they came."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from services.registry.domain.fields import KIND_OF, closest
from services.registry.domain.freshness import Freshness, went_on
from services.registry.domain.letter import Letter
from services.registry.domain.places import place_reasons
from services.registry.domain.states import (
    area_state,
    delivery_state,
    forecast_state,
    project_state,
    retold,
    same_amount,
    window_of,
)
from services.registry.domain.together import half_windows, reasons_together
from services.registry.domain.values import (
    Accepted,
    Code,
    Kind,
    Organisation,
    Reason,
    Rejected,
    Telling,
    Thing,
    Verdict,
    Waits,
    canonical_id,
)
from shared.vocabulary.regions import Region


@dataclass(frozen=True, slots=True)
class Mentions:
    """The ids that a letter speaks of, so that they can be read and held before it is judged."""

    about: UUID | None = None
    project: UUID | None = None
    forecast: UUID | None = None
    area: UUID | None = None
    owner: str | None = None
    region: str | None = None
    contacts: tuple[str, ...] = ()

    @property
    def held(self) -> set[UUID]:
        """Whatever must not change while the letter is judged."""
        return {id for _, id in self.named} | ({self.about} if self.about else set())

    @property
    def named(self) -> list[tuple[Kind, UUID]]:
        """The other things that it names."""
        named: tuple[tuple[Kind, UUID | None], ...] = (
            ("project", self.project),
            ("forecast", self.forecast),
            ("area", self.area),
        )
        return [(kind, id) for kind, id in named if id is not None]


def mentions_of(letter: Letter, reporter: str) -> Mentions:
    """What *letter* of *reporter* speaks of, as far as it can be read."""
    said = letter.said
    if letter.event is None:
        return Mentions()
    kind = KIND_OF[letter.event]

    def named(kind_of_it: Kind, name: str) -> UUID | None:
        return canonical_id(reporter, kind_of_it, said[name]) if name in said else None

    about = named(kind, "external_id")
    return Mentions(
        about=about,
        project=about if kind == "project" else named("project", "project"),
        forecast=named("forecast", "forecast"),
        area=named("area", "area"),
        owner=said.get("owner"),
        region=said.get("region"),
        contacts=tuple(said.get("contacts", ())),
    )


@dataclass
class Register:
    """
    What is known, as far as a batch speaks of it, and what the batch changes.

    *mandates* are (owner, reporter); *members* the (organisation, person) pairs that were asked
    about. *changed* and *tellings* grow as letters are judged.
    """

    organisations: Mapping[str, Organisation]
    regions: Mapping[str, Region]
    mandates: set[tuple[str, str]] = field(default_factory=set)
    members: set[tuple[str, str]] = field(default_factory=set)
    things: dict[UUID, Thing] = field(default_factory=dict)
    changed: dict[UUID, Thing] = field(default_factory=dict)
    tellings: list[Telling] = field(default_factory=list)

    def judge(self, letter: Letter, reporter: str, now: datetime) -> Verdict:
        """The verdict on *letter* of *reporter*, who is known by subject or credential."""
        reasons = [*letter.reasons, *self._of_reporter(reporter)]
        if letter.event is None or letter.told is None:
            return Rejected(tuple(reasons))
        said = letter.said
        reasons += reasons_together(letter.event, said)
        if KIND_OF[letter.event] in ("project", "area"):
            reasons += half_windows(said, letter.told)
        reasons += self._of_owner(said.get("owner"), reporter)
        hand = _Hand(letter, reporter, said, reasons, now)
        match KIND_OF[letter.event]:
            case "project" if letter.event == "project-withdrawn":
                return self._withdraw(hand)
            case "project":
                return self._keep_project(hand)
            case "forecast":
                return self._keep_forecast(hand)
            case "area":
                return self._keep_area(hand)
            case _:
                return self._keep_delivery(hand)

    # who

    def _of_reporter(self, reporter: str) -> list[Reason]:
        known = self.organisations.get(reporter)
        if known is None or not known.active:
            return [Reason("organisation_suspended", "", reporter)]
        return []

    def _of_owner(self, owner: str | None, reporter: str) -> list[Reason]:
        if owner is None or owner == reporter:
            return []
        if owner not in self.organisations:
            return [Reason("owner_unknown", "/owner", owner)]
        if (owner, reporter) not in self.mandates:
            return [Reason("no_mandate", "/owner", owner, {"reporter": reporter})]
        return []

    def _of_contacts(self, hand: "_Hand", owner: str) -> list[Reason]:
        return [
            Reason("contact_unknown", f"/contacts/{at}", person)
            for at, person in enumerate(hand.said.get("contacts", ()))
            if not {(owner, person), (hand.reporter, person)} & self.members
        ]

    # where

    def _region_of(self, hand: "_Hand") -> Region | None:
        """The region told, or the reporter's own; reasons are noted in *hand*."""
        home = self.organisations.get(hand.reporter)
        code = hand.said.get("region") or (home.region if home else None)
        found = self.regions.get(code) if code else None
        if found is None:
            if code:
                close = closest(code, tuple(self.regions))
                reason = Reason("region_unknown", "/region", code, {"close": close})
                hand.reasons.append(reason)
            return None
        own = self.regions.get(home.region) if home else None
        if own is not None and own.sample and not found.sample:
            says = {"own": own.code}
            hand.reasons.append(Reason("sample_stays_sample", "/region", code, says))
        return found

    # what

    def _keep_project(self, hand: "_Hand") -> Verdict:
        owner = hand.said.get("owner", hand.reporter)
        hand.reasons += self._of_contacts(hand, owner)
        region = self._region_of(hand)
        if region is not None:
            hand.reasons += place_reasons(hand.said, region)
        if hand.reasons or region is None:
            return Rejected(tuple(hand.reasons))
        known = self.things.get(hand.about)
        same = known is not None and known.told == hand.content and not known.withdrawn
        thing = hand.thing(known, owner, region.code)
        verdict = self._take(hand, known, thing, same=same)
        if verdict.code != "taken":
            return verdict
        thing = replace(thing, state=project_state(thing, region))
        self._tell("project-updated" if known else "project-added", thing)
        self._retell_forecasts(thing, region)
        return Accepted("taken", thing)

    def _withdraw(self, hand: "_Hand") -> Verdict:
        if hand.reasons:
            return Rejected(tuple(hand.reasons))
        known = self.things.get(hand.about)
        if known is None:
            value = hand.said["external_id"]
            return Waits(hand.about, Reason("project_unknown", "/external_id", value))
        against = self._of_owner(known.organisation, hand.reporter)
        if against:
            return Rejected(tuple(against))
        thing = replace(
            hand.thing(known, known.organisation, known.region),
            told={
                **known.told,
                **({"reason": hand.said["reason"]} if "reason" in hand.said else {}),
            },
            state=known.state,
            withdrawn=True,
        )
        verdict = self._take(hand, known, thing, same=known.withdrawn)
        if verdict.code != "taken":
            return verdict
        self._tell("project-withdrawn", thing)
        self._retell_forecasts(thing, self.regions[thing.region])
        return Accepted("taken", thing)

    def _keep_forecast(self, hand: "_Hand") -> Verdict:
        name = hand.said.get("project")
        project_id = canonical_id(hand.reporter, "project", name) if name else None
        project = self.things.get(project_id) if project_id else None
        if project is not None:
            hand.reasons += self._of_project(hand, project)
        if hand.reasons or project_id is None:
            return Rejected(tuple(hand.reasons))
        if project is None:
            return Waits(project_id, Reason("project_unknown", "/project", name))
        known = self.things.get(hand.about)
        owner = hand.said.get("owner", project.organisation)
        region = self.regions[project.region]
        thing = replace(
            hand.thing(known, owner, region.code),
            project_id=project.id,
            anchor=window_of(project.told),
            fresh=Freshness(hand.now),
            duplicate_of=known.duplicate_of if known else None,
        )
        same = known is not None and known.told == hand.content
        verdict = self._take(hand, known, thing, same=same)
        if verdict.code == "unchanged":
            return Accepted("unchanged", self.confirm(verdict.thing, hand.now))
        if verdict.code != "taken":
            return verdict
        as_of = (hand.told_at or hand.now).date().isoformat()
        if known is not None and same_amount(known, thing):
            as_of = known.state.get("amount_as_of") or as_of
        thing = replace(thing, state={"amount_as_of": as_of})
        thing = replace(thing, state=forecast_state(thing, project, region))
        self._tell("forecast-updated", thing)
        return Accepted("taken", thing)

    def confirm(self, forecast: Thing, now: datetime) -> Thing:
        """*forecast*, whose owner says that it holds; told where its grade or offer returns."""
        return self._told_anew(replace(forecast, fresh=Freshness(now)))

    def go_on(self, forecast: Thing, now: datetime) -> Thing:
        """*forecast* once its owner is asked whether it holds, or has missed an answer."""
        fresh = went_on(forecast.fresh or Freshness(now), now)
        return self._told_anew(replace(forecast, fresh=fresh))

    def link(self, forecast: Thing, counts: UUID | None) -> Thing:
        """*forecast*, for which *counts* does; for itself once more where that is None."""
        return self._told_anew(replace(forecast, duplicate_of=counts))

    def _told_anew(self, known: Thing) -> Thing:
        project = self.things[known.project_id] if known.project_id else None
        again = retold(known, project, self.regions[project.region]) if project else None
        if again is None:
            self._note(known)
            return known
        self._tell("forecast-updated", again)
        return again

    def _of_project(self, hand: "_Hand", project: Thing) -> list[Reason]:
        region = self.regions[project.region]
        where = {"municipality": project.told["municipality"], **hand.said}
        reasons = place_reasons(where, region)
        if "owner" not in hand.said and project.organisation != hand.reporter:
            reasons += self._of_owner(project.organisation, hand.reporter)
        known = self.things.get(hand.about_or_none) if hand.about_or_none else None
        if known is not None and known.project_id != project.id:
            reasons.append(Reason("project_changed", "/project", hand.said["project"]))
        return reasons

    def _keep_area(self, hand: "_Hand") -> Verdict:
        region = self._region_of(hand)
        if region is not None:
            hand.reasons += place_reasons(hand.said, region)
        if hand.reasons or region is None:
            return Rejected(tuple(hand.reasons))
        known = self.things.get(hand.about)
        thing = hand.thing(known, hand.said.get("owner", hand.reporter), region.code)
        same = known is not None and known.told == hand.content
        verdict = self._take(hand, known, thing, same=same)
        if verdict.code != "taken":
            return verdict
        thing = replace(thing, state=area_state(thing, region))
        self._tell("area-updated", thing)
        return Accepted("taken", thing)

    def _keep_delivery(self, hand: "_Hand") -> Verdict:
        if hand.reasons:
            return Rejected(tuple(hand.reasons))
        about: dict[str, Thing] = {}
        for kind in ("forecast", "area"):
            if kind not in hand.said:
                continue
            external_id = hand.said[kind]
            its_id = canonical_id(hand.reporter, kind, external_id)
            found = self.things.get(its_id)
            if found is None:
                return Waits(its_id, Reason(f"{kind}_unknown", f"/{kind}", external_id))
            about[kind] = found
        forecast, area = about.get("forecast"), about.get("area")
        of = forecast or area
        owner = hand.said.get("owner") or (forecast.organisation if forecast else hand.reporter)
        against = self._of_owner(owner, hand.reporter)
        if against:
            return Rejected(tuple(against))
        region = of.region if of else self.organisations[hand.reporter].region
        known = self.things.get(hand.about)
        thing = hand.thing(known, owner, region)
        same = known is not None and known.told == hand.content
        verdict = self._take(hand, known, thing, same=same)
        if verdict.code != "taken":
            return verdict
        thing = replace(thing, state=delivery_state(thing, forecast, area))
        self._tell("delivery-reported", thing)
        return Accepted("taken", thing)

    # keeping

    def _take(self, hand: "_Hand", known: Thing | None, thing: Thing, *, same: bool) -> Accepted:
        """Whether the news stands. Unchanged but newer news is noted, so that older stays older."""
        code = standing(known, hand.revision, hand.told_at, same=same)
        if known is None or code == "taken":
            return Accepted("taken", thing)
        if code == "unchanged":
            noted = replace(known, external_revision=thing.external_revision, told_at=thing.told_at)
            if noted != known:
                self._note(noted)
            return Accepted(code, noted)
        return Accepted(code, known)

    def _retell_forecasts(self, project: Thing, region: Region) -> None:
        for forecast in [each for each in self.things.values() if each.project_id == project.id]:
            again = retold(forecast, project, region)
            if again is not None:
                self._tell("forecast-updated", again)

    def _tell(self, event: str, thing: Thing) -> None:
        self._note(thing)
        self.tellings.append(Telling(event, thing))

    def _note(self, thing: Thing) -> None:
        self.things[thing.id] = thing
        self.changed[thing.id] = thing


def standing(
    known: Thing | None, revision: int | None, told_at: datetime | None, *, same: bool
) -> Code:
    """
    Whether news stands beside what is *known*: `taken`, `unchanged` or `superseded`.

    The reporter's own *revision* decides; where it has none, the time it gave the news (*told_at*);
    where it gave none, the order of arrival. *same* is whether both say the same.
    """
    if known is None:
        return "taken"
    if revision is not None and known.external_revision is not None:
        if revision < known.external_revision:
            return "superseded"
        if revision == known.external_revision:
            return "unchanged" if same else "superseded"
    elif told_at is not None and known.told_at is not None and told_at < known.told_at:
        return "unchanged" if same else "superseded"
    return "unchanged" if same else "taken"


Ordered = TypeVar("Ordered", int, datetime)


def _later(one: Ordered | None, other: Ordered | None) -> Ordered | None:
    """The greater of two that may be missing."""
    if one is None or other is None:
        return other if one is None else one
    return max(one, other)


@dataclass(slots=True)
class _Hand:
    """One letter in the hand: what it said, and the reasons found so far."""

    letter: Letter
    reporter: str
    said: Mapping[str, Any]
    reasons: list[Reason]
    now: datetime

    @property
    def about_or_none(self) -> UUID | None:
        if "external_id" not in self.said or self.letter.event is None:
            return None
        kind = KIND_OF[self.letter.event]
        return canonical_id(self.reporter, kind, self.said["external_id"])

    @property
    def about(self) -> UUID:
        """The id of the thing; only asked once *reasons* is known to be empty."""
        found = self.about_or_none
        assert found is not None
        return found

    @property
    def revision(self) -> int | None:
        return self.said.get("external_revision")

    @property
    def told_at(self) -> datetime | None:
        """When the news was given; a clock that runs ahead is not believed beyond now."""
        return min(self.letter.told_at, self.now) if self.letter.told_at else None

    @property
    def content(self) -> dict[str, Any]:
        """What was said of the thing itself, to compare and to keep."""
        return {name: self.said[name] for name in self.said if name != "external_revision"}

    def thing(self, known: Thing | None, owner: str, region: str) -> Thing:
        """The thing as the letter tells it, one revision on, its state not yet made."""
        assert self.letter.event is not None
        before = (known.external_revision, known.told_at) if known else (None, None)
        return Thing(
            id=self.about,
            kind=KIND_OF[self.letter.event],
            organisation=owner,
            reporter=self.reporter,
            external_id=self.said["external_id"],
            external_revision=_later(self.revision, before[0]),
            told_at=_later(self.told_at, before[1]),
            region=region,
            revision=known.revision + 1 if known else 1,
            told=self.content,
            state={},
        )
