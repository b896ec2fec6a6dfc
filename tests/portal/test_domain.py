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
