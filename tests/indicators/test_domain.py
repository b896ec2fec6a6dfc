"""A kilogram stands in one month and one state; the order of news does not matter."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.indicators.domain import (
    DEFINITIONS,
    BadPeriod,
    Cells,
    Flow,
    KeptLot,
    KeptMatch,
    Lot,
    Match,
    Months,
    Standing,
    Stock,
    cells_of,
    contribution_of,
    figures_of,
    flow_cells,
    lot_cells,
    mean_haul_km,
    period_label,
    period_of,
    reuse_rate,
    take_lots,
    take_matches,
)
from services.indicators.domain.lots import add_to, without_empty
from services.indicators.domain.matches import flow_of
from shared.problems import sentence
from shared.vocabulary.months import apportion, month_days
from shared.vocabulary.tables import table
from tests.indicators.telling import a_lot, a_pair, an_end


@given(st.integers(-(10**12), 10**12), st.lists(st.integers(0, 31), max_size=40))
def test_parts_sum_to_the_whole_and_are_fair_to_a_kilogram(total: int, weights: list[int]) -> None:
    """Largest remainder: nothing is lost, and no part is a whole kilogram off its share."""
    parts = apportion(total, weights)

    whole = sum(weights)
    assert sum(parts) == (total if whole else 0)
    assert all(
        abs(part * whole - total * weight) < max(whole, 1)
        for part, weight in zip(parts, weights, strict=True)
    )


@given(st.dates(date(2020, 1, 1), date(2030, 1, 1)), st.integers(0, 1500))
def test_every_day_of_a_window_is_in_one_month(first: date, more: int) -> None:
    """The days of the months are the days of the window, both ends included."""
    months, days = month_days(first, first + timedelta(days=more))

    assert sum(days) == more + 1
    assert list(months) == sorted(set(months))
    assert months[0] == f"{first:%Y-%m}"


def test_a_lot_spreads_evenly_over_the_days_of_its_window() -> None:
    """113 days from 10 May: 22 of them in May, and May gets 22/114 of the tonnes."""
    cells = cells_of(contribution_of(a_lot(tonnes=1140), Standing()))

    by_month = {key[6]: amounts[1] for key, amounts in cells.items() if key[0] == "region"}
    assert by_month == {
        "2026-05": 220_000, "2026-06": 300_000, "2026-07": 310_000, "2026-08": 310_000
    }  # fmt: skip


kilograms = st.integers(0, 900_000)


@given(
    low=kilograms, likely=kilograms, high=kilograms,
    held=st.builds(Standing, kilograms, kilograms, kilograms), days=st.integers(0, 500),
)  # fmt: skip
def test_the_states_of_a_lot_add_up_to_it_in_every_month(
    low: int, likely: int, high: int, held: Standing, days: int
) -> None:
    """Whatever its matches hold, even more than there is: rows close, nothing is below 0."""
    lot = a_lot(kg_low=low, kg=likely, kg_high=high, last=date(2026, 5, 10) + timedelta(days=days))
    _, weights = month_days(lot.first, lot.last)
    told = contribution_of(lot, held)
    states: dict[str, Any] = told["states"] if told else {}

    for at, whole in enumerate((low, likely, high)):
        columns = [bounds[at] for bounds in states.values()]
        by_month = [sum(column) for column in zip(*columns, strict=True)] or [0] * len(weights)
        assert by_month == (apportion(whole, weights) if told else [0] * len(weights))
        assert all(kg >= 0 for column in columns for kg in column)
    if told:
        agreed = min(likely, held.onsite + held.agreed)
        assert sum(states.get("agreed", ([], [], []))[1]) == agreed
        assert sum(told["onsite"]) == min(likely, held.onsite)
        forecast = max(0, likely - held.onsite - held.agreed - held.proposed)
        assert sum(states.get("forecast", ([], [], []))[1]) == forecast


@given(low=kilograms, more=kilograms, held=st.builds(Standing, kilograms, kilograms, kilograms))
def test_low_stays_below_high_in_every_state(low: int, more: int, held: Standing) -> None:
    """The bounds of a lot are bounds of each state too."""
    lot = a_lot(kg_low=low, kg=low + more, kg_high=low + 2 * more)
    told = contribution_of(lot, held) or {"states": {}}

    for bounds in told["states"].values():
        least, likely, most = map(sum, bounds)
        assert least <= likely <= most


def test_a_lot_that_is_not_offered_takes_part_in_nothing() -> None:
    """Draft, reserved and cancelled lots fill no cell."""
    for status in ("draft", "reserved", "cancelled"):
        assert contribution_of(a_lot(status=status), Standing(agreed=5)) is None


class Book:
    """The tables in memory: what the handlers do to them, by the same two rules."""

    def __init__(self) -> None:
        self.lots: dict[UUID, KeptLot] = {}
        self.matches: dict[UUID, KeptMatch] = {}
        self.cells: Cells = {}
        self.flows: Cells = {}

    def hear(self, news: Sequence[Lot | Match]) -> None:
        lots = [one for one in news if isinstance(one, Lot)]
        for lot in lots:
            self.lots.setdefault(lot.id, KeptLot(lot.id))
        renewed, changes = take_lots(self.lots, lots)
        self._write(renewed, changes, {})

        matches = [one for one in news if isinstance(one, Match)]
        for match in matches:
            for end in (match.surplus, match.need):
                self.lots.setdefault(end.lot, KeptLot(end.lot))
        kept, touched, changes, flows = take_matches(self.lots, self.matches, matches)
        for one in kept:
            row = KeptMatch(one.id, one.revision, one.bucket, one.kg, flow_of(one))
            self.matches[one.id] = row
        self._write(touched, changes, flows)

    def _write(self, lots: Sequence[KeptLot], changes: Cells, flows: Cells) -> None:
        self.lots |= {lot.id: lot for lot in lots}
        add_to(self.cells, changes)
        add_to(self.flows, flows)

    @property
    def state(self) -> tuple[Cells, Cells, dict[UUID, Any], dict[UUID, KeptMatch]]:
        lots = {id: (lot.lot, lot.standing, lot.contribution) for id, lot in self.lots.items()}
        return without_empty(self.cells), without_empty(self.flows), lots, self.matches


lots_told = st.builds(
    a_lot,
    st.sampled_from(["s1", "s2", "n1", "n2"]),
    tonnes=st.integers(0, 900),
    revision=st.integers(1, 4),
    municipality=st.sampled_from(["049", "091"]),
    status=st.sampled_from(["offered", "offered", "cancelled"]),
    last=st.dates(date(2026, 5, 10), date(2027, 2, 1)),
)
matches_told = st.builds(
    lambda surplus, need, **told: a_pair(f"{surplus}{need}", surplus=surplus, need=need, **told),
    st.sampled_from(["s1", "s2"]),
    st.sampled_from(["n1", "n2"]),
    tonnes=st.integers(0, 700),
    revision=st.integers(1, 4),
    state=st.sampled_from(["proposed", "accepted", "agreed", "declined", "withdrawn"]),
    onsite=st.booleans(),
)


def _one_of_each_revision(news: list[Lot | Match]) -> list[Lot | Match]:
    return list({(one.id, one.revision): one for one in news}.values())


@settings(max_examples=150, deadline=None)
@given(st.data(), st.lists(lots_told | matches_told, max_size=14))
def test_any_order_any_batches_and_any_repetition_give_the_same(
    data: st.DataObject, news: list[Lot | Match]
) -> None:
    """Late, twice, a match before its forecast: equal rows, and equal to a recomputation."""
    told = _one_of_each_revision(news)
    repeated = told + data.draw(st.lists(st.sampled_from(told), max_size=5)) if told else []
    shuffled = data.draw(st.permutations(repeated))
    quiet, wild = Book(), Book()

    for one in sorted(told, key=lambda one: one.revision):
        quiet.hear([one])
    while shuffled:
        size = data.draw(st.integers(1, 4))
        wild.hear(shuffled[:size])
        shuffled = shuffled[size:]

    assert wild.state == quiet.state
    assert without_empty(wild.cells) == lot_cells(wild.lots.values())
    flows: Cells = {}
    for match in wild.matches.values():
        add_to(flows, flow_cells(match.contribution))
    assert without_empty(wild.flows) == without_empty(flows)


@given(st.lists(lots_told | matches_told, max_size=14))
def test_children_sum_to_their_parent(news: list[Lot | Match]) -> None:
    """Projects, organisations, municipalities and sub-regions each sum to the region, exactly."""
    book = Book()
    book.hear(_one_of_each_revision(news))

    for cells in (book.cells, book.flows):
        sums: dict[str, Cells] = {}
        for key, amounts in cells.items():
            total = sums.setdefault(key[0], {})
            add_to(total, {("", "", *key[2:]): amounts})
        children = [without_empty(total) for scope, total in sums.items() if scope != "region"]
        assert all(child == without_empty(sums["region"]) for child in children)


def test_a_match_before_its_forecast_holds_an_empty_place() -> None:
    """300 t agreed of a lot not told yet; when 1 000 t are told, 700 are forecast."""
    book = Book()
    book.hear([a_pair(state="agreed", tonnes=300)])
    assert not without_empty(book.cells)

    book.hear([a_lot("pit", tonnes=1000)])

    by_state: dict[str, int] = {}
    for key, amounts in book.cells.items():
        if key[0] == "region":
            by_state[key[5]] = by_state.get(key[5], 0) + amounts[1]
    assert by_state == {"agreed": 300_000, "forecast": 700_000}


def test_on_site_use_moves_nothing() -> None:
    """It stands in the balance, leaves no gate, and so makes no tonne-kilometres."""
    assert flow_of(a_pair(state="agreed", onsite=True)) is None


def test_a_done_match_holds_nothing() -> None:
    """What it moved is counted load by load, what it did not is its lots' again."""
    assert a_pair(state="moving").bucket == "agreed"
    assert a_pair(state="done").bucket == ""


