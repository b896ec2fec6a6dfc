"""The words of a mail, in the reader's language; figures in the Finnish form in each."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from html import escape
from typing import Any
from uuid import UUID

from services.notifier.domain.matches import Match, Side
from shared.vocabulary.materials import MATERIALS

LANGUAGES = ("fi", "sv", "en")
SPACE = "\u00a0"  # between thousands, and before a unit

TEXTS: dict[str, dict[str, str]] = {
    "fi": {
        "found": "Uusi osuma",
        "asks": "Osuma odottaa päätöstänne",
        "accepted": "Toinen osapuoli on hyväksynyt",
        "agreed": "Osuma on sovittu",
        "declined": "Osuma on hylätty",
        "undone": "Hyväksyntä on peruttu",
        "fell_away": "Hyväksytty osuma raukesi",
        "alarm": "Sovittu osuma vaatii huomiota",
        "countered": "Vastatarjous osumaan",
        "closed": "Osuma on päätetty",
        "done": "Osuma on toimitettu",
        "below": "Ennuste alittaa sovitun määrän",
        "over": "Toimitettu enemmän kuin sovittiin",
        "window_over": "Sovittu aika on ohi, massaa on toimittamatta",
        "delivered": "Toimitettu",
        "left": "jäljellä",
        "beyond": "yli sovitun",
        "changed": "Osuma on muuttunut",
        "material": "Massa",
        "tonnes": "Määrä",
        "route": "Mistä → minne",
        "window": "Ajankohta",
        "distance": "Matka",
        "value": "Hyöty (arvio)",
        "climate": "CO₂e-säästö (arvio)",
        "project": "Hankkeenne",
        "other": "Vastapuoli",
        "hidden": "nimi näkyy, kun toinen osapuoli on hyväksynyt",
        "total": "yhteensä",
        "move": "Päätös odottaa teitä.",
        "open": "Avaa osuma",
        "contact": "Saat tämän, koska olet hankkeen yhteyshenkilö.",
        "coordinator": "Saat tämän, koska olet organisaatiosi massakoordinaattori.",
        "stop": "Ilmoitusasetukset",
        "sample": "Esimerkkiseutu – ei oikeita massoja",
        "webhook": "Rajapintakutsu on poistettu käytöstä",
        "webhook_why": "Osoite ei ottanut ilmoituksia vastaan, joten niitä ei enää lähetetä.",
        "webhook_do": "Korjaa vastaanottaja ja ota kutsu uudelleen käyttöön asetuksissa.",
        "organisation": "Organisaatio",
        "host": "Palvelin",
    },
    "sv": {
        "found": "Ny matchning",
        "asks": "En matchning väntar på ert beslut",
        "accepted": "Den ena parten har godkänt",
        "agreed": "Matchningen är överenskommen",
        "declined": "Matchningen har avböjts",
        "undone": "Ett godkännande har återtagits",
        "fell_away": "En godkänd matchning har förfallit",
        "alarm": "En överenskommen matchning kräver åtgärd",
        "countered": "Ett motbud på en matchning",
        "closed": "Matchningen har avslutats",
        "done": "Matchningen är levererad",
        "below": "Prognosen underskrider den överenskomna mängden",
        "over": "Mer har levererats än överenskommet",
        "window_over": "Den överenskomna tiden är ute, massor återstår",
        "delivered": "Levererat",
        "left": "återstår",
        "beyond": "över det överenskomna",
        "changed": "Matchningen har ändrats",
        "material": "Massa",
        "tonnes": "Mängd",
        "route": "Från → till",
        "window": "Tid",
        "distance": "Avstånd",
        "value": "Nytta (uppskattning)",
        "climate": "CO₂e-besparing (uppskattning)",
        "project": "Ert projekt",
        "other": "Motpart",
        "hidden": "namnet visas när den ena parten har godkänt",
        "total": "totalt",
        "move": "Beslutet väntar på er.",
        "open": "Öppna matchningen",
        "contact": "Du får detta eftersom du är projektets kontaktperson.",
        "coordinator": "Du får detta eftersom du är masskoordinator i din organisation.",
        "stop": "Inställningar för meddelanden",
        "sample": "Exempelregion – inga verkliga massor",
        "webhook": "Ett gränssnittsanrop har tagits ur bruk",
        "webhook_why": "Adressen tog inte emot meddelandena, så de skickas inte längre.",
        "webhook_do": "Åtgärda mottagaren och ta anropet i bruk igen i inställningarna.",
        "organisation": "Organisation",
        "host": "Server",
    },
    "en": {
        "found": "New match",
        "asks": "A match awaits your decision",
        "accepted": "One side has accepted",
        "agreed": "The match is agreed",
        "declined": "The match was declined",
        "undone": "An acceptance was taken back",
        "fell_away": "An accepted match fell away",
        "alarm": "An agreed match needs your attention",
        "countered": "A counter-offer",
        "closed": "The match was closed",
        "done": "The match is delivered",
        "below": "A forecast fell below what was agreed",
        "over": "More was delivered than agreed",
        "window_over": "The agreed time is over and masses are left",
        "delivered": "Delivered",
        "left": "left",
        "beyond": "beyond what was agreed",
        "changed": "The match has changed",
        "material": "Material",
        "tonnes": "Quantity",
        "route": "From → to",
        "window": "When",
        "distance": "Distance",
        "value": "Benefit (estimate)",
        "climate": "CO₂e saved (estimate)",
        "project": "Your project",
        "other": "Other side",
        "hidden": "the name shows once one side has accepted",
        "total": "in total",
        "move": "It is your move.",
        "open": "Open the match",
        "contact": "You get this because you are the contact person of the project.",
        "coordinator": "You get this because you coordinate masses in your organisation.",
        "stop": "Notification settings",
        "sample": "Sample region – no real masses",
        "webhook": "A webhook has been disabled",
        "webhook_why": "The address did not take the notifications, so they are sent no more.",
        "webhook_do": "Mend the receiver and enable the webhook again in the settings.",
        "organisation": "Organisation",
        "host": "Server",
    },
}


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail without its envelope: *subject* is one line; *text* and *html* say the same."""

    language: str
    subject: str
    text: str
    html: str


