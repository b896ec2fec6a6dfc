"""An organisation can neither suppress what another says nor speak over its things."""

import nats

from deploy.allinone import Platform
from shared.contracts.base import uuid7
from tests.conftest import eventually
from tests.platform import a_project, company


async def test_anothers_message_ids_and_external_ids_suppress_nothing(platform: Platform) -> None:
    """The same Nats-Msg-Id, event id and external id from two: each has its own."""
    names = ("estaja", "estetty")
    companies = [await company(platform, name) for name in names]
    id = str(uuid7())
    for who in companies:
        client = await nats.connect(
            platform.system.nats_url, nkeys_seed_str=who.credentials.nats_seed.strip()
        )
        told = {
            "Nats-Msg-Id": id, "ce-specversion": "1.0", "ce-id": id, "ce-source": "/same",
            "ce-type": "intake.project-added.v1", "content-type": "application/json",
        }  # fmt: skip
        body = a_project("SAMA-1", title=who.token).model_dump_json(exclude_none=True)
        await client.publish(f"intake.{who.token}.project-added", body.encode(), headers=told)
        await client.flush()
        await client.close()

    for who in companies:

        async def titles(who: object = who) -> list[str]:
            _, found = await who.ask("registry", "GET", "/projects", organisation=who.token)  # type: ignore[attr-defined]
            return [one["title"] for one in found["items"]]

        assert await eventually(titles) == [who.token]
        _, receipts = await who.ask("registry", "GET", "/receipts")
        assert [(one["event_id"], one["verdict"]) for one in receipts["items"]] == [
            (id, "accepted")
        ]
