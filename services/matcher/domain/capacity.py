"""The optimum where ways share the room of areas, or lose something in a working."""

from typing import Any, Final, NamedTuple

import highspy
import numpy as np
from numpy.typing import NDArray

from services.matcher.domain.cost import WHOLE, Bools, Ints

_SECONDS: Final = 60.0
_LESS_THAN_A_CENT: Final = 0.9


class NotSolved(Exception):
    """The solver found no plan: {0}."""


class Room(NamedTuple):
    """
    Free whole tonnes of each area in each month; shape (areas, months), months from *first* on.

    Months are counted from 1970.
    """

    tonnes: Ints
    first: int


NO_ROOM: Final = Room(np.zeros((0, 1), np.int64), 0)


class Ways(NamedTuple):
    """
    Columns of the plan: from row *surplus* to row *need*, at most *most* tonnes, worth *gain* each.

    *area*, *enter*, *leave* and *permille* as in `Arcs`; *first* marks those that come first
    whatever they are worth.
    """

    surplus: Ints
    need: Ints
    most: Ints
    gain: Ints
    first: Bools
    area: Ints
    enter: Ints
    leave: Ints
    permille: Ints


def fits(ways: Ways, tonnes: Ints, room: Room) -> bool:
    """Whether *tonnes* on *ways* keep to the room of every area in every month."""
    taken = np.zeros((len(room.tonnes), room.tonnes.shape[1] + 1), dtype=np.int64)
    used = np.flatnonzero((tonnes > 0) & (ways.leave >= ways.enter))
    np.add.at(taken, (ways.area[used], ways.enter[used] - room.first), tonnes[used])
    np.add.at(taken, (ways.area[used], ways.leave[used] - room.first + 1), -tonnes[used])
    return bool((np.cumsum(taken, axis=1)[:, :-1] <= room.tonnes).all())


def solve(supply: Ints, demand: Ints, ways: Ways, room: Room, firsts: int) -> Ints:
    """
    The whole tonnes on each of *ways* that are worth most and keep to *room*, to the cent.

    *firsts* are the most tonnes that the ways that come first can carry together.
    """
    count, givers, takers = len(ways.surplus), len(supply), len(demand)
    every = np.arange(count)
    rows = [ways.surplus, givers + ways.need]
    columns = [every, every]
    values = [np.full(count, 1.0), ways.permille / WHOLE]
    limits = [supply.astype(float), demand.astype(float)]
    shared, at, among = _shared(ways, room)
    rows.append(givers + takers + at)
    columns.append(among)
    values.append(np.full(len(at), 1.0))
    limits.append(shared.astype(float))
    upper = np.concatenate(limits)
    lower = np.full(len(upper), -highspy.kHighsInf)
    if firsts:
        front = np.flatnonzero(ways.first)
        rows.append(np.full(len(front), len(upper)))
        columns.append(front)
        values.append(np.full(len(front), 1.0))
        upper, lower = np.append(upper, firsts), np.append(lower, firsts)
    found = _best(ways, np.concatenate(rows), np.concatenate(columns), np.concatenate(values),
                  lower, upper)  # fmt: skip
    return np.rint(found).astype(np.int64)


def _shared(ways: Ways, room: Room) -> tuple[Ints, Ints, Ints]:
    """Limits of the areas' months that can bind, and (limit, way) of who takes of them."""
    used = np.flatnonzero(ways.leave >= ways.enter)
    spans = ways.leave[used] - ways.enter[used] + 1
    among = np.repeat(used, spans)
    starts = np.repeat(np.cumsum(spans) - spans, spans)
    month = ways.enter[among] + np.arange(len(among)) - starts - room.first
    key = ways.area[among] * room.tonnes.shape[1] + month
    keys, at = np.unique(key, return_inverse=True)
    limits = room.tonnes.reshape(-1)[keys]
    could = np.bincount(at, ways.most[among], len(keys))
    binding = could > limits
    number = np.cumsum(binding) - 1
    held = binding[at]
    return limits[binding], number[at[held]], among[held]


def _best(
    ways: Ways, rows: Ints, columns: Ints, values: NDArray[np.float64],
    lower: NDArray[np.float64], upper: NDArray[np.float64],
) -> NDArray[np.float64]:  # fmt: skip
    count = len(ways.surplus)
    order = np.lexsort((rows, columns))
    model = highspy.HighsLp()
    model.num_col_, model.num_row_ = count, len(upper)
    model.sense_ = highspy.ObjSense.kMaximize
    model.col_cost_ = ways.gain.astype(float)
    model.col_lower_, model.col_upper_ = np.zeros(count), ways.most.astype(float)
    model.row_lower_, model.row_upper_ = lower, upper
    model.a_matrix_.format_ = highspy.MatrixFormat.kColwise
    starts = np.searchsorted(columns[order], np.arange(count + 1))
    model.a_matrix_.start_ = starts.astype(np.int32)
    model.a_matrix_.index_ = rows[order].astype(np.int32)
    model.a_matrix_.value_ = values[order]
    answer = _run(model, whole=False)
    if np.abs(answer - np.rint(answer)).max(initial=0) > 1e-6:
        answer = _run(model, whole=True)
    return answer


def _run(model: Any, *, whole: bool) -> NDArray[np.float64]:
    solver: Any = highspy.Highs()  # type: ignore[no-untyped-call]
    solver.setOptionValue("output_flag", False)
    solver.setOptionValue("time_limit", _SECONDS)
    solver.setOptionValue("mip_rel_gap", 0.0)
    solver.setOptionValue("mip_abs_gap", _LESS_THAN_A_CENT)
    if whole:
        model.integrality_ = [highspy.HighsVarType.kInteger] * model.num_col_
    solver.passModel(model)
    solver.run()
    status = solver.getModelStatus()
    known = solver.getInfo().primal_solution_status == 2
    if status != highspy.HighsModelStatus.kOptimal and not known:
        raise NotSolved(solver.modelStatusToString(status))
    return np.asarray(solver.getSolution().col_value)
