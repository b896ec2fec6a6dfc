"""What the pages show, computed: numbers, weeks, the chart and its table, the inbox."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.portal.domain import formats, marks
from services.portal.domain.charts.balance import Month, axis_step, balance_chart, window
from services.portal.domain.paths import local_path
from services.portal.domain.rows import (
    Entry,
    Figure,
    MatchRow,
    figure_lines,
    inbox_of,
    latest,
)
from services.portal.domain.whole import (
    Acts,
    End,
    Said,
    WholeMatch,
    acts_of,
    speaks_for,
    standing_offer,
)
from shared.vocabulary.materials import MATERIALS

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)


def a_row(**told: object) -> MatchRow:
    """A proposed match of Kiviset and Soraset."""
    body = {
        "id": "a", "revision": 1, "state": "proposed", "material": "till", "tonnes": 100,
        "origin": "049", "destination": "092", "km": 10.0, "first": date(2026, 5, 18),
        "last": date(2026, 6, 14), "cents_per_t": 500, "asks": ("kiviset", "soraset"),
        "told_at": NOON,
    }  # fmt: skip
    return MatchRow(**{**body, **told})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("value", "decimals", "written"),
    [
        (0, 0, "0"),
        (12345.64, 1, "12\u00a0345,6"),
        (1234567, 0, "1\u00a0234\u00a0567"),
        (-31250.4, 0, "\u221231\u00a0250"),
        (-0.04, 1, "0,0"),
        (2.5, 0, "3"),
        (0.1 + 0.2, 2, "0,30"),
    ],
)
def test_numbers_are_written_the_finnish_way(value: float, decimals: int, written: str) -> None:
    """No-break space, comma, true minus, halves up, and no minus before nothing."""
    assert written == formats.number(value, decimals)


def test_weeks_are_iso_weeks_also_over_the_turn_of_the_year() -> None:
    """The last days of December may belong to week 1 of the next year."""
    assert formats.weeks(date(2026, 5, 18), date(2026, 6, 14), "fi") == "vk\u00a021–24/2026"
    assert formats.weeks(date(2026, 5, 18), date(2026, 5, 24), "sv") == "v.\u00a021/2026"
    assert formats.weeks(date(2026, 12, 9), date(2027, 1, 20), "en") == "wk\u00a050/2026–3/2027"
    assert formats.weeks(date(2024, 12, 30), date(2025, 1, 1), "fi") == "vk\u00a01/2025"


@pytest.mark.parametrize(
    ("accepted", "language"),
    [("", "fi"), ("sv-FI,sv;q=0.9", "sv"), ("de,en;q=0.5,sv;q=0.7", "sv"), ("de", "fi"),
     ("en;q=x", "fi"), ("*", "fi")],
)  # fmt: skip
def test_the_browsers_language_is_read_by_its_weights(accepted: str, language: str) -> None:
    """What is not known, or not readable, is passed over; Finnish is the first language."""
    assert language == formats.language_of(accepted, ("fi", "sv", "en"), "fi")


MONTHS = st.lists(
    st.builds(
        Month,
        st.integers(24200, 24340).map(lambda n: f"{n // 12}-{n % 12 + 1:02d}"),
        st.floats(0, 1e7),
        st.floats(0, 1e7),
    ),
    max_size=60,
)


@given(MONTHS)
def test_the_chart_is_true_to_scale_and_inside_its_box(months: list[Month]) -> None:
    """Heights relate as tonnes do, on both sides of zero; nothing leaves the plot."""
    shown = window(months, "2026-05")
    chart = balance_chart(shown, "2026-05", "fi")
    if chart is None:
        assert max((one.surplus_t + one.need_t for one in shown), default=0) < 0.001
        return
    assert len(chart.columns) == len(shown) <= 18
    highest = max(max(one.surplus_t, one.need_t) for one in shown)
    tallest = max(max(one.surplus_height, one.need_height) for one in chart.columns)
    for one, column in zip(shown, chart.columns, strict=True):
        assert column.surplus_height == pytest.approx(one.surplus_t / highest * tallest, abs=0.2)
        assert column.need_height == pytest.approx(one.need_t / highest * tallest, abs=0.2)
        assert column.surplus_y >= chart.top - 0.1
        assert chart.zero_y + column.need_height <= chart.bottom + 0.1
        assert chart.top - 0.1 <= column.net_y <= chart.bottom + 0.1


def test_the_chart_says_the_sums_of_its_table() -> None:
    """The sentence's totals are those of the months shown, and months of one name are one."""
    months = [Month("2026-05", 1000, 400), Month("2026-05", 500, 0), Month("2026-07", 0, 2100)]

    shown = window(months, "2026-06")
    chart = balance_chart(shown, "2026-06", "fi")

    assert chart is not None
    assert [one.month for one in shown] == ["2026-05", "2026-06", "2026-07"]
    assert [column.surplus for column in chart.columns] == ["1\u00a0500", "0", "0"]
    assert [column.net for column in chart.columns] == ["1\u00a0100", "0", "\u22122\u00a0100"]
    assert chart.surplus_total == "1\u00a0500\u00a0t"
    assert (chart.net_sign, chart.net_total) == ("under", "1\u00a0000\u00a0t")
    assert (chart.months_over, chart.months_all) == (1, 3)


