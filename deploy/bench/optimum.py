"""`bench optimum`: the settled region, our solver and HiGHS on the same lots; a known optimum."""

import ctypes
import os
import re
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from ortools.graph.python.min_cost_flow import SimpleMinCostFlow

from deploy.bench.driven import Driven, NotMeasured
from deploy.bench.figures import Figure, Goal, Report, Sheet
from deploy.bench.ground import own_postgres
from deploy.bench.lots import batches, lots
from deploy.bench.peers import Worth
from deploy.cli.terms import progress
from services.matcher.domain.cost import Ints

BATCH: Final = 250
_SETTLED: Final = Goal(0.999, least=True, of="ratio")
_SAME: Final = Goal(0)
_NO_HIGHS: Final = "HiGHS is not installed: pip install highspy"
_KNOWN: Final = re.compile(r"optimum (\d+)")


async def measure(sizes: Sequence[int], *, seed: int, data: Path | None) -> Report:
    """
    Settle and sweep each of *sizes* lots; their optimum by our solver and by HiGHS.

    Then each minimum-cost flow problem in the folder *data*, in DIMACS text (`*.min`).
    """
    asked = {"lots": list(sizes), "seed": seed, "data": data.name if data else None}
    began, clock = datetime.now(UTC), time.perf_counter()
    figures: list[Figure] = []
    for problem in _problems(data):
        figures += _known_optimum(problem)
    if sizes:
        with own_postgres() as server:
            for count in sizes:
                matcher = await Driven.open(server.url)
                try:
                    figures += await _one_size(matcher, count, seed=seed)
                finally:
                    await matcher.close()
    return Report("optimum", asked, figures, began, time.perf_counter() - clock)


async def _one_size(matcher: Driven, count: int, *, seed: int) -> list[Figure]:
    sheet = Sheet(f"{count} lots")
    with progress(f"{sheet.about} arrive and settle", count) as advance:
        done = 0
        for batch in batches(lots(count, seed=seed), BATCH):
            await matcher.tell(batch)
            await matcher.settle()
            done += len(batch)
            advance(done)
    with progress(f"{sheet.about}: sweeping"):
        await matcher.sweep()
    worth = Worth(await matcher.lots(), matcher.rules, matcher.today)
    settled = await matcher.value_cents()
    begun = time.perf_counter()
    optimum = worth.optimum_cents()
    took = time.perf_counter() - begun
    pairs = len(worth.arcs.surplus)
    sizes = f"{len(worth.surpluses)} surpluses, {len(worth.needs)} needs, {pairs} feasible pairs"
    beside = "optimum", optimum / 100
    sheet.add("value after the sweep", settled / 100, "EUR", beside, goal=_SETTLED, note=sizes)
    if not find_spec("highspy"):
        sheet.add("full solve", took * 1000, "ms", note=sizes)
        sheet.add("optimum by HiGHS", None, "EUR", note=_NO_HIGHS)
        return sheet.figures
    with progress(f"{sheet.about}: HiGHS solves the same"):
        begun = time.perf_counter()
        other = highest_value(worth)
        took_other = time.perf_counter() - begun
    sheet.add("full solve", took * 1000, "ms", ("HiGHS", took_other * 1000), note=sizes)
    sheet.add("optimum by HiGHS against ours", other / 100, "EUR", beside)
    sheet.add("difference to HiGHS", abs(other - optimum), "cents", goal=_SAME,
              note="a linear program of its own, own sites first")  # fmt: skip
    return sheet.figures


def highest_value(worth: Worth) -> int:
    """
    The optimum of *worth* in cents as HiGHS finds it: a linear program of pairs, not a network.

    First the most tonnes that stay on their own site, then, with so many of them, the most cents.
    """
    pairs, givers = worth.arcs, len(worth.supply)
    most = np.minimum(np.minimum(worth.supply[pairs.surplus], worth.demand[pairs.need]), pairs.most)
    ends = np.column_stack((pairs.surplus, pairs.need + givers)).ravel()
    starts = np.arange(0, 2 * len(most) + 1, 2)
    room = np.concatenate((worth.supply, worth.demand))
    onsite = pairs.onsite.astype(np.int64)
    if onsite.any():
        stays = int(_solved(onsite, most, ends, starts, room)[pairs.onsite].sum())
        starts = np.concatenate(([0], np.cumsum(2 + onsite)))
        rows = np.column_stack((pairs.surplus, pairs.need + givers, np.full(len(most), len(room))))
        ends = rows[np.column_stack((np.ones((len(most), 2), np.bool_), pairs.onsite))]
        tonnes = _solved(pairs.cents, most, ends, starts, room, exactly=stays)
    else:
        tonnes = _solved(pairs.cents, most, ends, starts, room)
    return int((tonnes * pairs.cents).sum())


