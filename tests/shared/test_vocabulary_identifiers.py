"""Identifiers: business ids are checked by their digit, organisations named by a token."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.vocabulary.identifiers import BadBusinessId, check_business_id, is_token
from shared.vocabulary.tables import table

KNOWN = table("identifiers")["y_tunnus"]
issued = st.sampled_from([*KNOWN["test_valid"], *KNOWN["test_valid_derived"]])


@pytest.mark.parametrize("value", [*KNOWN["test_valid"], *KNOWN["test_valid_derived"]])
def test_an_issued_business_id_is_kept_as_it_is(value):
    assert check_business_id(value) == value


@pytest.mark.parametrize("value", KNOWN["test_invalid"])
def test_a_wrong_check_digit_is_refused(value):
    with pytest.raises(BadBusinessId, match="typo") as refused:
        check_business_id(value)
    assert refused.value.code == "business_id_invalid"


@pytest.mark.parametrize("digit", range(10))
@pytest.mark.parametrize("digits", KNOWN["test_invalid_any_check_digit"])
def test_a_number_that_is_never_issued_is_refused_with_any_digit(digits, digit):
    with pytest.raises(BadBusinessId, match="never been issued"):
        check_business_id(f"{digits}-{digit}")


@pytest.mark.parametrize(("old", "padded"), KNOWN["test_padding"].items())
def test_an_old_number_of_six_digits_is_padded(old, padded):
    assert check_business_id(old) == padded


@pytest.mark.parametrize("value", ["FI13669598", "13669598", " 1366959-8 ", "fi13669598"])
def test_other_spellings_are_brought_to_one(value):
    assert check_business_id(value) == "1366959-8"


@pytest.mark.parametrize(
    "value", ["", "1366959", "1366959-", "SE13669598", "1366959-80", "١٣٦٦٩٥٩-٨"]
)
def test_what_has_not_the_form_is_refused_with_an_example(value):
    with pytest.raises(BadBusinessId, match="1366959-8"):
        check_business_id(value)


@given(issued, st.integers(0, 6), st.integers(1, 9))
def test_a_single_mistyped_digit_is_always_noticed(value, place, step):
    digit = (int(value[place]) + step) % 10
    with pytest.raises(BadBusinessId):
        check_business_id(f"{value[:place]}{digit}{value[place + 1 :]}")


@given(st.integers(0, 9_999_999))
def test_at_most_one_check_digit_fits_a_number(number):
    fitting = []
    for digit in range(10):
        try:
            fitting.append(check_business_id(f"{number:07}-{digit}"))
        except BadBusinessId:
            continue
    assert len(fitting) <= 1


def test_a_foreign_business_id_is_kept_in_capitals():
    assert check_business_id(" ee  10137025 ", scheme="other") == "EE 10137025"
    with pytest.raises(BadBusinessId):
        check_business_id("?", scheme="other")


def test_an_unknown_scheme_is_refused():
    with pytest.raises(BadBusinessId, match="se"):
        check_business_id("1366959-8", scheme="se")


@pytest.mark.parametrize("value", ["acme", "a1", "maa-ja-kivi-oy", "x" * 32])
def test_a_token_names_an_organisation(value):
    assert is_token(value)


@pytest.mark.parametrize("value", ["", "a", "Acme", "a.b", "a b", "å-oy", "x" * 33, "acme\n"])
def test_what_could_break_a_subject_is_no_token(value):
    assert not is_token(value)
