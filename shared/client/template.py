"""The template: a workbook that a data manager fills, and the mapping `template` reads."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from importlib.resources import files
from io import BytesIO
from typing import Any, ClassVar, Final

import xlsxwriter
import yaml

from shared.client.mapping import read_yaml
from shared.client.said import say
from shared.client.words import LANGUAGES, labels
from shared.vocabulary.errors import Refused
from shared.vocabulary.regions import Region

LAST_ROW: Final = 10_000  # as far down as lists to choose from and formats reach
_WIDTH: Final = 18


class NoSuchLanguage(Refused):
    """There is no template in {value!r}. {remedy}"""

    code: ClassVar[str] = "language_unknown"


def template(
    language: str, region: Region, rows: Sequence[Mapping[str, Any]] | None = None
) -> bytes:
    """
    The template in *language* (fi, sv, en) as an XLSX file, with the places of *region* to choose
    from.

    *rows* fills it with what is known already: values by column, under the headings' English
    names; codes are written as words. Without them it holds two example rows, which are skipped
    when it is read. Raises `NoSuchLanguage`.
    """
    if language not in LANGUAGES:
        raise NoSuchLanguage(
            value=language, remedy=say("template_languages", languages=", ".join(LANGUAGES))
        )
    kept = BytesIO()
    with xlsxwriter.Workbook(kept, {"in_memory": True, "strings_to_formulas": False}) as book:
        _Writer(book, language, region, _words()).write(rows)
    return kept.getvalue()


def headings(language: str) -> dict[str, str]:
    """Column → its heading in *language*, in the template's order."""
    return {column: names[language] for column, names in read_yaml("template")["headings"].items()}


def _words() -> dict[str, Any]:
    text = files(__package__).joinpath("template.yaml").read_text("utf-8")
    found: dict[str, Any] = yaml.safe_load(text)
    return found


@dataclass(slots=True)
class _Writer:
    book: Any
    language: str
    region: Region
    words: Mapping[str, Any]

    def write(self, rows: Sequence[Mapping[str, Any]] | None) -> None:
        masses, help_, lists = (
            self.book.add_worksheet(self.words["sheets"][name][self.language])
            for name in ("masses", "help", "lists")
        )
        self._masses(masses, self._lists(lists))
        self._rows(masses, self._examples() if rows is None else rows, example=rows is None)
        self._help(help_)

    @property
    def _columns(self) -> Mapping[str, Mapping[str, Any]]:
        columns: Mapping[str, Mapping[str, Any]] = self.words["columns"]
        return columns

    def _choices(self, kind: str) -> list[str]:
        if kind == "municipality":
            return sorted(place.name(self.language) for place in self.region.places)
        return list(labels(kind, self.language).values())

    def _lists(self, sheet: Any) -> dict[str, str]:
        """Write each list to choose from; kind → the range it stands in."""
        kinds = dict.fromkeys(told["kind"] for told in self._columns.values() if "kind" in told)
        name = self.words["sheets"]["lists"][self.language]
        found = {}
        for place, kind in enumerate(kinds):
            choices = self._choices(kind)
            sheet.write_column(0, place, choices)
            letter = xlsxwriter.utility.xl_col_to_name(place)
            found[kind] = f"='{name}'!${letter}$1:${letter}${len(choices)}"
        sheet.protect()
        return found

    def _masses(self, sheet: Any, lists: Mapping[str, str]) -> None:
        need = self.book.add_format(
            {"bold": True, "bg_color": "#1F3B4D", "font_color": "#FFFFFF", "text_wrap": True}
        )
        may = self.book.add_format({"bg_color": "#DCE6EC", "text_wrap": True})
        day = self.book.add_format({"num_format": "d.m.yyyy"})
        plain = self.book.add_format({"num_format": "@"})
        for place, (column, title) in enumerate(headings(self.language).items()):
            told = self._columns[column]
            sheet.write_string(0, place, title, need if told.get("need") else may)
            sheet.write_comment(0, place, told[self.language])
            words = not {"number", "date", "kind"} & set(told)
            sheet.set_column(place, place, _WIDTH, day if told.get("date") else words and plain)
            rule = self._rule(told, lists)
            if rule is not None:
                sheet.data_validation(1, place, LAST_ROW, place, rule)
        sheet.freeze_panes(1, 1)

    def _rule(self, told: Mapping[str, Any], lists: Mapping[str, str]) -> dict[str, Any] | None:
        if "kind" in told:
            return {
                "validate": "list",
                "source": lists[told["kind"]],
                "error_type": "warning",
                "error_message": self.words["choose"][self.language],
            }
        if "number" in told:
            low, high = told["number"]
            return {
                "validate": "decimal",
                "criteria": "between",
                "minimum": low,
                "maximum": high,
                "error_type": "warning",
                "error_message": told[self.language][:255],
            }
        return None

    def _examples(self) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = [{}, {}]
        for column, told in self._columns.items():
            given = told.get("example", ("", ""))
            values = given[self.language] if isinstance(given, dict) else given
            for row, value in zip(rows, values, strict=True):
                row[column] = value
        for row, place in zip(rows, self.region.places, strict=False):
            row["Project ID"] = self.words["example"][self.language] + row["Project ID"]
            row["Municipality"] = place.name(self.language)
        return rows

    def _rows(self, sheet: Any, rows: Sequence[Mapping[str, Any]], *, example: bool) -> None:
        look = {"italic": True, "font_color": "#5A6B75"} if example else {}
        plain = self.book.add_format(look)
        day = self.book.add_format({**look, "num_format": "d.m.yyyy"})
        columns = list(headings(self.language))
        for number, row in enumerate(rows, start=1):
            for place, column in enumerate(columns):
                value = row.get(column, "")
                if value in ("", None):
                    continue
                if isinstance(value, date):
                    sheet.write_datetime(number, place, value, day)
                elif isinstance(value, int | float):
                    sheet.write_number(number, place, value, plain)
                else:
                    sheet.write_string(number, place, self._word(column, str(value)), plain)

    def _word(self, column: str, value: str) -> str:
        kind = self._columns[column].get("kind", "")
        return value if kind == "municipality" else labels(kind, self.language).get(value, value)

    def _help(self, sheet: Any) -> None:
        bold = self.book.add_format({"bold": True})
        wrap = self.book.add_format({"text_wrap": True, "valign": "top"})
        sheet.set_column(0, 0, 28, wrap)
        sheet.set_column(1, 1, 90, wrap)
        about = self.words["about"][self.language]
        for at, line in enumerate(about):
            sheet.merge_range(at, 0, at, 1, line, wrap)
            sheet.set_row(at, 32)
        sheet.write_string(len(about) + 1, 0, self.words["column"][self.language], bold)
        titles = headings(self.language).items()
        for at, (column, title) in enumerate(titles, start=len(about) + 2):
            told = self._columns[column]
            must = f" ({self.words['must'][self.language]})" if told.get("need") else ""
            sheet.write_string(at, 0, title + must, bold if must else wrap)
            sheet.write_string(at, 1, told[self.language], wrap)
