"""A company tries things in its sandbox twin: the same doors, and nobody's real masses."""

from deploy.allinone import Platform
from deploy.asking import Asking
from deploy.organisations import add_twin
from tests.conftest import eventually
from tests.platform import Company, a_forecast, a_need, a_project, company, matches_of, settled


async def twin_of(platform: Platform, token: str) -> Company:
    async with Asking(platform.system) as ask:
        credentials = await add_twin(platform.system, ask, token)
    credentials.save(platform.system)
    return Company(platform, credentials)


async def test_a_twin_meets_other_twins_and_nothing_real(platform: Platform) -> None:
    """What fits across the border of the sandbox is not matched; what fits within it is."""
    real = await company(platform, "kaksoset")
    other = await company(platform, "vastapuoli")
    giver, taker = await twin_of(platform, "kaksoset"), await twin_of(platform, "vastapuoli")
    assert (giver.token, giver.credentials.https_key) != (real.token, real.credentials.https_key)
    await other.hand_in(a_project("p", municipality="149"), a_need("n", "p", material="peat"))
    sandbox = {"municipality": "149", "region": "99"}
    await giver.hand_in(a_project("p", **sandbox), a_forecast("s", "p", material="peat"))
    await settled(platform)
    assert await matches_of(giver) == []

    done = await giver.hand_in(a_project("q", municipality="149", region="01"))
    assert done.outcome is not None
    assert done.outcome.refused[0][1].reasons[0].code == "sample_stays_sample"

    await giver.hand_in(a_forecast("t", "p"))
    await taker.hand_in(a_project("p", **sandbox), a_need("n", "p"))

    async def found() -> object:
        return await matches_of(taker)

    (match,) = await eventually(found)
    assert match["sample"] is True
    assert await matches_of(real) == []
