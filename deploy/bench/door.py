"""The registry's door for a bench: a company of its own, and the events it hands in."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from statistics import fmean

from nats.aio.client import Client

from deploy.asking import Asking
from deploy.bench.ground import Ground, until, waiting
from deploy.bench.lots import REGION
from deploy.organisations import add_organisation
from shared.client import Credentials, Outgoing
from shared.contracts import ForecastUpdated
from shared.contracts.base import CONTENT_TYPE
from shared.contracts.intake import Handed, HandedForecast, HandedProject
from shared.service import intake_durable, intake_stream
from shared.vocabulary.distance import straight_km
from shared.vocabulary.regions import Region, make_region, shipped

ORGANISATION = "bench"
LAND = "bench"
"""The code of `land_of`."""

_MANY = 200  # in flight at once
_LOOK_EVERY, _UNREAD = 5_000, 20_000  # events
_SAME = (
    "direction", "material", "use", "quality", "accepts_unknown_quality", "frost_class",
    "contamination", "contamination_basis", "max_contamination", "acid_sulphate",
    "invasive_status", "waste_status", "weekly_rate_t",
)  # fmt: skip


async def opened(
    ground: Ground, organisation: str = ORGANISATION, region: str | Region = REGION
) -> Credentials:
    """A new company at the registry, which runs, and its way in; *region* may be a new one too."""
    async with Asking(ground.system) as ask:
        if isinstance(region, Region):
            await ask("registry", "POST", "/regions", region.to_json())
            region = region.code
        made = await add_organisation(
            ground.system, ask, token=organisation, title=organisation.title(), region=region
        )
    return Credentials(**made.to_json())


def handed_in(
    told: Sequence[ForecastUpdated],
) -> tuple[list[HandedProject], list[HandedForecast]]:
    """Those of *told* that lie in the region, as a company tells them: a project for each."""
    region = shipped()[REGION]
    projects: list[HandedProject] = []
    forecasts: list[HandedForecast] = []
    for number, one in enumerate(told):
        lat, lon = one.place.lat, one.place.lon
        if not region.contains(lat, lon):
            continue
        nearest = min(region.places, key=lambda place: straight_km(lat, lon, place.lat, place.lon))
        projects.append(
            HandedProject(
                external_id=f"project {number}",
                title=f"Bench {number}",
                region=REGION,
                municipality=nearest.code,
                lat=lat,
                lon=lon,
            )
        )
        forecasts.append(
            HandedForecast(
                external_id=f"forecast {number}",
                project=f"project {number}",
                quantity=one.quantity.value,
                unit="t",
                available_from=one.window.first,
                available_to=one.window.last,
                **{name: getattr(one, name) for name in _SAME},
            )
        )
    return projects, forecasts


def land_of(told: Iterable[ForecastUpdated]) -> Region:
    """A region that holds all of *told*: their municipalities, each in the middle of its lots."""
    points: dict[str, list[tuple[float, float]]] = {}
    for one in told:
        points.setdefault(one.place.municipality, []).append((one.place.lat, one.place.lon))
    rows = [
        {
            "code": municipality,
            "name": municipality,
            "lat": str(fmean(lat for lat, _ in places)),
            "lon": str(fmean(lon for _, lon in places)),
        }
        for municipality, places in sorted(points.items())
    ]
    return make_region(
        LAND, {"en": "Bench"}, rows, code_field="code", name_field="name", lat_field="lat",
        lon_field="lon", metric_crs="EPSG:3067", source="invented", licence="EUPL-1.2",
    )  # fmt: skip


def import_of(
    told: Sequence[ForecastUpdated], region: str = LAND
) -> tuple[list[HandedProject], list[HandedForecast]]:
    """*told* as a company of *region* hands them in: projects, then their forecasts."""
    projects = {
        one.project_id: HandedProject(
            external_id=str(one.project_id),
            title="Bench",
            region=region,
            municipality=one.place.municipality,
            lat=one.place.lat,
            lon=one.place.lon,
            precision=one.place.precision,
        )
        for one in told
    }
    forecasts = [
        HandedForecast(
            external_id=str(one.forecast_id),
            project=str(one.project_id),
            quantity=one.quantity.value,
            unit="t",
            available_from=one.window.first,
            available_to=one.window.last,
            **{name: getattr(one, name) for name in _SAME},
        )
        for one in told
    ]
    return list(projects.values()), forecasts


async def leave(
    client: Client,
    events: Sequence[Outgoing],
    advance: Callable[[int], None] = lambda _: None,
    *,
    is_read: bool = True,
) -> None:
    """
    Put *events* of one organisation into its stream, many at once, each acknowledged by the server.

    Where somebody reads them, waits while too many are unread: the door has only so much room.
    """
    js = client.jetstream()
    for start in range(0, len(events), _MANY):
        some = events[start : start + _MANY]
        if is_read and start % _LOOK_EVERY == 0:
            await _room(client, some[0].organisation)
        await asyncio.gather(
            *(
                js.publish(subject, body, headers=headers)
                for subject, body, headers in map(knock, some)
            )
        )
        advance(start + len(some))


async def _room(client: Client, organisation: str) -> None:
    reader = intake_stream(organisation), intake_durable(organisation)

    async def unread_are_few() -> bool:
        return await waiting(client, *reader) < _UNREAD

    await until(unread_are_few, seconds=600, what=f"room at the door of {organisation}")


def outgoing(event: Handed, turn: int = 0, organisation: str = ORGANISATION) -> Outgoing:
    """*event* as it is handed in; *turn* makes it another event each time."""
    id = f"{event.event_name()} {event.external_id}, {turn}"
    return Outgoing(organisation, event, organisation, id)


def knock(event: Outgoing) -> tuple[str, bytes, dict[str, str]]:
    """Subject, body and headers of *event* in its stream."""
    headers = {
        "ce-specversion": "1.0",
        "ce-id": event.id,
        "ce-source": event.source,
        "ce-type": event.event.name,
        "ce-time": event.at.isoformat(),
        "content-type": CONTENT_TYPE,
    }
    return f"intake.{event.organisation}.{event.name}", event.event.body(), headers