def test_a_long_balance_shows_the_months_around_now() -> None:
    """Eighteen months from three before this one; the last eighteen when all is past."""
    months = [Month(f"{2020 + n // 12}-{n % 12 + 1:02d}", 1, 1) for n in range(120)]
    assert window(months, "2026-05")[0].month == "2026-02"
    assert window(months, "2029-12")[0].month == "2028-07"
    assert window(months, "2035-01")[0].month == "2028-07"


@pytest.mark.parametrize(("extent", "step"), [(30_000, 6000), (5, 1), (61_000, 15_000)])
def test_axis_steps_are_round(extent: float, step: float) -> None:
    """1, 1,5, 2, 2,5, 3, 4, 5, 6, 8 or 10 of a power of ten."""
    assert step == axis_step(extent)


def test_a_decided_match_leaves_the_inbox_whatever_the_notifier_says() -> None:
    """The matcher's present state lies over the notifier's entries."""
    entries = [Entry("1", "a", False), Entry("2", "b", False)]
    rows = [
        a_row(id="a", state="agreed", asks=()),
        a_row(id="b", cents_per_t=100),
        a_row(id="c", cents_per_t=900, asks=("kiviset",), accepted_by=("soraset",)),
        a_row(id="d", state="accepted", asks=("soraset",), accepted_by=("kiviset",)),
    ]

    inbox = inbox_of(rows, entries, ["kiviset"])

    assert [move.row.id for move in inbox.waiting] == ["c", "b"]
    assert [move.unread for move in inbox.waiting] == [False, True]
    assert [move.row.id for move in inbox.undoable] == ["d"]


def test_the_latest_matches_are_each_there_once_newest_first() -> None:
    """An older revision of the same match is not shown beside the newer."""
    rows = [a_row(id=str(n), told_at=NOON + timedelta(minutes=n)) for n in range(40)]
    shown = latest([*rows, a_row(id="39", revision=2, told_at=NOON + timedelta(minutes=39))])
    assert len(shown) == 25
    assert (shown[0].id, shown[0].revision) == ("39", 2)


def test_figures_are_in_the_order_of_their_numbers() -> None:
    """K10 comes after K9, not after K1."""
    told = [Figure(name, "agreed", 1.0, "t", True) for name in ("K10", "K2", "K1b", "K1a")]
    assert [line.indicator for line in figure_lines(told)] == ["K1a", "K1b", "K2", "K10"]


def test_every_natural_material_has_a_group_and_a_name() -> None:
    """Only mixtures are left to «other»; names begin with a capital in every language."""
    other = {one.id for one in MATERIALS.values()
             if one.group == "natural" and marks.material_group(one.id) == "other"}  # fmt: skip
    assert {"made_ground"} == other
    assert marks.material_name("till", "fi") == "Moreeni"
    assert marks.material_name("unheard_of", "fi").lower() == "unheard_of"
    assert marks.indicator_name("K6", "fi") == "Keskikuljetusmatka"


