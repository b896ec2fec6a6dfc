"""A company's system emits a project and a forecast over NATS, and gets receipt and match."""

import json
from typing import Any

import nats

from deploy.allinone import Platform
from tests.conftest import eventually
from tests.platform import a_forecast, a_need, a_project, company


async def test_a_companys_system_gets_its_receipts_and_its_match(platform: Platform) -> None:
    """Plain NATS, the company's own key, two subjects to listen to: no more is needed."""
    giver = await company(platform, "kuoppa")
    taker = await company(platform, "penger")
    await taker.hand_in(a_project("p", municipality="078"), a_need("n", "p"))

    heard: list[tuple[str, dict[str, Any]]] = []

    async def hear(message: Any) -> None:
        if message.headers and "ce-id" in message.headers:
            heard.append((message.subject, json.loads(message.data)))

    client = await nats.connect(
        platform.system.nats_url,
        nkeys_seed_str=giver.credentials.nats_seed,
        inbox_prefix=b"receipts.kuoppa.inbox",
    )
    await client.subscribe("receipts.kuoppa.accepted.>", cb=hear)
    await client.subscribe("matches.kuoppa.>", cb=hear)
    js = client.jetstream()
    project = a_project("p", municipality="078")
    for number, (name, event) in enumerate(
        [("project-added", project), ("forecast-updated", a_forecast("s", "p"))]
    ):
        await js.publish(
            f"intake.kuoppa.{name}",
            event.body(),
            headers={
                "ce-specversion": "1.0",
                "ce-id": f"kuoppa-{number}",
                "ce-source": "/kuoppa/erp",
                "ce-type": event.name,
                "content-type": "application/json",
            },
        )

    async def found() -> Any:
        return [body for subject, body in heard if subject == "matches.kuoppa.match-found"]

    (match,) = await eventually(found)
    receipts = {body["event_id"]: body for subject, body in heard if "receipts" in subject}
    await client.close()

    assert {receipt["verdict"] for receipt in receipts.values()} == {"accepted"}
    assert receipts["kuoppa-1"]["canonical"]["revision"] == 1
    assert match["tonnes"]["likely"] == 800
    assert match["surplus"]["organisation"] == "kuoppa"
    assert match["need"].get("organisation") is None  # a name comes with an acceptance
    assert match["value"]["counterfactual"].startswith("CF-1")
    assert {reason["verdict"] for reason in match["reasons"]} <= {"pass", "conditional"}


async def test_missed_matches_are_asked_for_over_https(platform: Platform) -> None:
    """`GET /matches?since=` gives what the subscription missed."""
    giver = await company(platform, "notko")
    taker = await company(platform, "harju")
    await giver.hand_in(a_project("p", municipality="837", region="06"), a_forecast("s", "p"))
    await taker.hand_in(a_project("p", municipality="837", region="06"), a_need("n", "p"))

    async def found() -> Any:
        status, answer = await giver.ask(
            "matcher", "GET", "/matches", since="2026-01-01T00:00:00+00:00"
        )
        assert status == 200
        return answer["items"]

    (match,) = await eventually(found)

    assert match["surplus"]["organisation"] == "notko"
