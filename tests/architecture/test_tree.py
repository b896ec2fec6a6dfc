"""What must be nowhere in the tree, and what its documents promise."""

import re
import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest
import typer

from deploy.cli import app

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
GENERATED = {"events.md"}
DECISIONS = sorted((ROOT / "docs" / "decisions").glob("*.md"))

# each in two halves, so that this file does not find itself
NOWHERE = {
    "a registry's address": r"--(?:extra-)?" r"index-url|//[^ \"']+/sim" r"ple/",
    "a resolved address in a lock": r'"resol' r'ved"\s*:',
    "a private key": r"-----BEGIN [A-Z ]*PRIV" r"ATE KEY",
    "an NKey seed": r"\bSU[A-Z2-7]{5" r"6}\b",
    "a key of the platform": r"\bmk_[A-Za-z0-9_-]{4" r"3}\b",
    "a path of one machine": r"(?<![\w./-])/(?:ro" r"ot|ho" r"me|wo" r"rk)/",
    "something left open": r"\b(?:TO" r"DO|FIX" r"ME|XX" r"X)\b",
}
MAIL = re.compile(r"(?<![\w/])[\w.+-]+@((?:[\w-]+\.)+[a-z]{2,})\b")
INVENTED = (
    ".example",
    "example.com",
    "example.fi",
    "example.invalid",
    "example.test",
    "y.fi",
    "z.fi",
)


@cache
def tracked() -> tuple[Path, ...]:
    """Every file of the project that is, or would be, under version control."""
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("not a checkout")
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return tuple(path for line in told.splitlines() if (path := ROOT / line).is_file())


@cache
def texts() -> tuple[tuple[str, str], ...]:
    """Path and text of each tracked file that is text."""
    found = []
    for path in tracked():
        content = path.read_bytes()
        if b"\0" not in content:
            found.append((str(path.relative_to(ROOT)), content.decode(errors="replace")))
    return tuple(found)


@pytest.mark.parametrize("what", NOWHERE)
def test_nowhere_in_the_tree(what: str) -> None:
    """Secrets, addresses of registries, machines and loose ends do not belong here."""
    pattern = re.compile(NOWHERE[what])

    found = [
        f"{path}: {hit.group()}" for path, text in texts() for hit in [pattern.search(text)] if hit
    ]

    assert found == []


def test_every_mail_address_is_invented() -> None:
    """Domains that belong to nobody, or that are plainly made up for a test."""
    found = {
        hit.group()
        for path, text in texts()
        if not path.endswith((".lock", "package-lock.json"))
        for hit in MAIL.finditer(text)
        if not hit.group(1).endswith(INVENTED)
    }

    assert found == set()


def test_no_large_file_is_kept() -> None:
    """Data lives beside the project, not in it."""
    assert [path.name for path in tracked() if path.stat().st_size > 400_000] == []


# -- documents ------------------------------------------------------------------------------

every_document = pytest.mark.parametrize("path", DOCUMENTS, ids=lambda p: str(p.relative_to(ROOT)))


@every_document
def test_a_link_leads_somewhere(path: Path) -> None:
    """A relative link in a document names a file that is there."""
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", path.read_text())

    assert [link for link in links if not (path.parent / link).exists()] == []


@every_document
def test_a_path_in_code_marks_is_there(path: Path) -> None:
    """`shared/work.py` in a document is a file or folder of the tree."""
    if path.name in GENERATED:
        return
    told = re.findall(r"`((?:services|shared|deploy|tests|docs)/[\w./-]*)`", path.read_text())

    assert [one for one in told if not (ROOT / one).exists()] == []


@every_document
def test_a_command_in_a_document_exists(path: Path) -> None:
    """`make x` is a target, `massakoppi x` a command."""
    text = path.read_text()

    assert said_after("make", text) <= targets()
    assert said_after("(?:.venv/bin/)?massakoppi", text) <= commands()


def said_after(command: str, text: str) -> set[str]:
    """The words that follow *command* at the beginning of a code mark or of a line."""
    return set(re.findall(rf"(?:`|^ *){command} ([a-z][a-z-]*)", text, re.MULTILINE))


def targets() -> set[str]:
    """What `make` can be told."""
    lines = re.findall(r"^([\w-]+(?: [\w-]+)*):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    return {name for line in lines for name in line.split()}


def commands() -> set[str]:
    """The first words that the command line knows."""
    group = typer.main.get_command(app)
    return set(group.commands)  # type: ignore[attr-defined]


@pytest.mark.parametrize("path", DECISIONS, ids=lambda p: p.stem)
def test_a_decision_says_why_and_when_to_look_again(path: Path) -> None:
    """Context, call, what was rejected, and the trigger."""
    text = path.read_text()

    assert re.match(r"\d{4}-[a-z0-9-]+$", path.stem)
    for part in ("## Context", "## Call", "## Rejected", "## Revisit when"):
        assert part in text, f"{path.name} has no {part}"
