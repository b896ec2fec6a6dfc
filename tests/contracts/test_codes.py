"""Every code that a refusal may bear is listed, and says what is wrong in three languages."""

import ast
import re
from functools import cache
from pathlib import Path
from string import Formatter

import pytest
from pydantic_core._pydantic_core import list_all_errors

from services.matcher.api.told import ENUMERATED
from shared.problems import LANGUAGES, language_of, problem_codes, problem_texts, sentence
from shared.vocabulary.errors import Coded
from shared.vocabulary.regions import BadRegion, region_from

ROOT = Path(__file__).parents[2]


def cases_of(code: str) -> set[str]:
    return {key for key in problem_texts() if key.startswith(f"{code}/")}


RAISED = {
    "BadBatch",
    "BadPeriod",
    "BadTarget",
    "CannotChange",
    "Clashes",
    "Coded",
    "Denied",
    "NotAllowed",
    "NotFitting",
    "NotKnown",
    "NotPossible",
    "Problem",
    "RoleRefused",
    "Unknown",
}
KEY = re.compile(r"[a-z][a-z0-9_]*(/[a-z0-9_]+)?")
PUT_TOGETHER = {
    "f'{name}_invalid'": {"from_invalid", "to_invalid"},
    "f'{kind}_unknown'": {f"{kind}_unknown" for kind in ("project", "forecast", "area")},
    "f'{self.kind}_unknown/of_reporter'": {
        f"{kind}_unknown/of_reporter" for kind in ("project", "forecast", "area")
    },
    "f'{field}_unknown'": {f"{field}_unknown" for field in ENUMERATED},
    "f'lot_not_found/{direction}'": {"lot_not_found/surplus", "lot_not_found/need"},
    "f'what_if_too_large{case}'": {"what_if_too_large", "what_if_too_large/near"},
    "f'region_invalid/{case}'": cases_of("region_invalid"),
    "f'business_id_invalid/{case}'": cases_of("business_id_invalid"),
}
"""What the keys may be that are not written out; another one fails."""
ON_ITS_WAY = {"shared/http.py"}
"""Where what is told elsewhere is passed on, so that no key or value stands there."""
BESIDE = {"headers", "more"}
RETIRED = {"after_invalid"}
"""Codes of earlier releases, which keep their sentence."""
NOT_RAISED = {"not_an_event"}
"""Told as a code alone, of one event of a batch."""
GENERAL = {"business_id_invalid", "code_invalid", "not_allowed", "not_known",
           "region_invalid"}  # fmt: skip
"""Codes that only their cases are raised of; their own sentence stands in the list of codes."""


def names_in(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}


@cache
def raised() -> tuple[tuple[str, ast.expr, set[str]], ...]:
    """Where each problem is told in the source: the place, its key, and the values it gives."""
    found = []
    for folder in ("services", "shared", "deploy"):
        for file in sorted((ROOT / folder).rglob("*.py")):
            place = file.relative_to(ROOT).as_posix()
            for node in ast.walk(ast.parse(file.read_text("utf-8"))):
                if not isinstance(node, ast.Call) or ast.unparse(node.func) not in RAISED:
                    continue
                if len(node.args) != (2 if ast.unparse(node.func) == "Problem" else 1):
                    continue  # of the same name, and about other things
                if place in ON_ITS_WAY and any(each.arg is None for each in node.keywords):
                    continue
                given = {str(each.arg) for each in node.keywords} - BESIDE
                found.append((f"{place}:{node.lineno}", node.args[-1], given))
    return tuple(found)


def keys_of(key: ast.expr) -> set[str]:
    """The keys that *key* may be."""
    if isinstance(key, ast.Constant):
        return {str(key.value)}
    return PUT_TOGETHER[ast.unparse(key)]


def test_every_problem_gives_exactly_the_values_that_its_sentence_names() -> None:
    """Add its sentences to shared/problems.json, with a blank for each value, then `make docs`."""
    wrong = []
    for place, key, given in raised():
        for each in keys_of(key):
            said = problem_texts().get(each)
            if not KEY.fullmatch(each) or said is None:
                wrong.append(f"{place}: {each} has no sentence")
            elif names_in(said["en"]) != given:
                wrong.append(f"{place}: {each} names {names_in(said['en'])}, given is {given}")
    assert wrong == []
    assert len(raised()) > 150


def test_no_sentence_is_kept_that_nobody_says() -> None:
    """But those of fields, which pydantic names, and of codes that earlier releases told."""
    said = {each for _, key, _ in raised() for each in keys_of(key)}
    kept = {each for each in problem_texts() if not each.startswith("field_")}
    assert kept - said == RETIRED | NOT_RAISED | GENERAL


