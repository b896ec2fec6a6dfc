"""A forecast is told, a match is made, and the region's figures and balance follow."""

from typing import Any

from deploy.allinone import Platform
from deploy.asking import Asking
from tests.conftest import eventually
from tests.platform import a_forecast, a_need, a_project, company, first_match


async def figure(platform: Platform, municipality: str, indicator: str) -> float:
    """A proposed figure of *municipality* in region 06; 0 while there is none."""
    async with Asking(platform.system) as ask:
        told = await ask(
            "indicators", "GET", "/figures", region="06", scope="municipality",
            code=municipality, state="proposed",
        )  # fmt: skip
    items = told["items"] if isinstance(told, dict) else told
    values = [one["value"] for one in items if one["indicator"] == indicator]
    return float(values[0] or 0) if values else 0.0


async def test_a_figure_follows_a_match(platform: Platform) -> None:
    """K4 proposed grows by the match's tonnes, K5 by its tonne-kilometres, K8 by its value."""
    giver = await company(platform, "savikko")
    taker = await company(platform, "meluvalli")
    place = {"region": "06", "municipality": "291"}
    await giver.hand_in(a_project("p", **place), a_forecast("s", "p"))
    await taker.hand_in(a_project("p", **place), a_need("n", "p"))
    match = await first_match(giver, state="proposed")

    async def grown() -> Any:
        return await figure(platform, "291", "K4") >= 800

    await eventually(grown)
    told = {one: await figure(platform, "291", one) for one in ("K4", "K5", "K8")}

    assert told["K4"] == 800
    assert round(told["K5"]) == round(800 * match["distance_km"])
    assert round(told["K8"] * 100) == match["value"]["total_cents"]


async def test_the_balance_closes_by_state(platform: Platform) -> None:
    """Of 1 000 t told, what is proposed and what is left are one whole, month by month."""
    giver = await company(platform, "rinne")
    taker = await company(platform, "kallio")
    place = {"region": "06", "municipality": "936"}
    await giver.hand_in(a_project("p", **place), a_forecast("s", "p"))
    await taker.hand_in(a_project("p", **place), a_need("n", "p"))
    await first_match(giver, state="proposed")

    async def rows() -> Any:
        async with Asking(platform.system) as ask:
            told = await ask(
                "indicators", "GET", "/balance", region="06", scope="municipality", code="936"
            )
        found = [row for row in told["items"] if row["material"] == "till"]
        proposed = sum(row["states"]["proposed"]["surplus_t"] for row in found)
        return found if round(proposed) == 800 else None

    found = await eventually(rows)

    assert round(sum(row["surplus_t"] for row in found), 3) == 1000
    assert round(sum(row["need_t"] for row in found), 3) == 800
    for row in found:
        states = sum(state["surplus_t"] for state in row["states"].values())
        assert round(states, 3) == round(row["surplus_t"], 3)
