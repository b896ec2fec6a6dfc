"""A match is found: both sides' people are told on the desk and by mail, a system by webhook."""

import json
from typing import Any

from aiohttp import web
from standardwebhooks import Webhook

from deploy.allinone import Platform
from deploy.asking import Asking
from tests.conftest import Letterbox, eventually
from tests.platform import a_forecast, a_need, a_project, ask_as, company, first_match


async def receiver(heard: list[tuple[dict[str, str], bytes]]) -> tuple[web.AppRunner, str]:
    """A company's own HTTP server for webhooks, and its address."""

    async def hear(request: web.Request) -> web.Response:
        heard.append((dict(request.headers), await request.read()))
        return web.Response(status=204)

    app = web.Application()
    app.router.add_post("/hook", hear)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    return runner, f"http://127.0.0.1:{port}/hook"


async def test_both_sides_are_told_once_on_every_channel(
    platform: Platform, mail_server: tuple[Letterbox, int]
) -> None:
    """One entry a person on the desk, one mail, one signed webhook: each under a stable id."""
    giver = await company(platform, "montun")
    taker = await company(platform, "penkereen")
    people = {}
    async with Asking(platform.system) as ask:
        for who, name in ((giver, "Muru"), (taker, "Hile")):
            made = await ask(
                "registry", "POST", f"/organisations/{who.token}/members",
                {"name": name, "email": f"{name.lower()}@example.invalid",
                 "roles": ["coordinator"], "language": "en"},
            )  # fmt: skip
            people[who.token] = made["person"]
    heard: list[tuple[dict[str, str], bytes]] = []
    runner, address = await receiver(heard)
    status, hook = await ask_as(
        platform, giver.credentials.https_key, "notifier", "POST", "/webhooks",
        {"url": address, "events": ["match-found"], "organisation": giver.token},
    )  # fmt: skip
    assert status == 201, hook

    place = {"region": "06", "municipality": "143"}
    await giver.hand_in(a_project("p", **place), a_forecast("s", "p"))
    await taker.hand_in(a_project("p", **place), a_need("n", "p"))
    match = await first_match(giver, state="proposed")

    def mails() -> list[Any]:
        to = {f"{name}@example.invalid" for name in ("muru", "hile")}
        return [mail for mail in mail_server[0].mails if str(mail["To"]).split("<")[-1][:-1] in to
                or str(mail["To"]) in to]  # fmt: skip

    async def all_told() -> Any:
        return len(mails()) >= 2 and heard

    await eventually(all_told)
    headers, body = heard[0]
    await runner.cleanup()

    assert len(mails()) == 2
    assert len({mail["Message-ID"] for mail in mails()}) == 2
    text = mails()[0].get_body(("plain",)).get_content()
    assert "800" in text
    assert taker.token not in mails()[0].as_string(), "names come with an acceptance"
    told = Webhook(hook["secret"]).verify(body, {k.lower(): v for k, v in headers.items()})
    assert json.dumps(told).count(match["match_id"]) >= 1
    desk = await desk_of(platform, set(people.values()), match["match_id"])
    assert desk == dict.fromkeys(people.values(), 1)


async def desk_of(platform: Platform, people: set[str], match_id: str) -> dict[str, int]:
    """How many desk entries each of *people* has of the match, as the notifier keeps them."""
    from tests.flows.test_recovery import rows  # noqa: PLC0415

    found = await rows(
        platform, "notifier",
        f"SELECT person, count(*) FROM inbox_entry WHERE match_id = '{match_id}' GROUP BY 1",
    )  # fmt: skip
    return {str(person): count for person, count in found if str(person) in people}