def number(value: float, decimals: int = 0) -> str:
    """*value* in the Finnish form: a no-break space between thousands, a comma, a true minus."""
    told = f"{abs(value):,.{decimals}f}".replace(",", SPACE).replace(".", ",")
    return f"−{told}" if value < 0 and told.strip("0,") else told


def day(value: date) -> str:
    """*value* as `18.5.2026`."""
    return f"{value.day}.{value.month}.{value.year}"


def one_line(value: str, longest: int = 120) -> str:
    """*value* without line breaks and control characters, so that it can enter a header."""
    kept = "".join(c if c.isprintable() or c == SPACE else " " for c in value)
    told = " ".join(filter(None, kept.split(" ")))
    return told if len(told) <= longest else f"{told[: longest - 1]}…"


def headline_of(match: Match, organisations: tuple[str, ...]) -> str:
    """Which of the texts says what this revision of *match* is to those who read for it."""
    said = {
        "found": match.found,
        "below": match.change == "forecast_below_agreed",
        "over": match.change == "over_delivered",
        "window_over": match.change == "window_over",
        "alarm": match.is_alarm,
        "fell_away": match.state in ("withdrawn", "expired"),
        "undone": match.change in ("undo", "undone"),
        "declined": match.state == "declined",
        "countered": match.change == "countered",
        "closed": match.change == "closed",
        "done": match.change == "done",
        "agreed": match.state == "agreed",
        "asks": bool(set(match.asks) & set(organisations)),
        "accepted": bool(match.accepted_by),
        "changed": True,
    }
    return next(headline for headline, holds in said.items() if holds)


def letter_about(
    match: Match,
    *,
    language: str,
    why: str,
    organisations: tuple[str, ...],
    places: Mapping[str, str],
    projects: Mapping[UUID, str],
    names: Mapping[str, str],
    portal_url: str,
) -> Letter:
    """
    The letter to one who reads for *organisations* about this revision of *match*.

    *places* names municipalities by code, *projects* and *names* titles by id and token. The other
    side's name and project are in it only when `match.names_are_open`.
    """
    language = language if language in LANGUAGES else LANGUAGES[0]
    say = TEXTS[language]
    material = material_name(match.material, language)
    start, end = (
        one_line(places.get(side.municipality, side.municipality)) for side in match.sides
    )
    headline = say[headline_of(match, organisations)]
    amount = f"{number(match.tonnes)}{SPACE}t"
    rows = [
        (say["material"], material),
        (say["tonnes"], amount + _range(match)),
        (say["route"], f"{start} → {end}"),
        (say["window"], f"{day(match.first)}–{day(match.last)}"),
        (say["distance"], f"{number(match.km, 1)}{SPACE}km"),
        (say["value"], _value(match, say)),
        (say["climate"], f"{number(match.saved_g_per_t * match.tonnes / 1e6, 1)}{SPACE}t"),
    ]
    if match.delivered_t and match.left_t is not None:
        rows.append((say["delivered"], _delivered(match, match.left_t, say)))
    rows += _parties(match, organisations, projects, names, say)
    subject = f"{headline}: {material} {amount}, {start} → {end}"
    return laid_out(
        say,
        language=language,
        subject=f"[{say['sample']}] {subject}" if match.sample else subject,
        headline=headline,
        said=[say["move"]] if set(match.asks) & set(organisations) else [],
        rows=rows,
        link=(say["open"], f"{portal_url.rstrip('/')}/matches/{match.id}"),
        why=say.get(why, ""),
        portal_url=portal_url,
        sample=match.sample,
    )


