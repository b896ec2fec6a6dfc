"""Two forecasts of one mass as the notifier reads them: who may know of both, and the words."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from services.notifier.domain.letters import (
    LANGUAGES,
    SPACE,
    TEXTS,
    Letter,
    laid_out,
    material_name,
    number,
    one_line,
)
from services.notifier.domain.readers import COORDINATOR, REGIONAL, Membership, Reader
from shared.vocabulary.visibility import is_open

OPEN = frozenset({"suggested", "unlinked", "reopened"})
TOLD = frozenset({"suggested", "linked", "unlinked"})
"""The changes that people are told of; what is refused or alike no longer leaves their desks."""

WORDS: Mapping[str, Mapping[str, str]] = {
    "fi": {
        "one": "Onko sama massa kerrottu kahdesti?",
        "said": "Yhdistetty massa lasketaan ja tarjotaan vain kerran. Katsokaa, onko kyse samasta.",
        "suggested": "joku muukin on ehkä kertonut tämän",
        "linked counts": "on yhdistetty toiseen ennusteeseen; tämä lasketaan",
        "linked": "on yhdistetty toiseen ennusteeseen, joka lasketaan tämän sijasta",
        "unlinked": "yhdistäminen on purettu; tämä lasketaan taas erikseen",
        "open": "Avaa parit",
    },
    "sv": {
        "one": "Har samma massa berättats två gånger?",
        "said": "En sammankopplad massa räknas och erbjuds bara en gång. Se efter om det är samma.",
        "suggested": "någon annan har kanske också berättat om den här",
        "linked counts": "har kopplats ihop med en annan prognos; den här räknas",
        "linked": "har kopplats ihop med en annan prognos, som räknas i stället",
        "unlinked": "sammankopplingen har upphävts; den här räknas åter för sig",
        "open": "Öppna paren",
    },
    "en": {
        "one": "Is the same mass told twice?",
        "said": "Linked masses are counted and offered once. See whether these are the same.",
        "suggested": "somebody else may have told this one too",
        "linked counts": "is linked to another forecast; this one counts",
        "linked": "is linked to another forecast, which counts instead of it",
        "unlinked": "was unlinked; this one counts by itself again",
        "open": "Open the pairs",
    },
}


@dataclass(frozen=True, slots=True)
class Half:
    """One of the two forecasts, as it was told with the pair."""

    forecast: UUID
    tellers: frozenset[str]
    region: str
    is_open: bool
    material: str
    tonnes: float
    municipality: str


@dataclass(frozen=True, slots=True)
class Pair:
    """
    One revision of a pair that may be one mass, as it was told at *told_at*.

    *change* is `suggested` or what became of it since; *counts* the forecast that counts once they
    are linked, *decided_by* the person who decided.
    """

    id: UUID
    revision: int
    told_at: datetime
    change: str
    counts: UUID | None
    decided_by: UUID | None
    halves: tuple[Half, Half]
    sample: bool

    @property
    def is_open(self) -> bool:
        """Whether somebody is yet to decide."""
        return self.change in OPEN

    @property
    def organisations(self) -> frozenset[str]:
        """Owners and reporters of both."""
        return self.halves[0].tellers | self.halves[1].tellers

    @property
    def region(self) -> str:
        """Where it is told."""
        return self.halves[0].region

    @property
    def regions(self) -> frozenset[str]:
        return frozenset(half.region for half in self.halves)


def pair_from(told: Mapping[str, Any], told_at: datetime) -> Pair:
    """The pair in the body of a duplicate-suggested or duplicate-changed, as JSON."""
    one, other = (
        Half(
            UUID(each["forecast_id"]),
            frozenset({each["organisation"], each["reporter"]}),
            each["region"],
            is_open(each),
            each["material"],
            each["quantity"]["likely_t"],
            each["place"]["municipality"],
        )
        for each in told["forecasts"]
    )
    counts, decided_by = told.get("counts"), told.get("decided_by")
    return Pair(
        id=UUID(told["duplicate_id"]),
        revision=told["revision"],
        told_at=told_at,
        change=told.get("change", "suggested"),
        counts=UUID(counts) if counts else None,
        decided_by=UUID(decided_by) if decided_by else None,
        halves=(one, other),
        sample=told["sample"],
    )


def readers_of_pair(pair: Pair, members: Iterable[Membership]) -> list[tuple[Reader, str]]:
    """
    Who is told of *pair*, each with the region it is told in, in the order of ids.

    As `GET /duplicates` lists it: coordinators of an owner or reporter, and regional coordinators,
    who may see both forecasts. Whoever decided it knows already.
    """
    if pair.change not in TOLD:
        return []
    by_person: dict[UUID, list[Membership]] = {}
    for member in members:
        by_person.setdefault(member.person, []).append(member)
    found = [
        told
        for person, held in sorted(by_person.items())
        if person != pair.decided_by and (told := _reader(pair, held)) is not None
    ]
    return found


def _reader(pair: Pair, held: Sequence[Membership]) -> tuple[Reader, str] | None:
    own = {one.organisation: one for one in held if COORDINATOR in one.roles}
    regional = [one for one in held if REGIONAL in one.roles]
    regions = frozenset[str]().union(*(one.regions for one in regional))
    if not all(half.is_open or half.tellers & set(own) or half.region in regions
               for half in pair.halves):  # fmt: skip
        return None
    through = tuple(sorted(pair.organisations & set(own)))
    if through:
        since = min(own[one].since for one in through)
        half = half_told(pair, through)
        reader = Reader(held[0].person, "coordinator", through[0], through, since, by_mail=True)
        return reader, half.region
    if pair.regions & regions:
        region = min(pair.regions & regions)
        one = next(each for each in regional if region in each.regions)
        return Reader(one.person, "region", one.organisation, (), one.since), region
    return None


def half_told(pair: Pair, organisations: Collection[str]) -> Half:
    """The half that is told of to who reads for *organisations*: its own, else the first."""
    named = set(organisations)
    return next((half for half in pair.halves if half.tellers & named), pair.halves[0])


def title_of_pair(
    pair: Pair, organisations: Collection[str], language: str, places: Mapping[str, str]
) -> str:
    """
    One's own forecast, as in `clay 1 600 t, Espoo`.

    Never the other: what it may show has perhaps changed since, and its page asks anew.
    """
    half = half_told(pair, organisations)
    place = one_line(places.get(half.municipality, half.municipality))
    return f"{material_name(half.material, language)} {number(half.tonnes)}{SPACE}t, {place}"


def text_of_pair(pair: Pair, organisations: Collection[str], language: str) -> str:
    """What is to be said of one's own forecast."""
    say = WORDS[language if language in WORDS else LANGUAGES[0]]
    if pair.change == "linked":
        counts = half_told(pair, organisations).forecast == pair.counts
        return say["linked counts" if counts else "linked"]
    return say["unlinked" if pair.change == "unlinked" else "suggested"]


def letter_of_pairs(
    found: Sequence[tuple[Pair, Collection[str]]],
    *,
    language: str,
    why: str,
    region: str,
    places: Mapping[str, str],
    portal_url: str,
) -> Letter:
    """One letter about all of *found*, each with the organisations that its reader reads for."""
    language = language if language in LANGUAGES else LANGUAGES[0]
    say, texts = WORDS[language], TEXTS[language]
    sample = any(pair.sample for pair, _ in found)
    subject = f"{say['one']} ({len(found)})"
    show = "suggested" if any(pair.is_open for pair, _ in found) else "linked"
    asked = urlencode({"region": region, "show": show})
    return laid_out(
        texts,
        language=language,
        subject=f"[{texts['sample']}] {subject}" if sample else subject,
        headline=say["one"],
        said=[say["said"]],
        rows=[
            (title_of_pair(pair, own, language, places), text_of_pair(pair, own, language))
            for pair, own in found
        ],
        link=(say["open"], f"{portal_url.rstrip('/')}/duplicates?{asked}"),
        why=texts.get(why, ""),
        portal_url=portal_url,
        sample=sample,
    )
