"""Near misses as the notifier reads them, and their words: what would have to change, for what."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
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
from services.notifier.domain.matches import Side, side_from
from shared.vocabulary.enumerations import names

SUBSTANTIAL = 0.2

WORDS: dict[str, dict[str, str]] = {
    "fi": {
        "almost": "Melkein osuma",
        "digest": "Melkein osumia: {count}",
        "said": "Nämä massat sopisivat yhteen, jos yksi asia muuttuisi. Ehkä siitä voi puhua.",
        "open": "Avaa sivu",
        "worth": "hyöty {euros} € (arvio)",
        "or": " tai ",
        "surplus window_later": "jos massa luovutetaan {when} myöhemmin",
        "surplus window_earlier": "jos massa luovutetaan {when} aiemmin",
        "need window_later": "jos massa tarvitaan {when} myöhemmin",
        "need window_earlier": "jos massa tarvitaan {when} aiemmin",
        "surplus class": "jos massan luokaksi osoitetaan {code}",
        "need class": "jos tarpeeseen kelpaa luokka {code}",
        "surplus fact": "jos massasta saadaan {code}",
        "need fact": "jos tarpeesta kerrotaan {code}",
        "region fact": "jos selviää {code}",
        "region processing": "jos jokin alue tarjoaa työn: {code}",
        "region reach": "jos matka saa olla {km} km pidempi",
        "day": "päivän",
        "days": "{count} päivää",
        "week": "viikon",
        "weeks": "{count} viikkoa",
        "laboratory report": "laboratoriotulos",
        "invasive species survey": "vieraslajikartoitus",
        "waste status": "jätestatus",
        "legal route": "lupa- tai ilmoitusmenettely",
        "suitability class": "kelpoisuusluokka",
        "material": "tarkempi materiaali",
        "structure of the need": "rakenne",
        "groundwater area": "pohjavesialue",
        "layer thickness": "kerrospaksuus",
        "the layer's limit": "kerroksen raja-arvo",
    },
    "sv": {
        "almost": "Nästan en matchning",
        "digest": "Nästan matchningar: {count}",
        "said": "De här massorna skulle passa ihop om en sak ändrades. Kanske kan man tala om det.",
        "open": "Öppna sidan",
        "worth": "nytta {euros} € (uppskattning)",
        "or": " eller ",
        "surplus window_later": "om massan lämnas {when} senare",
        "surplus window_earlier": "om massan lämnas {when} tidigare",
        "need window_later": "om massan behövs {when} senare",
        "need window_earlier": "om massan behövs {when} tidigare",
        "surplus class": "om massan visar sig vara av klass {code}",
        "need class": "om klass {code} duger för behovet",
        "surplus fact": "om massan får {code}",
        "need fact": "om behovet anger {code}",
        "region fact": "om det klarnar: {code}",
        "region processing": "om något område erbjuder arbetet: {code}",
        "region reach": "om sträckan får vara {km} km längre",
        "day": "en dag",
        "days": "{count} dagar",
        "week": "en vecka",
        "weeks": "{count} veckor",
        "laboratory report": "laboratorieresultat",
        "invasive species survey": "kartläggning av främmande arter",
        "waste status": "avfallsstatus",
        "legal route": "tillstånds- eller anmälningsförfarande",
        "suitability class": "lämplighetsklass",
        "material": "noggrannare material",
        "structure of the need": "konstruktion",
        "groundwater area": "grundvattenområde",
        "layer thickness": "lagertjocklek",
        "the layer's limit": "lagrets gränsvärde",
    },
    "en": {
        "almost": "Almost a match",
        "digest": "Almost matches: {count}",
        "said": "These masses would fit if one thing changed. Perhaps it can be talked about.",
        "open": "Open the page",
        "worth": "benefit {euros} € (estimate)",
        "or": " or ",
        "surplus window_later": "if the mass leaves {when} later",
        "surplus window_earlier": "if the mass leaves {when} earlier",
        "need window_later": "if the mass is needed {when} later",
        "need window_earlier": "if the mass is needed {when} earlier",
        "surplus class": "if the mass is shown to be of class {code}",
        "need class": "if class {code} is good enough for the need",
        "surplus fact": "if the mass gets its {code}",
        "need fact": "if the need tells its {code}",
        "region fact": "if it becomes clear: {code}",
        "region processing": "if an area offers the work: {code}",
        "region reach": "if the way may be {km} km longer",
        "day": "a day",
        "days": "{count} days",
        "week": "a week",
        "weeks": "{count} weeks",
        "laboratory report": "laboratory report",
        "invasive species survey": "invasive species survey",
        "waste status": "waste status",
        "legal route": "permit or notification route",
        "suitability class": "suitability class",
        "material": "material more precisely",
        "structure of the need": "structure",
        "groundwater area": "groundwater area",
        "layer thickness": "layer thickness",
        "the layer's limit": "limit of the layer",
    },
}


@dataclass(frozen=True, slots=True)
class NearMiss:
    """
    One revision of a near miss, as it was told at *told_at*.

    *region* is the surplus's; *remedies* are who, what, days, km and code, any one of which would
    do. Tonnes are whole, money in cents.
    """

    id: UUID
    revision: int
    told_at: datetime
    region: str
    is_open: bool
    surplus: Side
    need: Side
    material: str
    tonnes: int
    worth_cents: int
    remedies: tuple[Mapping[str, Any], ...]
    sample: bool

    @property
    def sides(self) -> tuple[Side, Side]:
        return self.surplus, self.need

    @property
    def told_sides(self) -> tuple[Side, ...]:
        """The sides whose people are told: both, while it is open."""
        return self.sides if self.is_open else ()

    @property
    def organisations(self) -> tuple[str, ...]:
        """Those of its two sides, each once."""
        return tuple(dict.fromkeys(side.organisation for side in self.sides if side.organisation))

    @property
    def thing(self) -> str:
        """What would have to change, in codes; another thing is told again."""
        return " | ".join(f"{one['who']} {one['what']} {_amount(one)}" for one in self.remedies)


def _amount(remedy: Mapping[str, Any]) -> str:
    """The code, or weeks and tens of kilometres: a day more is the same thing."""
    if remedy.get("days") is not None:
        return f"{(remedy['days'] + 6) // 7} w"
    if remedy.get("km") is not None:
        return f"{round(remedy['km'] / 10)}0 km"
    return str(remedy.get("code"))


def near_miss_from(told: Mapping[str, Any], told_at: datetime) -> NearMiss:
    """The near miss in the body of a near-miss-found, as JSON."""
    return NearMiss(
        id=UUID(told["near_miss_id"]),
        revision=told["revision"],
        told_at=told_at,
        region=told["region"],
        is_open=told["state"] == "open",
        surplus=side_from(told["surplus"]),
        need=side_from(told["need"]),
        material=told["surplus"]["material"],
        tonnes=told["tonnes"]["likely"],
        worth_cents=told["value"]["total_cents"],
        remedies=tuple(told["remedies"]),
        sample=told["sample"],
    )


def is_news(near: NearMiss, before: tuple[str, int] | None) -> bool:
    """Whether *near* differs enough from the thing and worth that a person was told *before*."""
    if before is None:
        return True
    thing, worth_cents = before
    differs = abs(near.worth_cents - worth_cents)
    return thing != near.thing or differs >= SUBSTANTIAL * worth_cents


def headline(near: NearMiss, language: str, places: Mapping[str, str]) -> str:
    """What could move where, as in `till 12 000 t, Espoo → Vantaa`."""
    start, end = (one_line(places.get(side.municipality, side.municipality)) for side in near.sides)
    amount = f"{number(near.tonnes)}{SPACE}t"
    return f"{material_name(near.material, language)} {amount}, {start} → {end}"


def what_would_help(near: NearMiss, language: str) -> str:
    """The one thing that would have to change, and what it would be worth."""
    say = WORDS[language if language in WORDS else LANGUAGES[0]]
    ways = say["or"].join(way(one, language) for one in near.remedies)
    euros = number(near.worth_cents / 100)
    return f"{ways}: {say['worth'].format(euros=euros).replace(' €', f'{SPACE}€')}"


def way(remedy: Mapping[str, Any], language: str) -> str:
    """The one thing that would have to change, as in `if the mass leaves 3 weeks later`."""
    say = WORDS[language if language in WORDS else LANGUAGES[0]]
    known = say.get(f"{remedy['who']} {remedy['what']}")
    if known is None:  # told by a newer matcher
        return one_line(f"{remedy['who']} {remedy['what']} {remedy.get('code') or ''}")
    km = number(remedy["km"], 1) if remedy.get("km") is not None else ""
    return known.format(when=_when(remedy.get("days") or 0, say), km=km,
                        code=_code(remedy, language, say))  # fmt: skip


def _when(days: int, say: Mapping[str, str]) -> str:
    count, unit = (days // 7, "week") if days and days % 7 == 0 else (days, "day")
    return say[unit] if count == 1 else say[f"{unit}s"].format(count=count)


def _code(remedy: Mapping[str, Any], language: str, say: Mapping[str, str]) -> str:
    code = str(remedy.get("code") or "")
    if remedy["what"] == "processing":
        return ", ".join(names("processing", one, language) for one in code.split(", "))
    return one_line(say.get(code.replace("_", " "), code))


def letter_of_near_misses(
    found: Sequence[NearMiss],
    *,
    language: str,
    why: str,
    places: Mapping[str, str],
    portal_url: str,
) -> Letter:
    """One letter about all of *found*, best first, that names neither side."""
    language = language if language in LANGUAGES else LANGUAGES[0]
    say = WORDS[language]
    sample = any(near.sample for near in found)
    subject = say["digest"].format(count=len(found))
    band = TEXTS[language]["sample"]
    return laid_out(
        TEXTS[language],
        language=language,
        subject=f"[{band}] {subject}" if sample else subject,
        headline=say["almost"],
        said=[say["said"]],
        rows=[
            (headline(near, language, places), what_would_help(near, language)) for near in found
        ],
        link=(say["open"], f"{portal_url.rstrip('/')}/near-misses?region={found[0].region}"),
        why=TEXTS[language].get(why, ""),
        portal_url=portal_url,
        sample=sample,
    )
