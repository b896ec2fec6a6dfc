"""What the commands share: options, tables, progress, JSON."""

import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Annotated, Any, Final, Protocol

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

Data = Annotated[
    Path | None,
    typer.Option("--data", help="data folder of the system; else MASSAKOPPI_DATA, else ./data"),
]
LANGUAGES: Final = ("fi", "sv", "en")
_chosen: ContextVar[str | None] = ContextVar("language", default=None)


def language() -> str:
    """The language that was asked for, else that of the user's locale; else English."""
    told = [_chosen.get(), *(os.environ.get(each) for each in ("LC_ALL", "LC_MESSAGES", "LANG"))]
    locale = next((each for each in told if each), "")
    return locale[:2] if locale[:2] in LANGUAGES else "en"


def _choose(told: str | None) -> str:
    if told is not None and told not in LANGUAGES:
        raise typer.BadParameter(f"use one of: {', '.join(LANGUAGES)}")
    _chosen.set(told)
    return language()


Language = Annotated[
    str,
    typer.Option(
        "--language", help="fi, sv or en; else the locale's", callback=_choose, show_default=False
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="print JSON instead of a table")]

out = Console()
err = Console(stderr=True)


def tell(value: Any) -> None:
    """Print *value* as JSON, for programs."""
    sys.stdout.write(json.dumps(value, indent=1, default=str, ensure_ascii=False) + "\n")


def show(rows: Sequence[Mapping[str, Any]], *columns: str, empty: str = "nothing") -> None:
    """Print *rows* as a table of *columns*."""
    if not rows:
        out.print(empty)
        return
    table = Table(*columns, box=None, header_style="bold")
    for row in rows:
        table.add_row(*(_cell(row.get(column)) for column in columns))
    out.print(table)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, list | tuple | set):
        return ", ".join(map(str, value))
    return str(value)


def say_problem(told: str) -> None:
    """One line that says what is wrong."""
    err.print(f"[bold red]massakoppi:[/] {told}", highlight=False, soft_wrap=True)


class Advance(Protocol):
    def __call__(self, done: int, total: int | None = None) -> None: ...


@contextmanager
def progress(what: str, total: int | None = None) -> Iterator[Advance]:
    """A progress bar on standard error; call it with how much is done so far."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=err, transient=not err.is_terminal) as bar:
        task = bar.add_task(what, total=total)

        def advance(done: int, total: int | None = None) -> None:
            if total is not None:
                bar.update(task, total=total)
            bar.update(task, completed=done)

        yield advance