def _solved(
    gain: Ints, most: Ints, ends: Ints, starts: Ints, room: Ints, *, exactly: int | None = None
) -> Ints:
    """
    The columns that make *gain* largest, whole tonnes; rows at most *room*, one more *exactly*.

    *ends* and *starts* are the ones of the matrix, by column. Raises `NotMeasured`.
    """
    highspy: Any = import_module("highspy")
    last = [] if exactly is None else [exactly]
    model = highspy.HighsLp()
    model.num_col_, model.num_row_ = len(most), len(room) + len(last)
    model.col_cost_ = -gain.astype(np.float64)
    model.col_lower_, model.col_upper_ = np.zeros(len(most)), most.astype(np.float64)
    model.row_lower_ = np.concatenate((np.zeros(len(room)), last))
    model.row_upper_ = np.concatenate((room, last)).astype(np.float64)
    matrix = model.a_matrix_
    matrix.format_ = highspy.MatrixFormat.kColwise
    matrix.start_, matrix.index_ = starts.astype(np.int32), ends.astype(np.int32)
    matrix.value_ = np.ones(len(ends))
    with _said_on_error():
        solver: Any = highspy.Highs()
    solver.silent()
    solver.setOptionValue("threads", 1)
    solver.passModel(model)
    solver.run()
    if solver.getModelStatus() != highspy.HighsModelStatus.kOptimal:
        raise NotMeasured(f"HiGHS: {solver.getModelStatus()}")
    found: Ints = np.rint(np.array(solver.getSolution().col_value)).astype(np.int64)
    return found


@contextmanager
def _said_on_error() -> Iterator[None]:
    """The library says its name on standard output, which is for figures."""
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        yield
    finally:
        ctypes.CDLL(None).fflush(None)
        os.dup2(kept, 1)
        os.close(kept)


class Problem(NamedTuple):
    """A minimum-cost flow problem: nodes numbered from 0, and its known optimum if it is told."""

    name: str
    supplies: Ints
    tails: Ints
    heads: Ints
    room: Ints
    costs: Ints
    optimum: int | None


def _problems(data: Path | None) -> list[Problem]:
    if data is None:
        return []
    found = sorted(data.glob("*.min"))
    if not found:
        raise FileNotFoundError(
            f"--data {data}: no file *.min in it; name the folder that holds one"
        )
    return [read_dimacs(path) for path in found]


def read_dimacs(path: Path) -> Problem:
    """The problem in the DIMACS text of *path*; a comment may say `optimum N`."""
    known: int | None = None
    nodes, supplies, arcs = 0, {}, []
    for line in path.read_text().splitlines():
        kind, *told = line.split() or [""]
        if kind == "c" and (says := _KNOWN.search(line)):
            known = int(says[1])
        elif kind == "p":
            nodes = int(told[1])
        elif kind == "n":
            supplies[int(told[0]) - 1] = int(told[1])
        elif kind == "a":
            tail, head, low, high, cost = map(int, told)
            if low:
                raise ValueError(f"{path.name}: an arc must carry at least {low}; only 0 is read")
            arcs.append((tail - 1, head - 1, high, cost))
    table = np.array(arcs, dtype=np.int64).reshape(-1, 4)
    amounts = np.array([supplies.get(node, 0) for node in range(nodes)], dtype=np.int64)
    return Problem(path.name, amounts, table[:, 0], table[:, 1], table[:, 2], table[:, 3], known)


def _known_optimum(problem: Problem) -> list[Figure]:
    sheet = Sheet(problem.name)
    flow = SimpleMinCostFlow()
    begun = time.perf_counter()
    flow.add_arcs_with_capacity_and_unit_cost(
        problem.tails.astype(np.int32), problem.heads.astype(np.int32), problem.room, problem.costs
    )
    flow.set_nodes_supplies(np.arange(len(problem.supplies), dtype=np.int32), problem.supplies)
    answer = flow.solve()
    took = time.perf_counter() - begun
    if answer != flow.OPTIMAL:
        raise NotMeasured(f"{problem.name}: the network solver says {answer}")
    note = f"{len(problem.supplies)} nodes, {len(problem.tails)} arcs"
    cost = int(flow.optimal_cost())
    sheet.add("solve", took * 1000, "ms", note=note)
    if problem.optimum is None:
        sheet.add("cost", cost, note="no optimum is told in the file")
        return sheet.figures
    sheet.add("cost", cost, "", ("known optimum", problem.optimum))
    sheet.add("difference to the known optimum", abs(cost - problem.optimum), goal=_SAME)
    return sheet.figures