@pytest.mark.parametrize("case", [one for one in table("kpi")["tests"] if one["kpi"] == "K1"])
def test_the_reuse_rate_is_that_of_the_definition(case: dict[str, Any]) -> None:
    """The worked examples of the definition, with on-site use and without."""
    told = case["given"]
    if "all" in told:
        rate = reuse_rate(need_direct=0, need_via_storage=0, off_site_surplus=0)
        assert rate is case["K1a"]
        return
    direct, stored = told["need_direct"], told["need_via_storage"]
    whole = case["off_site_surplus"]
    left = ("need_direct", "into_storage", "landfill_structure", "treatment", "disposal", "unknown")
    assert whole == sum(told[outlet] for outlet in left)

    without = reuse_rate(need_direct=direct, need_via_storage=stored, off_site_surplus=whole)
    beside = reuse_rate(
        need_direct=direct, need_via_storage=stored, off_site_surplus=whole, onsite=told["onsite"]
    )

    assert (round(without or 0, 4), round(beside or 0, 4)) == (case["K1a"], case["K1b"])


def test_the_mean_haul_is_over_the_whole_chain() -> None:
    """Both legs count in kilometres, the tonnes once."""
    case = next(one for one in table("kpi")["tests"] if one["kpi"] == "K6")
    tkm = sum(move["t"] * sum(move["legs_km"]) for move in case["given"])

    assert case["km"] == mean_haul_km(tkm, sum(move["t"] for move in case["given"]))


