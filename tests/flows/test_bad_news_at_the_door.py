"""Whatever comes to the door over NATS gets one receipt, with every reason and a remedy."""

import asyncio
import json
from typing import Any

import nats
import pytest

from deploy.allinone import Platform
from deploy.asking import Asking
from tests.conftest import eventually
from tests.platform import Company, a_forecast, a_project, company


class Door:
    """A company at its door: publishes bytes, hears receipts."""

    def __init__(self, who: Company, client: Any) -> None:
        self.who, self.client, self.heard = who, client, []
        self.number = 0

    async def knock(self, body: bytes, name: str = "forecast-updated", **headers: str) -> Any:
        """Publish *body* and return its receipt."""
        self.number += 1
        told = {
            "ce-specversion": "1.0",
            "ce-id": f"{name}-{self.number}",
            "ce-source": f"/{self.who.token}",
            "ce-type": f"intake.{name}.v1",
            "content-type": "application/json",
            **headers,
        }
        ack = await self.client.jetstream().publish(
            f"intake.{self.who.token}.{name}",
            body,
            headers={key: value for key, value in told.items() if value},
        )

        async def receipt() -> Any:
            return next((one for one in self.heard if one.get("stream_seq") == ack.seq), None)

        return await eventually(receipt)


@pytest.fixture(scope="module")
async def door(platform: Platform) -> Any:
    who = await company(platform, "ovi")
    await who.hand_in(a_project("p"))
    client = await nats.connect(
        platform.system.nats_url,
        nkeys_seed_str=who.credentials.nats_seed,
        inbox_prefix=b"receipts.ovi.inbox",
    )
    door = Door(who, client)

    async def hear(message: Any) -> None:
        if message.headers and "ce-id" in message.headers:
            door.heard.append(json.loads(message.data))

    await client.subscribe("receipts.ovi.accepted.>", cb=hear)
    await client.subscribe("receipts.ovi.rejected.>", cb=hear)
    yield door
    await client.close()


def told(**changed: Any) -> bytes:
    """A good forecast, changed: None leaves a field out."""
    good = json.loads(a_forecast("s", "p").body())
    good |= changed
    return json.dumps({key: value for key, value in good.items() if value is not None}).encode()


@pytest.mark.parametrize(
    ("body", "codes"),
    [
        (b"{", {"body_not_json"}),
        (b"\xff\xfe", {"body_not_utf8"}),
        (told(material="clai"), {"material_unknown"}),
        (told(quantity=-5), {"number_negative"}),
        (told(available_from="2027-06-01", available_to="2027-01-01"), {"window_reversed"}),
        (told(lat=24.6567, lon=60.2063), {"coordinates_swapped"}),
        (told(lat=6671904.0, lon=386409.0), {"coordinates_in_metres"}),
        (told(lat=51.5, lon=-0.1), {"coordinates_outside_region"}),
        (told(unit="m3"), {"unit_without_state"}),
        (told(material="crushed_concrete", unit="m3ktr"), {"no_in_situ_state"}),
        (told(materiel="till"), {"field_unknown"}),
        (told(direction=None), {"field_missing"}),
        (told(owner="somebody-else"), {"owner_unknown", "no_mandate"}),
        (told(contamination="P9"), {"code_unknown"}),
        (
            told(material="clai", quantity=-5, available_to="2020-13-01"),
            {"material_unknown", "number_negative"},
        ),
    ],
)
async def test_bad_news_is_rejected_with_its_reasons(
    door: Door, body: bytes, codes: set[str]
) -> None:
    """The receipt names the field, the value and the remedy, under a stable code."""
    receipt = await door.knock(body)

    assert receipt["verdict"] == "rejected"
    found = {reason["code"] for reason in receipt["reasons"]}
    assert found & codes, f"told {found}"
    if len(codes) > 1 and "material_unknown" in codes:
        assert codes <= found
    assert all(reason["text"] for reason in receipt["reasons"])


async def test_no_envelope_is_rejected_by_its_place_in_the_stream(door: Door) -> None:
    """A message without CloudEvents headers still gets its one verdict."""
    nothing = {"ce-id": "", "ce-type": "", "ce-source": "", "ce-specversion": ""}
    receipt = await door.knock(told(), **nothing)

    assert receipt["verdict"] == "rejected"


async def test_the_same_event_again_gets_the_same_receipt(door: Door) -> None:
    """Id and body known: nothing new is told; another body under a known id is refused."""
    first = await door.knock(told(external_id="again"), **{"ce-id": "again-1"})
    second = await door.knock(told(external_id="again"), **{"ce-id": "again-1"})
    third = await door.knock(told(external_id="again", quantity=7), **{"ce-id": "again-1"})

    assert first["verdict"] == second["verdict"] == "accepted"
    assert first["canonical"] == second["canonical"]
    assert third["verdict"] == "rejected"
    assert {reason["code"] for reason in third["reasons"]} == {"event_id_reused"}


async def test_late_and_repeated_news_changes_nothing(door: Door) -> None:
    """Revision 5, then 3: superseded; then the same content: unchanged."""
    newest = await door.knock(told(external_id="late", external_revision=5, quantity=500))
    older = await door.knock(told(external_id="late", external_revision=3, quantity=900))
    same = await door.knock(told(external_id="late", external_revision=5, quantity=500))

    assert (newest["code"], older["code"], same["code"]) == ("taken", "superseded", "unchanged")
    assert older["canonical"]["revision"] == newest["canonical"]["revision"] == 1


async def test_a_forecast_may_come_before_its_project(door: Door) -> None:
    """It waits at the door and is taken once the project is known."""
    early = asyncio.create_task(door.knock(told(external_id="early", project="later")))
    await asyncio.sleep(0.3)
    project = await door.knock(a_project("later").body(), "project-added")
    receipt = await early

    assert project["verdict"] == receipt["verdict"] == "accepted"


async def test_a_contractor_reports_for_its_client_under_a_mandate(
    door: Door, platform: Platform
) -> None:
    """Without one it is refused; with one, owner and reporter are both kept."""
    client = await company(platform, "tilaaja")
    refused = await door.knock(a_project("for-client", owner="tilaaja").body(), "project-added")
    assert {reason["code"] for reason in refused["reasons"]} == {"no_mandate"}

    async with Asking(platform.system) as ask:
        await ask("registry", "POST", "/organisations/tilaaja/mandates", {"reporter": "ovi"})
    taken = await door.knock(a_project("for-client-2", owner="tilaaja").body(), "project-added")
    assert taken["verdict"] == "accepted"
    _, answer = await client.ask("registry", "GET", f"/projects/{taken['canonical']['id']}")

    assert (answer["organisation"], answer["reporter"]) == ("tilaaja", "ovi")
