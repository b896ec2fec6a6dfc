"""The oracle sees what is wrong: each kind of damage breaks the promise that names it."""

from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from deploy.allinone import Platform
from deploy.asking import Asking
from deploy.audit import Report, audit
from shared.contracts.base import now
from shared.contracts.intake import HandedDelivery
from tests.conftest import eventually
from tests.platform import Company, a_forecast, a_need, a_project, company, first_match

DAMAGE = {
    "a verdict that was taken back": (
        "registry",
        "UPDATE intake SET code = 'unchanged' WHERE {mine} AND about = 'forecast-updated'",
        "every verdict was told by one receipt",
    ),
    "an event that one reader never applied": (
        "indicators",
        "DELETE FROM inbox WHERE ctid = (SELECT ctid FROM inbox "
        "WHERE durable = 'indicators-forecast-updated-v1' LIMIT 1)",
        "indicators-forecast-updated-v1: announced = applied or dead",
    ),
    "an event applied that nobody told": (
        "notifier",
        "INSERT INTO inbox VALUES ('notifier-match-found-v1', '/massakoppi/matcher', 'made-up')",
        "notifier-match-found-v1: announced = applied or dead",
    ),
    "a letter that was never published": (
        "matcher",
        "UPDATE outbox SET published_at = NULL, claimed_until = 'infinity' "
        "WHERE id = (SELECT max(id::text)::uuid FROM outbox)",
        "the outboxes are empty and no letter is held",
    ),
    "a revision too many": (
        "registry",
        "UPDATE project SET revision = revision + 1 WHERE reporter = '{token}'",
        "each revision of a project was told once, without a gap",
    ),
    "a side that was not told": (
        "matcher",
        "DELETE FROM outbox WHERE id = (SELECT max(id::text)::uuid FROM outbox "
        "WHERE subject LIKE 'matches.{token}.%')",
        "each side has one view of each telling of its match",
    ),
    "a linked copy that is still matched": (
        "registry",
        "UPDATE forecast SET duplicate_of = (SELECT other.id FROM forecast AS other "
        "WHERE other.reporter <> '{token}' LIMIT 1) WHERE reporter = '{token}'",
        "no proposal is of a linked duplicate",
    ),
    "a lot of an older revision": (
        "matcher",
        "UPDATE lot SET likely = likely - 1 WHERE organisation = '{token}'",
        "the matcher's lots are the forecasts as told last",
    ),
    "a tonne more than there is": (
        "matcher",
        "UPDATE match SET tonnes = tonnes + 1000000 "
        "WHERE standing = 1 AND surplus_organisation = '{token}'",
        "no lot is over-committed",
    ),
    "a cent too much": (
        "matcher",
        "UPDATE match SET cents_per_t = cents_per_t + 1 "
        "WHERE standing = 1 AND surplus_organisation = '{token}'",
        "every proposal passes every gate, judged again",
    ),
    "a near miss of tonnes that are taken": (
        "matcher",
        "UPDATE near_miss SET tonnes = tonnes * 9, worth_cents = worth_cents * 9 "
        "WHERE surplus_organisation = '{token}'",
        "every near miss is of open lots and fails one gate by little, judged again",
    ),
    "a near miss between lots that have a match": (
        "matcher",
        "UPDATE near_miss SET surplus_id = (SELECT surplus_id FROM match WHERE standing = 1 "
        "AND surplus_organisation = '{token}' LIMIT 1) "
        "WHERE surplus_organisation = '{token}'",
        "every near miss is of open lots and fails one gate by little, judged again",
    ),
    "a near miss that was told otherwise": (
        "matcher",
        "UPDATE near_miss SET revision = revision + 1 WHERE surplus_organisation = '{token}'",
        "near misses stand as they were told last",
    ),
    "a near miss that the notifier forgot": (
        "notifier",
        "DELETE FROM near_miss WHERE told->'surplus'->>'organisation' = '{token}'",
        "the notifier knows near misses as told last",
    ),
    "a decision that nobody made": (
        "matcher",
        "UPDATE match SET accepted_by = '{token}' "
        "WHERE standing = 1 AND surplus_organisation = '{token}'",
        "decisions stand as they were made",
    ),
    "a load that is not in the balance": (
        "matcher",
        "UPDATE match SET delivered_kg = delivered_kg + 1 WHERE surplus_organisation = '{token}'",
        "delivered and left are what was agreed",
    ),
    "a kilogram moved that nobody told": (
        "matcher",
        "UPDATE lot SET moved_kg = moved_kg + 1 WHERE organisation = '{token}'",
        "what is off a lot is the sum of its loads",
    ),
    "loads of an older report": (
        "matcher",
        "UPDATE delivery SET kg = kg + 1000 WHERE organisation = '{token}'",
        "loads are kept as reported last",
    ),
    "a kilometre in the transport work": (
        "indicators",
        "UPDATE load_cell SET kg_km = kg_km + 1 WHERE scope = 'region' AND side = 'surplus'",
        "transport work is the sum over loads of mass times distance",
    ),
    "a kilogram in the balance": (
        "indicators",
        "UPDATE cell SET kg = kg + 1 WHERE scope = 'organisation' AND code = '{token}'",
        "the balance is the sum over lots and matches, to the kilogram",
    ),
    "a cent in the flows": (
        "indicators",
        "UPDATE flow_cell SET cents = cents + 1 WHERE scope = 'organisation' AND code = '{token}'",
        "the flows are the sum over matches, to the kilogram and the cent",
    ),
    "a coordinator who was not told": (
        "notifier",
        "DELETE FROM notification WHERE channel = 'desk' AND subject_id IN (SELECT match_id "
        "FROM telling WHERE '{token}' = ANY(organisations))",
        "whoever is in charge was told, and of nothing else",
    ),
}


