"""Every code that a refusal may bear is listed, and its sentence is there in three languages."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from shared.problems import LANGUAGES, language_of, problem_texts

ROOT = Path(__file__).parents[2]
RAISED = {
    "Problem",
    "problem_answer",
    "Clashes",
    "Unknown",
    "Denied",
    "NotPossible",
    "CannotChange",
}
CODE = re.compile(r"[a-z]+(_[a-z0-9]+)+|failed")


def codes_in_the_source() -> Iterator[str]:
    """The code of every problem that is written down as such."""
    for folder in ("services", "shared"):
        for file in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text("utf-8"))):
                if isinstance(node, ast.Call) and getattr(node.func, "id", "") in RAISED:
                    texts = [one.value for one in node.args[:2] if isinstance(one, ast.Constant)]
                    yield from (one for one in texts[:2] if CODE.fullmatch(str(one)))


def test_a_problem_whose_code_is_not_listed_fails_here() -> None:
    """Add its sentences to shared/problems.json, then `make docs`."""
    assert set(codes_in_the_source()) - set(problem_texts()) == set()


def test_every_sentence_is_there_in_three_languages() -> None:
    """With the same blanks, and none of them empty."""
    for code, texts in problem_texts().items():
        assert set(texts) == set(LANGUAGES), code
        assert all(text.strip() for text in texts.values()), code
        assert len({tuple(sorted(re.findall(r"{\w+}", text))) for text in texts.values()}) == 1


def test_the_language_is_the_one_named_or_liked_best() -> None:
    """`language=` before `Accept-Language`; what is not known, or refused, is passed over."""
    assert language_of("sv-FI,fi;q=0.9") == "sv"
    assert language_of("fi;q=0.1, en;q=0.5") == "en"
    assert language_of("fi;q=0, de, sv;q=0.3") == "sv"
    assert language_of("fi", "sv") == "sv"
    assert language_of(",;q=x,*") == language_of("") == "en"
