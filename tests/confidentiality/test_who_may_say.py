"""Who may say what on NATS: every contract there is, in the name of every credential."""

import asyncio
from typing import Any

import pytest

from deploy.allinone import Platform
from deploy.cards import cards
from deploy.keyring import INTAKE_SERVICES, SERVICES
from shared.contracts import EVENTS, HANDED, OUTWARD
from tests.flows.test_rights_at_the_bus import refusals
from tests.platform import a_project, company

# who tells each contract: one that is not here fails, and so does one that is told by another
TOLD_BY = {
    "registry": {
        "organisation-updated", "project-added", "project-updated", "project-withdrawn",
        "forecast-updated", "area-updated", "delivery-reported", "confirmation-asked",
        "duplicate-suggested", "duplicate-changed",
    },
    "matcher": {"match-found", "match-changed", "near-miss-found", "delivery-recorded"},
    "indicators": {"indicator-updated"},
    "notifier": {"notification-sent"},
}  # fmt: skip
OWN, OTHER = "sanoja-a", "sanoja-b"


def subjects() -> dict[str, set[str]]:
    """Every subject by the users who may publish it, from the contracts and the cards."""
    found = {f"events.{one.name}.01": {one.owner()} for one in EVENTS}
    for one in HANDED.values():
        for company_ in (OWN, OTHER):
            found[f"intake.{company_}.{one.event_name()}"] = {company_}
    for service in cards():
        for told in service.also_tells:
            assert told in OUTWARD
        if service.needs_intake:
            word = {"registry": "receipts", "matcher": "matches"}[service.name]
            found[f"{word}.{OWN}.anything"] = {f"{service.name}-intake"}
    return found


def test_every_contract_is_told_by_who_should() -> None:
    """A new contract is decided on before it is merged: add it to `TOLD_BY`."""
    found: dict[str, set[str]] = {}
    for one in EVENTS:
        found.setdefault(one.owner(), set()).add(one.name.split(".")[1])
    assert found == TOLD_BY
    assert {told for service in cards() for told in service.announces} == set(EVENTS)


@pytest.fixture(scope="module")
async def seeds(platform: Platform) -> dict[str, str]:
    names = [*SERVICES, *(f"{name}-intake" for name in INTAKE_SERVICES)]
    found = {name: platform.ring.nats_seed(name).read_text() for name in names}
    for token in (OWN, OTHER):
        found[token] = (await company(platform, token)).credentials.nats_seed
    return found


async def test_nobody_says_what_is_anothers_to_say(
    platform: Platform, seeds: dict[str, str]
) -> None:
    """Each credential publishes every subject; the server refuses all but its own."""
    wrong = []
    for who, seed in seeds.items():

        async def act(client: Any) -> None:
            for subject in subjects():
                await client.publish(subject, b"{}", headers={"x": "y"})
            await client.flush()

        refused = " ".join(await refusals(platform, seed, act))
        for subject, allowed in subjects().items():
            if (f'"{subject}"' in refused) == (who in allowed):
                wrong.append(f"{who}: {subject}")
    assert wrong == []


async def test_one_company_that_floods_holds_up_no_other(platform: Platform) -> None:
    """Another has its receipt while the 3 000 events of one are still coming in."""
    loud, quiet = await company(platform, "meluaja"), await company(platform, "hiljainen")
    flood = asyncio.create_task(loud.hand_in(*(a_project(f"T-{at}") for at in range(3000))))
    await asyncio.sleep(0)

    await quiet.hand_in(a_project("H-1"))
    _, own = await quiet.ask("registry", "GET", "/receipts")
    came_first = not flood.done()
    await flood

    assert [each["verdict"] for each in own["items"]] == ["accepted"]
    assert came_first
