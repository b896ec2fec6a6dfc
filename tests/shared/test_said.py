"""What is wrong with a file is said in Finnish, Swedish and English, under stable codes."""

import ast
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from string import Formatter
from typing import Any

import pytest

import deploy.connectors
import shared.client
from shared.client import texts
from shared.client.cells import BadCell, Form
from shared.client.mapping import BadMapping, read_mapping
from shared.client.outgoing import RowError
from shared.client.said import OTHERS, in_each, said, sentences, spoken
from shared.client.tables import open_table
from shared.vocabulary.errors import Refused

MODULES = [
    f"{package.__name__}.{each.name}"
    for package in (shared.client, deploy.connectors)
    for each in iter_modules(package.__path__)
]
SAID = re.compile(r"""\b(?:say|fault)\(\s*["'](\w+)["']""")
PLACES = {"CellError": 2, "RowError": 3, "refusal": 1}
"""Where the code stands among what is called with."""
MADE = ("missing", "invalid", "not_a_date", "not_a_number", "not_a_version", "crs_unknown")
CHOSEN = ("form_comma", "form_point", "form_no_mark", "form_layer", "form_features")


def sources() -> Iterator[str]:
    for name in MODULES:
        yield Path(str(import_module(name).__file__)).read_text("utf-8")


def codes_in(source: str) -> Iterator[str]:
    """The codes of rows' refusals that stand in *source*; lines of JSON are told in English."""
    for each in ast.walk(ast.parse(source)):
        if isinstance(each, ast.Call) and isinstance(each.func, ast.Name):
            place = PLACES.get(each.func.id, len(each.args))
            code = each.args[place] if place < len(each.args) else None
            if isinstance(code, ast.Constant) and re.fullmatch("[a-z_]+", str(code.value)):
                yield code.value


def refusals(of: type[Refused] = Refused) -> Iterator[type[Refused]]:
    for each in of.__subclasses__():
        yield each
        yield from refusals(each)


def names_in(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}


def test_every_sentence_has_the_three_languages_and_fills_in_the_same() -> None:
    """What English tells, the other two tell as well."""
    for key, told in sentences().items():
        if key == "errors":
            continue
        assert set(told) == {"en", *OTHERS}, key
        assert names_in(told["en"]) == names_in(told["fi"]) == names_in(told["sv"]), key


def test_what_is_said_is_in_the_texts_and_nothing_else_is() -> None:
    """A sentence without its texts fails here, and a text that nobody says any more too."""
    used = {key for source in sources() for key in SAID.findall(source)} | set(CHOSEN)
    outside = {
        "mapping_no_region",
        "import_broken",
        "import_region_unknown",
        "table_memory_or_broken",
        "table_slow",
    }
    assert used | outside == set(sentences()) - {"errors"}


@pytest.mark.parametrize("module", MODULES)
def test_every_refusal_of_a_file_is_known_by_its_code(module: str) -> None:
    """Each class of refusal has a sentence of its own in the other languages."""
    import_module(module)
    for each in refusals():
        if each.__module__ == module:
            own = names_in(str(each.__doc__))
            for language in OTHERS:
                assert names_in(sentences()["errors"][each.code][language]) <= own, each.code


def test_every_code_of_a_row_is_said_in_the_three() -> None:
    """A row's refusal never falls back to English for a reader of Finnish or Swedish."""
    codes = {code for source in sources() for code in codes_in(source)} | set(MADE)
    assert {"place_unknown", "window_reversed", "match_unknown"} <= codes
    for code in codes:
        error = RowError(1, "A", "x", code, "english")
        assert {texts.spoken(error, each) for each in OTHERS}.isdisjoint({"english"}), code


def test_a_sentence_within_a_sentence_is_said_in_one_language(tmp_path: Any) -> None:
    """The remedy stands in the language of the refusal around it, with every detail."""
    file = tmp_path / "m.csv"
    file.write_text("a;b\n1;2\n", "utf-8")
    with pytest.raises(Refused) as error:
        open_table(file, Form(), columns=["c"])
    told = in_each(said(error.value))
    assert told["en"] == "The table has no column c. It has: a, b."
    assert told["fi"] == "Taulukosta puuttuu sarake c. Siinä on: a, b."
    assert told["sv"] == "Tabellen saknar kolumnen c. Den har: a, b."


def test_every_fault_of_a_mapping_is_said_in_the_language_asked_for(tmp_path: Any) -> None:
    file = tmp_path / "m.yaml"
    file.write_text("name: x\nfile: {header: 0, dates: [soon]}\nproject: {place: {}}\n", "utf-8")
    with pytest.raises(BadMapping) as error:
        read_mapping(file)
    finnish = spoken(said(error.value), "fi")
    assert "file.header: kirjoita auto tai otsikkorivin numero" in finnish
    assert "pitää olla päivien muoto" in finnish
    assert "say" not in finnish


def test_what_has_no_text_is_told_in_english() -> None:
    """A reader of another language gets English, and never nothing."""
    assert spoken(said(ValueError("of its own")), "fi") == "of its own"
    assert spoken(said(BadCell(value="x", wanted="y", remedy="z")), "de").startswith("'x' is not y")
