"""The whole platform as processes, on free ports, in a folder of its own; and how tests use it."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from deploy.allinone import PORTS, Platform
from deploy.asking import Asking
from deploy.handing_in import Handed, send
from deploy.organisations import Credentials, add_organisation
from shared.access import TokenSource
from shared.client import Outgoing, Prepared
from shared.contracts.intake import HandedForecast, HandedProject
from tests.conftest import eventually
from tests.described import as_described

QUICK = {
    "MATCHER_CLOSES_PAST_WINDOWS": "false",
    "MATCHER_SWEEP_AFTER_S": "1",
    "MATCHER_NEAR_AFTER_S": "1",
}


@asynccontextmanager
async def platform_running(**more: Any) -> AsyncIterator[Platform]:
    """A platform of its own: started, ready, and stopped at the end with nothing left behind."""
    with tempfile.TemporaryDirectory(prefix="massakoppi-test-") as folder:
        Path(folder).chmod(0o711)
        settings = {name: dict(told) for name, told in more.pop("settings", {}).items()}
        settings["matcher"] = {**QUICK, **settings.get("matcher", {})}
        free = dict.fromkeys(PORTS, 0)
        platform = Platform(Path(folder) / "data", ports=free, more=settings, **more)
        try:
            await platform.start()
            yield platform
        finally:
            platform.stop()


class Company:
    """An organisation of the platform as its own systems see it."""

    def __init__(self, platform: Platform, credentials: Credentials) -> None:
        self.platform = platform
        self.credentials = credentials
        self.token = credentials.organisation
        self._sent = 0

    async def hand_in(self, *events: Any) -> Handed:
        """Hand *events* in over NATS with the organisation's own key; what the door said."""
        outgoing = []
        for event in events:
            self._sent += 1
            outgoing.append(Outgoing(self.token, event, f"test:{self.token}", f"{self._sent}"))
        done = Handed(Prepared(events=outgoing))
        await send(self.platform.system, done)
        return done

    async def ask(
        self, service: str, method: str, path: str, body: Any = None, **query: Any
    ) -> Any:
        """Ask *service* with the organisation's HTTPS key; (status, JSON)."""
        return await ask_as(
            self.platform, self.credentials.https_key, service, method, path, body, **query
        )


async def ask_as(
    platform: Platform,
    key: str,
    service: str,
    method: str,
    path: str,
    body: Any = None,
    *,
    headers: dict[str, str] | None = None,
    **query: Any,
) -> tuple[int, Any]:
    """Ask *service* with *key*; (status, JSON answer)."""
    tokens = TokenSource(platform.system.urls["registry"], key)
    told = {**await tokens.headers(), **(headers or {})}
    async with (
        aiohttp.ClientSession() as session,
        session.request(
            method,
            f"{platform.system.urls[service]}{path}",
            json=body,
            params={name: str(value) for name, value in query.items()},
            headers=told,
        ) as answer,
    ):
        await as_described(service, answer)
        return answer.status, await answer.json(content_type=None)


async def company(platform: Platform, token: str, region: str = "01", **told: Any) -> Company:
    """A new organisation with keys for both doors, saved as `--save` does."""
    async with Asking(platform.system) as ask:
        credentials = await add_organisation(
            platform.system, ask, token=token, title=told.pop("title", token.title()),
            region=region, **told,
        )  # fmt: skip
    credentials.save(platform.system)
    return Company(platform, credentials)


def a_project(external_id: str, **told: Any) -> HandedProject:
    """A project in Espoo unless told otherwise."""
    return HandedProject(
        **{"external_id": external_id, "title": f"Hanke {external_id}", "region": "01",
           "municipality": "049", **told}
    )  # fmt: skip


def a_forecast(external_id: str, project: str, **told: Any) -> HandedForecast:
    """1 000 t of clean till to give, early next year, unless told otherwise."""
    return HandedForecast(
        **{
            "external_id": external_id, "project": project, "direction": "surplus",
            "material": "till", "quantity": 1000.0, "unit": "t",
            "available_from": "2027-01-01", "available_to": "2027-06-30",
            "contamination": "P0", "contamination_basis": "site_survey",
            "acid_sulphate": "none", "invasive_status": "none_observed",
            "waste_status": "not_waste", "quality": "S3", **told,
        }
    )  # fmt: skip


def a_need(external_id: str, project: str, **told: Any) -> HandedForecast:
    """800 t of till wanted for general fill."""
    return a_forecast(
        external_id, project, **{"direction": "need", "use": "general_fill", "quantity": 800.0,
                                 "quality": "any", **told}
    )  # fmt: skip


async def matches_of(who: Company, **query: Any) -> list[dict[str, Any]]:
    """The matches that *who* may see."""
    status, answer = await who.ask("matcher", "GET", "/matches", **query)
    assert status == 200, answer
    found: list[dict[str, Any]] = answer["items"]
    return found


async def first_match(who: Company, **query: Any) -> dict[str, Any]:
    """The first match that comes to be for *who*."""

    async def found() -> Any:
        there = await matches_of(who, **query)
        return there[0] if there else None

    match: dict[str, Any] = await eventually(found, within_s=60)
    return match


async def settled(platform: Platform) -> None:
    """Return when nothing waits: no dirty mark, no unsent event."""
    async with Asking(platform.system) as ask:

        async def quiet() -> bool:
            told = await ask("matcher", "GET", "/settled")
            return not told["dirty"]

        await eventually(quiet, within_s=60)
        await asyncio.sleep(0.2)