STOCKS = {
    ("forecast", "surplus"): Stock(400_000, 500_000, 600_000, 0, 500_000),
    ("proposed", "surplus"): Stock(200_000, 200_000, 200_000, 0, 0),
    ("agreed", "surplus"): Stock(300_000, 300_000, 300_000, 100_000, 300_000),
    ("forecast", "need"): Stock(700_000, 800_000, 900_000, 0, 0),
}
FLOWS = {
    ("agreed", "surplus"): Flow(200_000, 2_400_000, -15_000, 700_000_000, 150_000, 200_000, 50_000),
    ("agreed", "need"): Flow(200_000, 2_400_000, -15_000, 700_000_000, 150_000, 200_000, 50_000),
}


def _value(indicator: str, state: str) -> float | None:
    return next(
        one.value
        for one in figures_of(STOCKS, FLOWS)
        if (one.indicator, one.state) == (indicator, state)
    )


@pytest.mark.parametrize(
    ("indicator", "state", "value"),
    [
        ("K1a", "forecast", 0.0),
        ("K1a", "proposed", 200 / 900),
        ("K1a", "agreed", 200 / 900),
        ("K1b", "agreed", 300 / 1000),
        ("K2", "agreed", None),
        ("K3", "forecast", 300.0),
        ("K3", "agreed", -300.0),
        ("K4", "agreed", 150.0),
        ("K5", "agreed", 2400.0),
        ("K6", "agreed", 12.0),
        ("K6", "proposed", None),
        ("K7", "agreed", 700.0),
        ("K8", "agreed", -150.0),
    ],
)
def test_figures_follow_their_formula(indicator: str, state: str, value: float | None) -> None:
    """Each of K1–K8 by hand; a saving below zero is shown as it is."""
    found = _value(indicator, state)
    assert found == (pytest.approx(value) if value is not None else None)