@pytest.mark.parametrize(
    "told",
    ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)", "",
     "/\t/evil.example", "/a\r\nSet-Cookie: x=1", "evil", "/\u2028", "/" + "a" * 600],
)  # fmt: skip
def test_a_browser_is_never_sent_elsewhere(told: str) -> None:
    """Only a plain path of our own is followed."""
    assert local_path(told) == "/"
    assert local_path("/?region=99#inbox") == "/?region=99#inbox"


def a_whole_match(state: str = "proposed", **told: object) -> WholeMatch:
    """A match of Kiviset and Soraset, whole."""
    row = a_row(state=state, **told)
    return WholeMatch(
        row=row, region="99", surplus=End("kiviset", "049", "s"), need=End("soraset", "092", "n"),
        total_cents=50_000, giver_cents=None, taker_cents=None, compensation_cents=0,
        saved_kg=None, whys=(), area=None, delivered_t=0, left_t=None, closed_by=None,
        declined_by=None, decline_reason=None, born_at=None,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("state", "told", "may"),
    [
        ("proposed", {}, {"accept", "decline", "counter"}),
        ("accepted", {"asks": ("kiviset",), "accepted_by": ("soraset",)},
         {"accept", "decline", "counter"}),
        ("accepted", {"asks": ("soraset",), "accepted_by": ("kiviset",)},
         {"undo", "decline", "counter"}),
        ("agreed", {"asks": ()}, {"report", "close"}),
        ("moving", {"asks": ()}, {"report", "close"}),
        ("done", {"asks": ()}, {"report"}),
        ("declined", {"asks": ()}, set()),
        ("agreed", {"asks": (), "route": "onsite"}, set()),
    ],
)  # fmt: skip
def test_what_a_side_may_do_follows_the_life_of_a_match(
    state: str, told: dict[str, object], may: set[str]
) -> None:
    """Who offered may withdraw it or offer again; loads may come late; an own site asks nobody."""
    acts = acts_of(a_whole_match(state, **told), ("kiviset",))
    assert {name for name, who in vars(acts).items() if who} == may


def test_a_regions_coordinator_speaks_for_either_side_and_a_stranger_for_none() -> None:
    """A member speaks for the own side alone."""
    match = a_whole_match()
    assert speaks_for(match, (), ("99",)) == ("kiviset", "soraset")
    assert speaks_for(match, ("soraset", "x"), ("01",)) == ("soraset",)
    assert acts_of(match, speaks_for(match, ("x",), ())) == Acts()


def test_the_offer_that_waits_is_the_last_one_and_falls_when_it_is_withdrawn() -> None:
    """Only while one side's acceptance stands."""
    offers = [Said("kiviset", "counter", NOON, tonnes=80), Said("soraset", "counter", NOON)]
    waiting = a_whole_match("accepted")
    assert standing_offer(waiting, offers) == offers[1]
    assert standing_offer(waiting, [*offers, Said("soraset", "undo", NOON)]) is None
    assert standing_offer(a_whole_match("agreed"), offers) is None


def test_numbers_and_days_are_read_as_people_write_them() -> None:
    """Comma or point, gaps in thousands; the browser's form of a day and the Finnish one."""
    read = [formats.read_number(told) for told in ("1 234,5", "1\u00a0234.5", "-3", "", "1,2,3")]
    assert read == [1234.5, 1234.5, -3, None, None]
    days = [formats.read_day(told) for told in ("2026-05-18", "18.5.2026", "31.2.2026", "18/5")]
    assert days == [date(2026, 5, 18), date(2026, 5, 18), None, None]


@given(st.integers(0, 10**9))
def test_loads_are_written_with_the_decimals_they_have(kilograms: int) -> None:
    """Read back, they are the same to the kilogram."""
    written = formats.load(kilograms / 1000)
    assert formats.read_number(written.removesuffix("\u00a0t")) == kilograms / 1000
    assert not written.startswith(("-", "\u2212"))
    assert "," not in written or not written.removesuffix("\u00a0t").endswith("0")
