"""What sums tell of one organisation, and what they leave out for it."""

from collections.abc import AsyncIterator
from datetime import date
from typing import Any

import pytest

from shared.work import Database
from tests.indicators.telling import a_forecast, hear, named
from tests.indicators.test_api import COORDINATOR, STRANGER, site  # noqa: F401

JUNE = (date(2026, 6, 1), date(2026, 6, 30))
JULY = (date(2026, 7, 1), date(2026, 7, 31))


def a_lot(organisation: str, **told: Any) -> Any:
    """100 t of till in June of *organisation*."""
    return a_forecast(
        f"{organisation}{told}", organisation=organisation, reporter=organisation,
        project_id=named(organisation), **{"tonnes": 100, "window": JUNE, **told},
    )  # fmt: skip


@pytest.fixture
async def full(database: Database, site: Any) -> AsyncIterator[Any]:  # noqa: F811
    """Beside till and need of the two: till of three more in June, clay of one of them in July."""
    lots = [a_lot(one) for one in ("kaivanto", "hiekkala", "murske")]
    await hear(database, [*lots, a_lot("murske", material="clay", window=JULY, tonnes=90)])
    yield site


async def test_a_month_and_material_of_few_is_in_no_sum_by_them(full: Any) -> None:
    """No grain, no span and no filter brings it back; a coordinator has it all."""
    _, all_of_it = await full.ask("/balance?region=01", COORDINATOR)
    assert {row["material"] for row in all_of_it["items"]} == {"till", "clay"}
    for path in (
        "/balance?region=01", "/balance?region=01&grain=year", "/balance?region=01&material=clay",
        "/balance?region=01&from=2026-07&to=2026-07&grain=year",
    ):  # fmt: skip
        status, told = await full.ask(path, STRANGER)
        assert (status, told["bounded"], told["as_of"]) == (200, True, None)
        assert {(row["material"], row["surplus_t"]) for row in told["items"]} <= {("till", 600.0)}
    _, clay = await full.ask("/figures?region=01&material=clay&indicator=K1a", STRANGER)
    assert all(not one["numerator"] and not one["denominator"] for one in clay["items"])


async def test_what_moves_between_two_is_in_no_figure_by_month(full: Any) -> None:
    """Five have till in June, but two move it: what it is worth is theirs to know."""
    asked = "/figures?region=01&period=2026-06&state=proposed&indicator=K8"
    (known,) = (await full.ask(asked, COORDINATOR))[1]["items"]
    (told,) = (await full.ask(asked, STRANGER))[1]["items"]
    assert known["value"]
    assert not told["value"]