def test_every_sentence_is_there_in_three_languages() -> None:
    """With the same blanks, none of them empty, and each case of a code that has its own."""
    for key, texts in problem_texts().items():
        assert set(texts) == set(LANGUAGES), key
        assert all(text.strip() for text in texts.values()), key
        assert len({frozenset(names_in(text)) for text in texts.values()}) == 1, key
        assert key.partition("/")[0] in problem_codes(), key


def test_a_sentence_of_a_field_names_only_what_pydantic_tells() -> None:
    """Beside the field and the value, which each of them has."""
    known = {each["type"]: set(each.get("example_context") or ()) for each in list_all_errors()}
    for code in problem_codes():
        kind = code.removeprefix("field_")
        if code.startswith("field_") and code != "field_invalid":
            told = known[kind] | {"field", "value"}
            assert names_in(problem_texts()[code]["en"]) <= told, code


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_sentence_names_every_value_in_every_language(language: str) -> None:
    """What is asked in Finnish or Swedish is answered with the value as it is in English."""
    for key, texts in problem_texts().items():
        values = {name: f"<{name}>" for name in names_in(texts["en"])}
        told = sentence(Coded(key, **values), language)
        assert [name for name, value in values.items() if value not in told] == [], key
        assert "{" not in told or key == "region_invalid/names", key


def test_a_value_is_shown_shortly_and_safely() -> None:
    """Ten thousand characters are cut, and control and direction characters do not pass."""
    told = sentence(Coded("organisation_unknown", value="a\x00\u202e" + "x" * 10_000), "fi")
    assert told.startswith("Organisaatiota «a\ufffd\ufffdxxx") and len(told) < 300
    told = sentence(Coded("role_refused/beyond", regions=["9" * 500] * 500), "sv")
    assert "9" * 100 in told and len(told) < 1300
    assert "on null." in sentence(Coded("field_int_type", field="n", value=None), "fi")
    assert "is true." in sentence(Coded("field_int_type", field="n", value=True), "en")
    assert "{x!r} {" in sentence(Coded("token_invalid", value="{x!r} {"), "en")


def test_a_value_that_is_missing_fails_a_test_and_never_an_answer() -> None:
    """A warning: an error in tests, and elsewhere a blank in the sentence."""
    with pytest.warns(UserWarning, match="period_reversed is told without last"):
        told = sentence(Coded("period_reversed", first="2027-03"), "sv")
    assert "2027-03" in told and "…" in told
    with pytest.warns(UserWarning, match="token_invalid/new has no sentence"):
        assert "«x»" in sentence(Coded("token_invalid/new", value="x"), "en")


def test_a_sentence_within_a_sentence_is_in_its_language() -> None:
    """What is wrong with a forecast that is added is said of its field."""
    fault = Coded("field_less_than_equal", field="changes/0/add/layer_m", value=70, le=50)
    told = sentence(Coded("forecast_invalid", fault=fault), "fi")
    assert told == ("Lisättävä ennuste ei kelpaa. changes/0/add/layer_m on 70. Kerro enintään 50.")


def test_every_fault_of_a_regions_file_has_its_sentence() -> None:
    """Each case that the vocabulary tells; and one of them read through."""
    source = (ROOT / "shared/vocabulary/regions.py").read_text("utf-8")
    cases = {"code", "metric_crs", *re.findall(r'case="(\w+)"', source), "swapped", "outside"}
    assert {f"region_invalid/{each}" for each in cases} == cases_of("region_invalid")
    with pytest.raises(BadRegion) as error:
        region_from({"code": "A!", "names": {}})
    assert f"region_invalid/{error.value.told['case']}" in problem_texts()


def test_every_fault_of_a_business_id_has_its_sentence() -> None:
    source = (ROOT / "shared/vocabulary/identifiers.py").read_text("utf-8")
    cases = set(re.findall(r'case="(\w+)"', source))
    assert {f"business_id_invalid/{each}" for each in cases} == cases_of("business_id_invalid")


def test_the_language_is_the_one_named_or_liked_best() -> None:
    """`language=` before `Accept-Language`; what is not known, or refused, is passed over."""
    assert language_of("sv-FI,fi;q=0.9") == "sv"
    assert language_of("fi;q=0.1, en;q=0.5") == "en"
    assert language_of("fi;q=0, de, sv;q=0.3") == "sv"
    assert language_of("fi", "sv") == "sv"
    assert language_of(",;q=x,*") == language_of("") == "en"
