"""Makes the sample: the same for the same seed and day, its windows in the months to come."""

import csv
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from random import Random
from typing import Any, Final

from deploy.sample.content import (
    AREAS,
    EXTRA_SITES,
    KINDS,
    MAIL,
    OWNERS,
    REGION,
    Kind,
    Line,
    Owner,
)
from shared.client import Outgoing, RowError, event_id, read_events, read_mapping
from shared.contracts.intake import HandedArea, HandedForecast
from shared.vocabulary.regions import Place, shipped

SEED: Final = 99
PROJECTS: Final = 60
MONTHS: Final = 18
SOURCE: Final = "sample"
COLUMNS: Final = (
    "Kohteen id", "Kohteen nimi", "Massan laji", "Massan ryhmä", "Kelpoisuusluokka",
    "Pilaantuneisuus", "Kohdetyyppi", "Maamassan tila", "Suunniteltu aikataulu (alku)",
    "Suunniteltu aikataulu (loppu)", "Massan määrä", "Massan yksikkö", "Omistajan nimi (massan)",
    "Omistajan sähköposti", "Omistajan puhelinnumero", "Omistajan organisaatio", "Kunta",
    "Hankealue", "GeoJSON",
)  # fmt: skip
_GROUPS: Final = {
    "savi": "hienorakeiset maalajit",
    "siltti": "hienorakeiset maalajit",
    "hiekka": "karkearakeiset maalajit",
    "sora": "karkearakeiset maalajit",
    "louhe": "karkearakeiset maalajit",
    "turve": "eloperäiset maalajit",
}
_CLEAN: Final = "pilaantumaton maa"
_OVER_LOWER: Final = "pilaantunut maa, alemman ohjearvon ylittämä"


@dataclass(frozen=True, slots=True)
class SampleMember:
    """An invented person of an organisation."""

    name: str
    email: str
    roles: tuple[str, ...]
    language: str
    regions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SampleOrganisation:
    """An invented organisation, as the registry is told of it."""

    token: str
    title: str
    region: str
    actor_type: str
    members: tuple[SampleMember, ...]


@dataclass(frozen=True, slots=True)
class Sample:
    """
    The sample region: *organisations*; *spreadsheet*, CSV text in SeutuMassa's 19 columns; and
    *beyond*, the events for which that register has no words: areas, crushed rock, topsoil.
    """

    organisations: tuple[SampleOrganisation, ...]
    spreadsheet: str
    beyond: tuple[Outgoing, ...]

    def organisations_json(self) -> str:
        """The organisations and their members as JSON, to be made by the registry's API."""
        told = [asdict(each) for each in self.organisations]
        return json.dumps(told, ensure_ascii=False, indent=1)


@dataclass(frozen=True, slots=True)
class _Site:
    id: str
    title: str
    owner: Owner
    place: Place
    kind: Kind


def sample(today: date, *, seed: int = SEED) -> Sample:
    """The sample region as it is on *today*."""
    random = Random(seed)
    sites = list(_sites(random))
    written = io.StringIO()
    table = csv.DictWriter(written, COLUMNS, delimiter=";", lineterminator="\r\n")
    table.writeheader()
    for site in sites:
        for line in site.kind.lines:
            if random.random() < 0.87:
                table.writerow(_row(site, line, today, random))
    for number, name in enumerate(EXTRA_SITES, start=1):
        owner = OWNERS[number]
        place = shipped()[REGION].places[number]
        site = _Site(f"98{number:02}", f"{name}, {place.name('fi')}", owner, place, KINDS[5])
        table.writerow(_of_site(site))
    beyond = (*_areas(), *_beyond_words(sites, today, random))
    return Sample(tuple(_organisations()), written.getvalue(), beyond)


def sample_events(found: Sample, spreadsheet: Path) -> list[Outgoing]:
    """
    Every event of the sample: *found*'s spreadsheet written to the file *spreadsheet* and read
    back by SeutuMassa's mapping as an import would, then what it has no words for.

    Raises `ValueError` if a row is refused, which would be a fault of the sample.
    """
    spreadsheet.write_text(found.spreadsheet, "utf-8-sig", newline="")
    titles = {each.title: each.token for each in found.organisations}
    items = read_events(
        spreadsheet,
        read_mapping("seutumassa"),
        shipped()[REGION],
        organisations=titles,
        edition=SOURCE,
    )
    events: list[Outgoing] = []
    for item in items:
        if isinstance(item, RowError):
            raise ValueError(f"row {item.row}, {item.column}: {item.text}")
        if isinstance(item, Outgoing):
            events.append(item)
    return [*events, *found.beyond]


def drift(events: Sequence[Outgoing], step: int, *, seed: int = SEED) -> Outgoing:
    """
    One forecast of *events* as it might be told at *step*: 15 % less to 15 % more than at first.

    The same for the same seed and step. The id holds the step, so a step is told once; begin with a
    step that was not used, such as the seconds of the clock.
    """
    random = Random(f"{seed}/{step}")
    forecasts = [event for event in events if isinstance(event.event, HandedForecast)]
    chosen = random.choice(forecasts)
    assert isinstance(chosen.event, HandedForecast)
    quantity = round(chosen.event.quantity * random.uniform(0.85, 1.15) / 10) * 10.0
    changed = chosen.event.model_copy(update={"quantity": quantity})
    id = event_id(f"drift {step}", changed)
    return Outgoing(chosen.organisation, changed, f"{SOURCE}:drift", id)


