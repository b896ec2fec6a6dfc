"""Which sums are told to nobody but coordinators: those of so few that they tell of one."""

from collections.abc import Mapping, Set
from typing import Final

FEWEST_ORGANISATIONS: Final = 3

Part = tuple[str, str]
"""A material and a month: the smallest part that sums are told of."""


def withheld(parts: Mapping[Part, Set[str]]) -> set[Part]:
    """
    The *parts*, each with the organisations it is of, that are left out of every sum by part.

    Those of fewer than `FEWEST_ORGANISATIONS`; and, as the whole is told, as many more as it takes
    for what is left out to be of that many together.
    """
    found = {part for part, of in parts.items() if len(of) < FEWEST_ORGANISATIONS}
    together = set[str]().union(*(parts[part] for part in found))
    others = sorted(parts.keys() - found, key=lambda part: (len(parts[part]), part))
    while found and len(together) < FEWEST_ORGANISATIONS and others:
        part = others.pop(0)
        found.add(part)
        together |= parts[part]
    return found
