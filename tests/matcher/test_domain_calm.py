"""Calm, on bare arcs: which steps towards a plan are taken."""

import numpy as np

from services.matcher.domain.calm import Network, worth_changing

NONE = np.zeros(4, dtype=np.bool_)


def net(cents, *, permille=(1000,) * 4, area=(-1,) * 4, room=(100,) * 6):
    """Surpluses 0 to 2, needs 3 to 5: arcs 0-3, 0-4, 1-4, 2-5."""
    numbers = [[0, 0, 1, 2], [3, 4, 4, 5], [100] * 4, [0] * 4, cents, permille, area, room]
    return Network(*(np.array(one, dtype=np.int64) for one in numbers))


def taken(network, stands, target, cents, whole=NONE):
    stands, target = np.array(stands), np.array(target)
    return worth_changing(network, stands, target, cents, whole).tolist()


def test_a_vain_step_is_left_and_a_good_one_beside_it_taken():
    """100 t move to a need that is worth 1 cent more: 100 cents for two changes. 2-5 is new."""
    network = net([10, 11, 0, 50])
    assert taken(network, [100, 0, 0, 0], [0, 100, 0, 100], 60) == [100, 0, 0, 100]
    assert taken(network, [100, 0, 0, 0], [0, 100, 0, 100], 50) == [0, 100, 0, 100]


def test_what_is_over_committed_is_left_whatever_it_brings():
    """The first need takes 40 t only: 60 t go, though nothing pays for a change."""
    network = net([10, 1, 0, 0], room=(100, 100, 100, 40, 100, 100))
    assert taken(network, [100, 0, 0, 0], [40, 60, 0, 0], 10**9) == [40, 60, 0, 0]


def test_what_must_be_whole_is_taken_or_left_as_one():
    """One arc loses a fifth in a working: what hangs together with it is one."""
    network = net([10, 12, 3, 50], permille=(1000, 800, 1000, 1000))
    whole = network.permille != 1000
    stands, target = [100, 0, 0, 0], [0, 100, 20, 0]
    assert taken(network, stands, target, 100, whole) == stands
    assert taken(network, stands, target, 80, whole) == target


def test_arcs_over_one_area_hang_together():
    """Two pairs without a lot in common share an area's room."""
    network = net([0, 0, 5, 50], area=(-1, -1, 0, 0))
    whole = network.area >= 0
    assert taken(network, [0, 0, 0, 50], [0, 0, 100, 0], 0, whole) == [0, 0, 0, 50]
    assert taken(network, [0, 0, 100, 0], [0, 0, 0, 50], 900, whole) == [0, 0, 0, 50]