@pytest.fixture(scope="module")
async def giver(platform: Platform) -> Company:
    """An organisation with a coordinator, whose surplus has met a need."""
    made = await company(platform, "tosi")
    taker = await company(platform, "vero")
    await _coordinator(platform, "tosi")
    # of a material that no other test tells
    told = {"material": "gravel"}
    await made.hand_in(a_project("p"), a_forecast("s", "p", **told))
    await made.hand_in(a_forecast("r", "p", waste_status="unknown", quantity=700.0, **told))
    await taker.hand_in(a_project("p"), a_need("n", "p", quantity=1600.0, **told))
    await first_match(made, state="proposed")
    load = HandedDelivery(
        external_id="D-1", forecast="s", outlet="disposal", material="till", quantity=20,
        moved_on=now().date(), haul_km=12,
    )  # fmt: skip
    await made.hand_in(load)
    await _delivered(platform)
    report = await audit(platform.system)
    assert report.clean, report.broken
    return made


@pytest.mark.parametrize("damage", DAMAGE)
async def test_damage_breaks_the_promise_that_names_it(
    platform: Platform, giver: Company, damage: str
) -> None:
    """What is damaged is found, named, and nothing is found once it is mended."""
    service, question, promise = DAMAGE[damage]
    told = question.format(token=giver.token, mine=f"organisation = '{giver.token}'")
    url = platform.system.postgres_url.replace("postgresql://", "postgresql+asyncpg://")
    engine = create_async_engine(f"{url}/massakoppi_{service}")
    table = told.split()[1 if told.startswith("UPDATE") else 2]
    async with engine.begin() as connection:
        await connection.execute(text(f"CREATE TABLE before AS SELECT * FROM {table}"))
        changed = await connection.execute(text(told))
    try:
        report = await audit(platform.system, wait_s=1)
    finally:
        async with engine.begin() as connection:
            # without it, nothing that refers to the rows would let them go
            await connection.execute(text("SET LOCAL session_replication_role = replica"))
            await connection.execute(text(f"DELETE FROM {table}"))
            await connection.execute(text(f"INSERT INTO {table} SELECT * FROM before"))
            await connection.execute(text("DROP TABLE before"))
        await engine.dispose()

    assert changed.rowcount, "nothing was damaged"
    assert promise in _broken(report)
    assert next(line for line in report.lines if line.promise == promise).found


async def test_a_system_that_was_mended_is_clean_again(platform: Platform, giver: Company) -> None:
    """The damage of the tests above was undone, and the report says it in JSON."""
    report = await audit(platform.system)

    assert report.clean, report.broken
    told = report.to_json()
    assert told["clean"] is True
    assert {line["promise"] for line in told["lines"]} >= {each[2] for each in DAMAGE.values()}


def _broken(report: Report) -> set[str]:
    return {line.promise for line in report.broken}


async def _delivered(platform: Platform) -> None:
    """Return when the loads have come to the figures."""

    async def there() -> Any:
        async with Asking(platform.system) as ask:
            told = await ask("indicators", "GET", "/figures", region="01", state="delivered",
                             indicator="K10")  # fmt: skip
        return told["items"][0]["value"]

    await eventually(there, within_s=20)


async def _coordinator(platform: Platform, token: str) -> None:
    member = {"name": "Someone", "email": f"someone@{token}.example", "roles": ["coordinator"]}
    async with Asking(platform.system) as ask:
        await ask("registry", "POST", f"/organisations/{token}/members", member)