def _organisations() -> Iterator[SampleOrganisation]:
    for owner in OWNERS:
        members = tuple(
            SampleMember(
                name,
                f"{_ascii(name)}@{MAIL}",
                roles,
                language,
                (REGION,) if "regional_coordinator" in roles else (),
            )
            for name, language, roles in owner.people
        )
        yield SampleOrganisation(owner.token, owner.title, REGION, owner.actor_type, members)


def _ascii(name: str) -> str:
    plain = name.casefold().translate(str.maketrans("äöå", "aoa"))
    return plain.replace(" ", ".")


def _sites(random: Random) -> Iterator[_Site]:
    places = list(shipped()[REGION].places)
    busy = [each for each in places if each.code in ("091", "049", "092", "858", "106", "638")]
    order = [*places, *places, *busy, *busy][:PROJECTS]
    used: dict[str, int] = {}
    for number, place in enumerate(order):
        kind = KINDS[(number * 5 + number // len(KINDS)) % len(KINDS)]
        turn = used.get(kind.names[0], 0)
        used[kind.names[0]] = turn + 1
        name = kind.names[turn % len(kind.names)]
        title = f"{name}, {place.name('fi')}"
        yield _Site(f"99{number + 1:02}", title, random.choice(OWNERS), place, kind)


def _of_site(site: _Site) -> dict[str, str]:
    person = site.owner.people[0][0]
    return {
        "Kohteen id": site.id,
        "Kohteen nimi": site.title,
        "Kohdetyyppi": site.kind.site_kind,
        "Omistajan nimi (massan)": person,
        "Omistajan sähköposti": f"{_ascii(person)}@{MAIL}",
        "Omistajan organisaatio": site.owner.title,
        "Kunta": site.place.name("fi"),
        "Hankealue": "Ei hankealuetta",
    }


def _row(site: _Site, line: Line, today: date, random: Random) -> dict[str, str]:
    first, last = _window(today, random)
    amount = round(random.randint(line.least, line.most), -2)
    contaminated = site.kind.site_kind == "pima-alue" and line.surplus
    told = random.random() < 0.93
    clean = _OVER_LOWER if contaminated else _CLEAN if told or not line.surplus else ""
    return _of_site(site) | {
        "Massan laji": line.word,
        "Massan ryhmä": _GROUPS.get(line.word, "moreenimaalajit" if "moreeni" in line.word else ""),
        "Kelpoisuusluokka": line.quality if random.random() < 0.8 else "",
        "Pilaantuneisuus": clean,
        "Maamassan tila": "ylijäämä/kaivettava" if line.surplus else "alijäämä/tarvittava",
        "Suunniteltu aikataulu (alku)": first.isoformat(),
        "Suunniteltu aikataulu (loppu)": last.isoformat(),
        "Massan määrä": f"{amount:,}".replace(",", " "),
        "Massan yksikkö": "m3",
    }


def _window(today: date, random: Random) -> tuple[date, date]:
    """The first days of two months: the first one and the last one of the work."""
    begins = random.randint(0, MONTHS - 6)
    ends = min(begins + random.randint(2, 7), MONTHS - 1)
    return _month(today, begins), _month(today, ends)


def _month(today: date, ahead: int) -> date:
    year, month = divmod(today.year * 12 + today.month - 1 + ahead, 12)
    return date(year, month + 1, 1)


def _areas() -> Iterator[Outgoing]:
    for area in AREAS:
        told: dict[str, Any] = area._asdict()
        token = told.pop("token")
        event = HandedArea(
            external_id=f"area/{_ascii(area.title)}",
            region=REGION,
            **{name: value for name, value in told.items() if value is not None},
        )
        yield Outgoing(token, event, SOURCE, event_id(SOURCE, event))


def _beyond_words(sites: Sequence[_Site], today: date, random: Random) -> Iterator[Outgoing]:
    """Crushed rock and topsoil: SeutuMassa has no words for them."""
    crushed = {"material": "crushed_rock", "unit": "t"}
    topsoil = {"material": "topsoil"}
    clean = {
        "contamination": "P0",
        "contamination_basis": "site_survey",
        "acid_sulphate": "none",
        "invasive_status": "none_observed",
    }
    sound = {"quality": "S1", "frost_class": "non", "waste_status": "by_product"}
    kinds: tuple[dict[str, Any], ...] = (
        crushed | {"direction": "need", "use": "sub_base", "accepts_unknown_quality": True},
        crushed | {"direction": "surplus", "legal_route": "by_product"} | clean | sound,
        topsoil | {"unit": "m3ktr", "direction": "surplus", "waste_status": "not_waste"} | clean,
        topsoil | {"unit": "m3rtr", "direction": "need", "use": "landscaping",
                   "accepts_unknown_quality": True},
    )  # fmt: skip
    working = [site for site in sites if site.kind.site_kind != "pima-alue"]
    for number, site in enumerate(random.sample(working, 28)):
        kind = kinds[(0, 0, 1, 2, 0, 3, 2)[number % 7]]
        first, last = _window(today, random)
        event = HandedForecast(
            external_id=f"{site.id}/{kind['material']}/{kind['direction']}",
            project=site.id,
            quantity=float(round(random.randint(800, 9000), -2)),
            available_from=first,
            available_to=last,
            source_system=SOURCE,
            **kind,
        )
        yield Outgoing(site.owner.token, event, SOURCE, event_id(SOURCE, event))
