"""The words of a mapping file made into rules; every fault of it noted with its place."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from shared.client.cells import folded
from shared.client.rules import Choice, Column, Condition, Constant, Rule, Template
from shared.client.said import said, say
from shared.client.values import Kind, checked
from shared.client.words import words_of


@dataclass(slots=True)
class Compiler:
    """Makes rules of what a mapping file says, and gathers every fault with its place."""

    faults: list[str] = field(default_factory=list)

    def fault(self, key: str, where: str, **told: Any) -> None:
        """Note a fault at *where*: the sentence *key*."""
        self.faults.append(say(key, where=where, **told))

    def rule(self, told: Any, kind: Kind, where: str) -> Rule:
        """
        The rule that *told* writes for a field of *kind*; a fault is noted and a constant given.

        A scalar is a constant; else a mapping with one of `value`, `column`, `template`, `choose`.
        """
        if not isinstance(told, dict):
            return self._constant(told, kind, where, ())
        assumed = self._assumed(told.get("assume"), where)
        forms = [name for name in ("value", "column", "template", "choose") if name in told]
        if len(forms) != 1:
            self.fault("mapping_choice", where, words="value / column / template / choose")
            return Constant(None)
        self.only(told, where, {"assume", forms[0], *_OPTIONS.get(forms[0], ())})
        if forms[0] == "value":
            return self._constant(told["value"], kind, where, assumed)
        if forms[0] == "column":
            return self._column(told, kind, where, assumed)
        if forms[0] == "template":
            return self._template(str(told["template"]), kind, where, assumed)
        return self._choice(told["choose"], kind, where, assumed)

    def condition(self, told: Any, where: str) -> Condition:
        """
        The condition that *told* writes: column → a word, a list of words, or one of `is: empty`,
        `is: filled`, `starts`, `contains`, `not`. Words are compared without regard to capitals.
        """
        if not isinstance(told, dict) or not told:
            self.fault("mapping_condition", where)
            return Condition(())
        tests = tuple(
            (str(column), self._test(asked, f"{where}.{column}")) for column, asked in told.items()
        )
        return Condition(tests)

    def _constant(self, value: Any, kind: Kind, where: str, assumed: tuple[str, ...]) -> Rule:
        if value is None:
            return Constant(None, assumed)
        try:
            return Constant(checked(kind, value), assumed)
        except ValueError as error:
            self.fault("mapping_why", where, why=said(error))
            return Constant(None)

    def _column(self, told: dict[str, Any], kind: Kind, where: str, assumed: Any) -> Rule:
        table = told.get("table")
        part = {"first of month": "first", "last of month": "last"}.get(told.get("to", ""))
        if "to" in told and part is None:
            self.fault("mapping_choice", f"{where}.to", words="first of month / last of month")
        if told.get("month", "last") != "last":
            self.fault("mapping_month", where)
        plus = told.get("plus") or {}
        self.only(plus, f"{where}.plus", {"days", "months"})
        return Column(
            column=str(told["column"]),
            kind=kind,
            table=None if table is None else self._table(table, kind, where),
            ranges=tuple(self._ranges(told.get("ranges") or {}, kind, where)),
            otherwise=self.rule(told["else"], kind, f"{where}.else") if "else" in told else None,
            empty=self.rule(told["empty"], kind, f"{where}.empty") if "empty" in told else None,
            part=part,
            month=told.get("month"),
            days=int(plus.get("days", 0)),
            months=int(plus.get("months", 0)),
            assumed=assumed,
        )

    def _table(self, told: Any, kind: Kind, where: str) -> dict[str, Rule]:
        if told == "vocabulary":
            return self._vocabulary(kind, where)
        if not isinstance(told, dict):
            self.fault("mapping_table", where)
            return {}
        rules: dict[str, Rule] = {}
        for word, meant in told.items():
            if isinstance(word, bool):
                self.fault("mapping_quote", where, word=word)
            rules[folded(str(word))] = self.rule(meant, kind, f"{where}.table.{word}")
        return rules

    def _vocabulary(self, kind: Kind, where: str) -> dict[str, Rule]:
        words = words_of(kind)
        if not words:
            self.fault("mapping_vocabulary", where, kind=kind)
        return {word: Constant(code) for word, code in words.items()}

    def _ranges(self, told: Any, kind: Kind, where: str) -> Iterator[tuple[int, int, Rule]]:
        for written, meant in told.items():
            low, dots, high = str(written).partition("..")
            if not (dots and low.isdecimal() and high.isdecimal() and int(low) <= int(high)):
                self.fault("mapping_range", where, written=written)
                continue
            yield int(low), int(high), self.rule(meant, kind, f"{where}.ranges.{written}")

    def _template(self, text: str, kind: Kind, where: str, assumed: tuple[str, ...]) -> Rule:
        if kind != "text":
            self.fault("mapping_template", where, kind=kind)
        pieces: list[tuple[str, str | None]] = []
        rest = text
        while "{" in rest:
            before, _, rest = rest.partition("{")
            column, closed, rest = rest.partition("}")
            if not closed:
                self.fault("mapping_brace", where, text=text)
            pieces.append((before, column))
        pieces.append((rest, None))
        longest = 2000 if where.endswith(".note") else 200
        return Template(tuple(pieces), assumed, longest)

    def _choice(self, told: Any, kind: Kind, where: str, assumed: tuple[str, ...]) -> Rule:
        cases: list[tuple[Condition, Rule]] = []
        for number, case in enumerate(told if isinstance(told, list) else [], start=1):
            at = f"{where}.choose[{number}]"
            if isinstance(case, dict) and set(case) == {"if", "then"}:
                condition = self.condition(case["if"], f"{at}.if")
                cases.append((condition, self.rule(case["then"], kind, f"{at}.then")))
            elif isinstance(case, dict) and set(case) == {"else"}:
                cases.append((Condition(()), self.rule(case["else"], kind, f"{at}.else")))
            else:
                self.fault("mapping_case", at)
        if not cases:
            self.fault("mapping_cases", where)
        return Choice(tuple(cases), assumed)

    def _test(self, asked: Any, where: str) -> Callable[[str], bool]:
        if isinstance(asked, dict):
            return self._worded(asked, where)
        words = _words(asked)
        return lambda cell: cell in words

    def _worded(self, asked: dict[str, Any], where: str) -> Callable[[str], bool]:
        match list(asked.items()):
            case [("is", "empty")]:
                return lambda cell: not cell
            case [("is", "filled")]:
                return bool
            case [("starts", word)]:
                return lambda cell: any(cell.startswith(each) for each in _words(word))
            case [("contains", word)]:
                return lambda cell: any(each in cell for each in _words(word))
            case [("not", word)]:
                return lambda cell: cell not in _words(word)
        self.fault("mapping_test", where)
        return lambda cell: False

    def _assumed(self, told: Any, where: str) -> tuple[str, ...]:
        if told is None:
            return ()
        texts = told if isinstance(told, list) else [told]
        if not all(isinstance(text, str) and text.strip() for text in texts):
            self.fault("mapping_assume", where)
        return tuple(" ".join(str(text).split()) for text in texts)

    def only(self, told: Any, where: str, known: set[str]) -> None:
        """Note every name in *told* that is not *known*."""
        for name in told if isinstance(told, dict) else ():
            if name not in known:
                self.fault("mapping_word", where, name=name, known=", ".join(sorted(known)))


_OPTIONS: Final = {"column": ("table", "ranges", "else", "empty", "to", "month", "plus")}


def _words(told: Any) -> frozenset[str]:
    return frozenset(folded(str(each)) for each in (told if isinstance(told, list) else [told]))
