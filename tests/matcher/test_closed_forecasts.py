"""What an acceptance held is free again when a forecast of it is no longer offered."""

from services.matcher import handlers
from shared.access import Asker
from tests.matcher.builders import a_need, a_surplus
from tests.matcher.test_handlers import later

BOLT = Asker("bolt-key", "organisation", {"bolt": ("reporter",)})


async def test_what_a_withdrawn_acceptance_held_is_settled_in_the_same_work(matcher):
    """The nearer surplus is withdrawn after the need accepted it: the need gets the other one."""
    near, need = a_surplus(tonnes=500), a_need(tonnes=500)
    other = a_surplus(tonnes=500, north_km=3)
    (stands,) = await matcher.hears_and_settles(near, need)
    async with matcher.database.begin_work() as work:
        await handlers.decide(
            stands.id, "accept", work, asker=BOLT, seen=stands.revision, reason=None, note=None,
            organisation=None, key=None, rules=matcher.rules,
        )  # fmt: skip
    await matcher.hears_and_settles(other)
    standing = await matcher.hears_and_settles(later(near, status="cancelled"))
    assert [(one.surplus_id, one.tonnes) for one in standing] == [(other.forecast_id, 500)]
    figures = await matcher.settles_all(standing_bonus=0, smallest_load=0)
    assert figures["value_cents"] == figures["optimum_cents"]
