"""What one change of a forecast would open with several others, gathered from near misses."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.notifier.domain.letters import (
    LANGUAGES,
    TEXTS,
    Letter,
    laid_out,
    material_name,
    number,
    one_line,
)
from services.notifier.domain.near import way

FEWEST = 2
"""With how many others; what would open one is told as a near miss already."""
IN_ONE_LETTER = 5

WORDS: Mapping[str, Mapping[str, str]] = {
    "fi": {
        "one": "Yksi muutos avaisi useamman osuman",
        "said": "Näille massoille löytyisi monta vastinetta, jos yksi asia muuttuisi.",
        "opens": "{way}: sopisi {count} muun kanssa",
        "open": "Katso, mitä muutos avaisi",
    },
    "sv": {
        "one": "En ändring skulle öppna flera matchningar",
        "said": "De här massorna skulle passa ihop med flera om en sak ändrades.",
        "opens": "{way}: skulle passa med {count} andra",
        "open": "Se vad ändringen skulle öppna",
    },
    "en": {
        "one": "One change would open several matches",
        "said": "These masses would fit several others if one thing changed.",
        "opens": "{way}: would fit {count} others",
        "open": "See what the change would open",
    },
}


@dataclass(frozen=True, slots=True)
class Opening:
    """One *change* of one's own forecast, as far as all of *partners* others need it."""

    forecast: str
    region: str
    material: str
    municipality: str
    change: Mapping[str, Any]
    partners: int
    sample: bool


def openings_among(found: Iterable[tuple[Mapping[str, Any], Collection[str]]]) -> list[Opening]:
    """
    What opens most, most first, of open near misses *found*: the body of each, with the
    organisations that its reader reads for.
    """
    gathered: dict[tuple[str, ...], list[tuple[Mapping[str, Any], Mapping[str, Any], str]]] = {}
    for told, own in found:
        for mine, other in (("surplus", "need"), ("need", "surplus")):
            if told[mine].get("organisation") not in own:
                continue
            for remedy in told["remedies"]:
                if remedy["who"] in (mine, "region"):
                    key = (told[mine]["forecast_id"], mine, remedy["who"], remedy["what"],
                           str(remedy.get("code")))  # fmt: skip
                    one = (told, remedy, told[other]["forecast_id"])
                    gathered.setdefault(key, []).append(one)
    openings = [
        _opening(key[1], several)
        for key, several in sorted(gathered.items())
        if len({partner for _, _, partner in several}) >= FEWEST
    ]
    return sorted(openings, key=lambda one: -one.partners)[:IN_ONE_LETTER]


def _opening(
    mine: str, several: Sequence[tuple[Mapping[str, Any], Mapping[str, Any], str]]
) -> Opening:
    told, change, _ = several[0]
    far = {
        name: max(each.get(name) or 0 for _, each, _ in several)
        for name in ("days", "km")
        if change.get(name) is not None
    }
    return Opening(
        told[mine]["forecast_id"],
        told[mine]["region"],
        told[mine]["material"],
        told[mine]["place"]["municipality"],
        {**change, **far},
        len({partner for _, _, partner in several}),
        told["sample"],
    )


def letter_of_openings(
    found: Sequence[Opening],
    *,
    language: str,
    why: str,
    places: Mapping[str, str],
    portal_url: str,
) -> Letter:
    """One letter about all of *found*, that names none of the others."""
    language = language if language in LANGUAGES else LANGUAGES[0]
    say, texts = WORDS[language], TEXTS[language]
    sample = any(one.sample for one in found)
    best = found[0]
    page = f"/openings/{best.forecast}" if len(found) == 1 else "/near-misses"
    return laid_out(
        texts,
        language=language,
        subject=f"[{texts['sample']}] {say['one']}" if sample else say["one"],
        headline=say["one"],
        said=[say["said"]],
        rows=[(_mass(one, language, places), _said(one, language, say)) for one in found],
        link=(say["open"], f"{portal_url.rstrip('/')}{page}?region={best.region}"),
        why=texts.get(why, ""),
        portal_url=portal_url,
        sample=sample,
    )


def _mass(one: Opening, language: str, places: Mapping[str, str]) -> str:
    place = one_line(places.get(one.municipality, one.municipality))
    return f"{material_name(one.material, language)}, {place}"


def _said(one: Opening, language: str, say: Mapping[str, str]) -> str:
    return say["opens"].format(way=way(one.change, language), count=number(one.partners))
