"""The letter that asks an owner whether a forecast still holds."""

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from services.notifier.domain.letters import (
    LANGUAGES,
    SPACE,
    TEXTS,
    Letter,
    day,
    laid_out,
    material_name,
    number,
    one_line,
)
from services.notifier.domain.readers import COORDINATOR, Membership

WORDS: Mapping[str, Mapping[str, str]] = {
    "fi": {
        "asked": "Pitääkö massaennuste yhä paikkansa?",
        "said": "Siitä ei ole kuultu pitkään aikaan, tai sen aika lähestyy. Vahvistakaa se, tai"
        " kertokaa se uudelleen niin kuin se nyt on.",
        "else": "Ellei vastausta tule {day} mennessä, ennusteen luotettavuus alenee, ja sen jälkeen"
        " sitä ei enää tarjota.",
        "project": "Hanke",
        "heard": "Kerrottu viimeksi",
        "open": "Vahvista ennuste",
    },
    "sv": {
        "asked": "Gäller massprognosen fortfarande?",
        "said": "Den har inte hörts av på länge, eller så närmar sig dess tid. Bekräfta den, eller"
        " berätta den på nytt som den nu är.",
        "else": "Utan svar senast {day} sänks prognosens tillförlitlighet, och därefter erbjuds den"
        " inte längre.",
        "project": "Projekt",
        "heard": "Senast berättad",
        "open": "Bekräfta prognosen",
    },
    "en": {
        "asked": "Does this mass forecast still hold?",
        "said": "Nothing was heard of it for long, or its time is near. Confirm it, or tell it"
        " again as it now is.",
        "else": "Without an answer by {day} its grade of reliability drops, and after that it is"
        " offered no longer.",
        "project": "Project",
        "heard": "Last told",
        "open": "Confirm the forecast",
    },
}


def asked_of(
    organisation: str, contacts: Iterable[UUID], members: Iterable[Membership]
) -> dict[UUID, str]:
    """Who is asked, and why: the contacts named, else the coordinators of *organisation*."""
    named = dict.fromkeys(contacts, "contact")
    return named or {
        one.person: "coordinator"
        for one in members
        if one.organisation == organisation and COORDINATOR in one.roles
    }


def letter_of_question(
    told: Mapping[str, Any], *, language: str, why: str, portal_url: str
) -> Letter:
    """The letter about the confirmation-asked *told*, as JSON."""
    language = language if language in LANGUAGES else LANGUAGES[0]
    say, texts = WORDS[language], TEXTS[language]
    mass = f"{material_name(told['material'], language)} {number(told['likely_t'])}{SPACE}t"
    window = told["window"]
    rows = [
        (say["project"], one_line(told["title"])),
        (texts["material"], mass),
        (texts["window"],
         f"{day(date.fromisoformat(window['first']))}–{day(date.fromisoformat(window['last']))}"),
        (say["heard"], _day(told["confirmed_at"])),
    ]  # fmt: skip
    subject = f"{say['asked']} {mass}"
    return laid_out(
        texts,
        language=language,
        subject=f"[{texts['sample']}] {subject}" if told["sample"] else subject,
        headline=say["asked"],
        said=[say["said"], say["else"].format(day=_day(told["answer_by"]))],
        rows=rows,
        link=(say["open"], confirm_link(portal_url, told)),
        why=texts.get(why, ""),
        portal_url=portal_url,
        sample=told["sample"],
    )


def confirm_link(portal_url: str, told: Mapping[str, Any]) -> str:
    """The page where it is answered, with the forecast in view."""
    asked = urlencode({"region": told["region"], "forecast": told["forecast_id"]})
    return f"{portal_url.rstrip('/')}/confirm?{asked}"


def _day(moment: str) -> str:
    return day(datetime.fromisoformat(moment).date())
