"""Every stable code that a refusal may bear, in one list."""

from importlib import import_module
from inspect import cleandoc
from pkgutil import iter_modules

import shared.client
import shared.vocabulary
from services.registry.domain.texts import TEXTS
from shared.client.texts import row_codes
from shared.problems import problem_codes, problem_texts
from shared.vocabulary.errors import Refused


def refused_codes() -> dict[str, str]:
    """Code → English of each refusal of a value or a file."""
    for package in (shared.client, shared.vocabulary):
        for module in iter_modules(package.__path__, f"{package.__name__}."):
            import_module(module.name)
    found: dict[str, str] = {}
    waiting = [Refused]
    while waiting:
        one = waiting.pop()
        waiting += one.__subclasses__()
        if one.__module__.startswith("shared."):
            found.setdefault(one.code, cleandoc(one.__doc__ or ""))
    return found


def codes_md() -> str:
    """docs/codes.md: what each code means, by where it is met."""
    receipts = {code: texts[0] for code, texts in TEXTS.items()}
    problems = {code: _of_problem(code) for code in problem_codes()}
    parts = (
        ("In receipts", "Of an event at either door, in `reasons`.", receipts),
        ("In problems", "Of a request over HTTP, as `code`; `field_…` in `reasons`. A field code "
         "that is not listed is told as `field_invalid` is. A code with several "
         "sentences says the one that fits the case.", problems),
        ("Of files and values", "Of a table or a design as a whole, and of a value.",
         refused_codes()),
        ("Of rows", "Of one cell of a table, in its list of errors; here in Finnish.", row_codes()),
    )  # fmt: skip
    lines = [
        "# Codes",
        "",
        "Written by `make docs`; do not edit. A code stays as it is; its sentence may be told "
        "better. Each is told in Finnish, Swedish or English: by `ce-lang` or `Accept-Language` at "
        "the doors, by `language=` or `Accept-Language` over HTTP, and names the value in each. "
        "What stands in braces is filled in.",
        "",
    ]
    for title, about, codes in parts:
        lines += [f"## {title}", "", about, "", "| code | says |", "|---|---|"]
        for code, text in sorted(codes.items()):
            flat = " ".join(text.split()).replace("|", "\\|")
            lines.append(f"| `{code}` | {flat} |")
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def _of_problem(code: str) -> str:
    """The sentence of *code*, then those of its cases."""
    texts = problem_texts()
    cases = sorted(key for key in texts if key.startswith(f"{code}/"))
    return "<br>".join(texts[key]["en"] for key in (code, *cases))
