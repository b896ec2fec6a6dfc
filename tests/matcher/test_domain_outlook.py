"""The plan by month: every tonne, cent and gram of a match falls in one month and none is lost."""

from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from services.matcher.domain import Left, Movement, outlook, unmatched

days = st.integers(0, 900)
counts = st.integers(0, 10**7)


@st.composite
def movements(draw):
    first = date(2027, 1, 1) + timedelta(days=draw(days))
    low, tonnes, high = sorted(draw(st.tuples(counts, counts, counts)))
    return Movement(
        material=draw(st.sampled_from(["sand", "till"])),
        origin=draw(st.sampled_from(["049", "091"])),
        target="092",
        route=draw(st.sampled_from(["direct", "onsite"])),
        via=None,
        state=draw(st.sampled_from(["proposed", "agreed"])),
        first=first,
        last=first + timedelta(days=draw(days)),
        low=low,
        tonnes=tonnes,
        high=high,
        expected=draw(st.integers(0, tonnes)),
        kg_km=draw(counts),
        cents=draw(st.integers(-(10**9), 10**9)),
        grams=draw(st.integers(-(10**9), 10**9)),
    )


def a_movement(**told):
    """1 000 t of sand from Espoo to Vantaa in March, unless told otherwise."""
    return Movement(
        **{
            "material": "sand", "origin": "049", "target": "092", "route": "direct", "via": None,
            "state": "proposed", "first": date(2027, 3, 1), "last": date(2027, 3, 31), "low": 500,
            "tonnes": 1000, "high": 1500, "expected": 600, "kg_km": 10_000_000, "cents": 2_000_000,
            "grams": 5_000_000, **told,
        }
    )  # fmt: skip


@given(st.lists(movements(), max_size=8))
def test_the_plan_sums_to_its_matches_exactly(told):
    """Tonnes at each bound, expected ones, tkm, cents and grams: nothing is lost to rounding."""
    found = outlook(told, [])
    for name in ("low", "tonnes", "high", "expected", "kg_km", "cents", "grams"):
        for onsite in (False, True):
            here = [one for one in told if (one.route == "onsite") == onsite]
            part = "onsite" if onsite else "moved"
            whole = sum(getattr(one, name) for one in here)
            assert getattr(getattr(found.total, part), name) == whole
            by_month = (getattr(month, part) for month in found.months.values())
            assert sum(getattr(one, name) for one in by_month) == whole


@given(movements())
def test_in_every_month_low_is_no_more_than_likely_and_likely_no_more_than_high(told):
    """And what is expected is no more than what is likely."""
    for amounts in outlook([told], []).rows.values():
        assert 0 <= amounts.low <= amounts.tonnes <= amounts.high
        assert 0 <= amounts.expected <= amounts.tonnes


@given(movements())
def test_a_month_gets_its_share_of_the_days_to_a_tonne(told):
    """Whole days of the window, both ends included."""
    whole = (told.last - told.first).days + 1
    for key, amounts in outlook([told], []).rows.items():
        year, month = map(int, key[0].split("-"))
        begins = date(year, month, 1)
        ends = (begins + timedelta(days=32)).replace(day=1) - timedelta(days=1)
        here = (min(ends, told.last) - max(begins, told.first)).days + 1
        assert abs(amounts.tonnes - told.tonnes * here / whole) < 1


@given(st.lists(movements(), max_size=6), st.integers(1, 12), st.integers(1, 12))
def test_a_part_of_the_year_is_that_part_of_the_plan(told, one, other):
    """Asking for some months leaves out the others, and changes nothing in these."""
    first, last = f"2027-{min(one, other):02}", f"2027-{max(one, other):02}"
    part, whole = outlook(told, [], first=first, last=last), outlook(told, [])
    assert part.rows == {
        key: amounts for key, amounts in whole.rows.items() if first <= key[0] <= last
    }


def test_matches_of_one_way_are_one_row_and_onsite_stands_apart():
    """Two matches from Espoo to Vantaa in one month; what stays on its site is not moved."""
    found = outlook([a_movement(), a_movement(tonnes=600), a_movement(route="onsite")], [])
    assert [(key[4], amounts.matches, amounts.tonnes) for key, amounts in found.rows.items()] == [
        ("direct", 2, 1600),
        ("onsite", 1, 1000),
    ]
    assert found.months["2027-03"].moved.tonnes == 1600
    assert found.months["2027-03"].onsite.tonnes == 1000


@given(counts, st.tuples(counts, counts, counts))
def test_what_is_left_is_never_below_nothing_and_keeps_its_order(taken, sizes):
    """A lot that gave more than its low forecast has nothing left at the low one."""
    low, likely, high = sorted(sizes)
    left = unmatched(likely, low, high, taken)
    assert 0 <= left[0] <= left[1] <= left[2]
    assert left[1] == max(0, likely - taken)


def test_surplus_and_need_are_left_apart():
    """They are never added up."""
    window = date(2027, 3, 1), date(2027, 4, 30)
    found = outlook(
        [],
        [
            Left("surplus", "sand", *window, 10, 61, 100, 30),
            Left("need", "sand", *window, 0, 122, 122, 61),
            Left("need", "till", *window, 0, 0, 0, 0),
        ],
    )
    assert {key: amounts.tonnes for key, amounts in found.left.items()} == {
        ("2027-03", "surplus", "sand"): 31,
        ("2027-04", "surplus", "sand"): 30,
        ("2027-03", "need", "sand"): 62,
        ("2027-04", "need", "sand"): 60,
    }
    assert found.total.surplus.tonnes == 61
    assert found.months["2027-04"].need.tonnes == 60