def test_only_delivered_is_no_projection_and_unknown_says_why() -> None:
    """A projection says so; a figure without a value says what is missing."""
    told = figures_of(STOCKS, FLOWS)

    assert {one.state for one in told if not one.projection} == {"delivered"}
    assert all(one.why for one in told if one.value is None)
    assert all(one.value is None for one in told if one.state == "delivered")


def test_on_site_use_that_nobody_told_is_not_zero() -> None:
    """Without on-site use told, K1b is unknown, and never the same number as K1a by accident."""
    told = figures_of({("forecast", "surplus"): Stock(1, 1, 1)}, {})

    k1b = next(one for one in told if one.indicator == "K1b" and one.state == "agreed")
    assert k1b.value is None
    assert "not been told" in (k1b.why or "")


def test_a_figure_carries_how_much_of_it_is_unverified() -> None:
    """By mass: conversions for balances, value and climate parts for savings."""
    share = {
        one.indicator: one.unverified_share
        for one in figures_of(STOCKS, FLOWS)
        if one.state == "agreed"
    }
    assert share["K1a"] == pytest.approx(0.8)
    assert (share["K7"], share["K8"]) == (0.25, 1.0)


def test_every_indicator_has_a_definition_with_version_and_names() -> None:
    """K1 in both variants to K15, in three languages; savings name their counterfactual."""
    assert list(DEFINITIONS) == [
        "K1a", "K1b", *(f"K{number}" for number in (*range(2, 12), 13, 14, 15)), "M1", "M3", "M5",
    ]  # fmt: skip
    assert all(set(one.names) == {"fi", "sv", "en"} for one in DEFINITIONS.values())
    held = {one.id for one in DEFINITIONS.values() if one.counterfactual}
    assert held == {"K4", "K7", "K8", "K9"}


@pytest.mark.parametrize(
    ("told", "months"),
    [
        ("all", Months()),
        ("2026", Months("2026-01", "2026-12")),
        ("2026-Q2", Months("2026-04", "2026-06")),
        ("2026-05", Months("2026-05", "2026-05")),
        ("2026-05..2027-01", Months("2026-05", "2027-01")),
    ],
)
def test_periods_are_read_and_written_alike(told: str, months: Months) -> None:
    """Year, quarter, month, span and all."""
    assert period_of(told) == months
    assert period_of(period_label(months)) == months


@pytest.mark.parametrize("told", ["", "2026-13", "2026-Q5", "2026-05..2026-04", "26", "2026-05.."])
def test_a_period_that_is_none_is_refused(told: str) -> None:
    """The error names the value and the forms."""
    with pytest.raises(BadPeriod) as refused:
        period_of(told)
    for language in ("en", "fi", "sv"):
        said = sentence(refused.value, language)
        assert f"«{told}»" in said and "2027-01..2027-12" in said


def test_the_other_material_avoids_no_virgin_one() -> None:
    """Substitution share 1 for the like material, 0 otherwise."""
    like = flow_of(a_pair(tonnes=10))
    other = flow_of(a_pair(tonnes=10, need=an_end("bank", material="sand")))

    assert like and other
    assert (sum(like["amounts"][4]), sum(other["amounts"][4])) == (10_000, 0)
