"""Numbers, dates and tables as people write them."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.client.cells import (
    BadCell,
    BadTable,
    Form,
    MissingColumns,
    date_in,
    number_in,
)
from shared.client.tables import read_rows

HELSINKI = ZoneInfo("Europe/Helsinki")
SPACES = (" ", "\u00a0", "\u202f", "\u2009", "'")


@given(
    st.integers(0, 10**12),
    st.integers(0, 999),
    st.sampled_from(SPACES),
    st.sampled_from(",."),
)
def test_a_number_is_read_with_any_space_between_thousands(whole, part, space, mark):
    """Spaces part thousands, and the mark that was said is the decimal one."""
    written = f"{whole:,}".replace(",", space) + f"{mark}{part:03}"
    assert number_in(written, mark) == pytest.approx(float(f"{whole}.{part:03}"))


@given(st.integers(1, 999), st.integers(0, 999), st.sampled_from(",."))
def test_a_number_that_two_would_read_differently_is_refused(whole, part, mark):
    """1,234 is 1234 to one reader and 1.234 to the next: nobody guesses."""
    with pytest.raises(BadCell, match="decimal"):
        number_in(f"{whole}{mark}{part:03}")


@given(st.floats(0, 1e9, allow_nan=False, allow_infinity=False))
def test_what_a_machine_writes_is_read_back_to_the_bit(value):
    """A float with a decimal point comes back as it was."""
    assert number_in(repr(value), ".") == value


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("1.234,5", 1234.5),
        ("1,234.5", 1234.5),
        ("12,5", 12.5),
        ("0,764", 0.764),
        ("−3", -3.0),
        ("007", 7.0),
        ("12 500", 12500.0),
    ],
)
def test_usual_numbers_need_no_telling(written, read):
    """Where only one reading is possible, the decimal mark need not be said."""
    assert number_in(written) == read


@pytest.mark.parametrize("written", ["", "n/a", "nan", "inf", "1 23", "1,2,3", "12 t", "٣"])
def test_what_is_no_number_is_refused_with_a_remedy(written):
    """Nothing is dropped from a cell to make a number of it."""
    with pytest.raises(BadCell, match="Write it like"):
        number_in(written)


@given(st.dates(date(1900, 1, 1), date(2200, 1, 1)))
def test_a_day_is_read_in_the_forms_that_were_said(day):
    """The forms are tried in order; a leading zero may stand or not."""
    forms = ("yyyy-mm-dd", "d.m.yyyy")
    assert date_in(day.isoformat(), forms, HELSINKI) == day
    assert date_in(f"{day.day}.{day.month}.{day.year}", forms, HELSINKI) == day
    assert date_in(f"{day.day:02}.{day.month:02}.{day.year}", forms, HELSINKI) == day


@given(st.integers(10**9, 4 * 10**9).map(lambda seconds: datetime.fromtimestamp(seconds, UTC)))
def test_an_instant_is_the_day_it_was_in_its_zone(moment):
    """The start of a month in Helsinki is the evening before in UTC: it is read as that month."""
    day = moment.astimezone(HELSINKI).date()
    assert date_in(moment.isoformat(), ("instant",), HELSINKI) == day
    milliseconds = str(int(moment.timestamp() * 1000))
    assert date_in(milliseconds, ("milliseconds",), HELSINKI) == day


def test_a_month_is_its_first_day():
    """A form without days gives the first."""
    assert date_in("11/2026", ("m/yyyy",), HELSINKI) == date(2026, 11, 1)


@pytest.mark.parametrize("written", ["31.2.2026", "2026-13-01", "soon", "1.2.26"])
def test_what_is_no_date_is_refused_with_its_forms(written):
    """The refusal names the forms that would be read."""
    with pytest.raises(BadCell, match=r"yyyy-mm-dd / d\.m\.yyyy"):
        date_in(written, ("yyyy-mm-dd", "d.m.yyyy"), HELSINKI)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
@pytest.mark.parametrize("delimiter", [";", ",", "\t"])
def test_encoding_and_delimiter_are_found(tmp_path, encoding, delimiter):
    """The usual exports of spreadsheets are read without being told what they are."""
    file = tmp_path / "masses.csv"
    lines = [delimiter.join(row) for row in (["Määrä", "Yksikkö"], ["12", "m³"], ["", ""])]
    file.write_text("\r\n".join(lines), encoding)
    (row,) = read_rows(file, Form())
    assert row.number == 2
    assert row.cells == {"Määrä": "12", "Yksikkö": "m³"}


def test_missing_columns_are_named_all_at_once(tmp_path):
    """A person mends the header once, not once for every column."""
    file = tmp_path / "masses.csv"
    file.write_text("a;b\n1;2\n")
    with pytest.raises(MissingColumns, match=r"no column c, d\. It has: a, b"):
        list(read_rows(file, Form(), columns=["a", "c", "d"]))


def test_a_column_that_stands_twice_is_refused(tmp_path):
    """Which of the two was meant cannot be known."""
    file = tmp_path / "masses.csv"
    file.write_text("a;b;a\n1;2;3\n")
    with pytest.raises(BadTable, match="a stands twice"):
        list(read_rows(file, Form()))


def test_rows_keep_the_numbers_of_the_spreadsheet(tmp_path):
    """Rows above the header, empty rows and line breaks in a cell do not move the count."""
    file = tmp_path / "masses.csv"
    file.write_text('Report\na;b\n"two\nlines";1\n;\nlast\nx;y;z\n')
    rows = list(read_rows(file, Form(header=2)))
    assert [(row.number, row.cells["a"], row.cells["b"], row.beyond) for row in rows] == [
        (3, "two\nlines", "1", ()),
        (5, "last", "", ()),
        (6, "x", "y", ("z",)),
    ]