def letter_of_disabled(told: Mapping[str, Any], *, language: str, portal_url: str) -> Letter:
    """The letter to the owner of a webhook that was disabled; *told* has host and organisation."""
    language = language if language in LANGUAGES else LANGUAGES[0]
    say = TEXTS[language]
    return laid_out(
        say,
        language=language,
        subject=f"{say['webhook']}: {one_line(told['host'])}",
        headline=say["webhook"],
        said=[say["webhook_why"], say["webhook_do"]],
        rows=[(say["organisation"], one_line(told["organisation"])),
              (say["host"], one_line(told["host"]))],
        link=(say["stop"], f"{portal_url.rstrip('/')}/settings/connections"),
        why="",
        portal_url=portal_url,
        sample=False,
    )  # fmt: skip


def settings_link(portal_url: str) -> str:
    """Where a reader turns mail off."""
    return f"{portal_url.rstrip('/')}/settings/notifications"


def material_name(code: str, language: str) -> str:
    """What the material *code* is called; the code where it is not known."""
    known = MATERIALS.get(code)
    return one_line(known.names.get(language, code) if known else code)


def _range(match: Match) -> str:
    if match.tonnes_low == match.tonnes_high:
        return ""
    return f" ({number(match.tonnes_low)}–{number(match.tonnes_high)}{SPACE}t)"


def _delivered(match: Match, left_t: float, say: Mapping[str, str]) -> str:
    rest = say["left"] if left_t >= 0 else say["beyond"]
    told = (f"{number(abs(t), 0 if t == round(t) else 1)}{SPACE}t" for t in
            (match.delivered_t, left_t))  # fmt: skip
    return f"{next(told)}, {next(told)} {rest}"


def _value(match: Match, say: Mapping[str, str]) -> str:
    per_tonne = f"{number(match.value_cents_per_t / 100, 2)}{SPACE}€/t"
    return f"{per_tonne}, {say['total']} {number(match.total_cents / 100)}{SPACE}€"


def _parties(
    match: Match,
    organisations: tuple[str, ...],
    projects: Mapping[UUID, str],
    names: Mapping[str, str],
    say: Mapping[str, str],
) -> list[tuple[str, str]]:
    rows = []
    for side in match.sides:
        if side.organisation in organisations:
            if side.project_id in projects:
                rows.append((say["project"], one_line(projects[side.project_id])))
        else:
            rows.append((say["other"], _other(match, side, names, say)))
    return rows


def _other(match: Match, side: Side, names: Mapping[str, str], say: Mapping[str, str]) -> str:
    if not match.names_are_open or side.organisation is None:
        return say["hidden"]
    return one_line(names.get(side.organisation, side.organisation))


def laid_out(
    say: Mapping[str, str],
    *,
    language: str,
    subject: str,
    headline: str,
    said: list[str],
    rows: list[tuple[str, str]],
    link: tuple[str, str],
    why: str,
    portal_url: str,
    sample: bool,
) -> Letter:
    """A letter of a headline, paragraphs, *rows* of label and value, and one *link*."""
    stop = settings_link(portal_url)
    band = [say["sample"]] if sample else []
    lines = [*band, headline, "", *said, *([""] if said else [])]
    lines += [f"{label}: {value}" for label, value in rows]
    lines += ["", f"{link[0]}: {link[1]}", "", "-- ", *([why] if why else [])]
    lines += [f"{say['stop']}: {stop}", ""]
    table = "".join(
        f'<tr><th align="left" style="padding:2px 16px 2px 0;font-weight:normal;color:#55606a">'
        f'{escape(label)}</th><td style="padding:2px 0">{escape(value)}</td></tr>'
        for label, value in rows
    )
    paragraphs = "".join(f"<p>{escape(line)}</p>" for line in said)
    banner = "".join(f'<p style="background:#f6f4ee;padding:8px">{escape(b)}</p>' for b in band)
    html = (
        f'<!doctype html><html lang="{language}"><head><meta charset="utf-8">'
        f"<title>{escape(subject)}</title></head>"
        '<body style="font-family:sans-serif;color:#1d2328">'
        f'{banner}<h1 style="font-size:20px">{escape(headline)}</h1>{paragraphs}'
        f'<table role="presentation">{table}</table>'
        f'<p><a href="{escape(link[1])}" style="color:#0b5c47">{escape(link[0])}</a></p>'
        f'<p style="color:#55606a;font-size:13px">{escape(why)} '
        f'<a href="{escape(stop)}">{escape(say["stop"])}</a></p></body></html>'
    )
    return Letter(language, one_line(subject, 200), "\n".join(lines), html)
