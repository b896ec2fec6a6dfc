"""The registry's door for a bench: a company of its own, and the events it hands in."""

from collections.abc import Sequence

from deploy.asking import Asking
from deploy.bench.ground import Ground
from deploy.bench.lots import REGION
from deploy.organisations import add_organisation
from shared.client import Credentials, Outgoing
from shared.contracts import ForecastUpdated
from shared.contracts.base import CONTENT_TYPE
from shared.contracts.intake import Handed, HandedForecast, HandedProject
from shared.vocabulary.distance import straight_km
from shared.vocabulary.regions import shipped

ORGANISATION = "bench"
_SAME = (
    "direction", "material", "use", "quality", "accepts_unknown_quality", "frost_class",
    "contamination", "contamination_basis", "max_contamination", "acid_sulphate",
    "invasive_status", "waste_status", "weekly_rate_t",
)  # fmt: skip


async def opened(ground: Ground) -> Credentials:
    """A new company at the registry, which runs, and its way in."""
    async with Asking(ground.system) as ask:
        made = await add_organisation(
            ground.system, ask, token=ORGANISATION, title="Bench", region=REGION
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


def outgoing(event: Handed, turn: int = 0) -> Outgoing:
    """*event* as it is handed in; *turn* makes it another event each time."""
    return Outgoing(ORGANISATION, event, ORGANISATION, f"{event.external_id}, {turn}")


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
