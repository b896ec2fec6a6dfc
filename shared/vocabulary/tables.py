"""The data files of this package, each read once."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from shared.vocabulary.overrides import applied


@cache
def table(name: str) -> Mapping[str, Any]:
    """
    The table *name* as it stands in `data/<name>.json`, with what this installation set in it:
    materials, units, enumerations, gates, mara, pima, papers, rules, clocks, factors, area_terms,
    counterfactual, distance_ratio, kpi, glossary, identifiers, crs, likelihood, estimates,
    seutumassa or provenance.

    Every reader gets the same object and must not change it. `FileNotFoundError` for another name.
    """
    return applied(name)


def version_of(name: str) -> str:
    """The version of the table *name*: the date of its last change, and a mark of what was set."""
    return str(table(name)["meta"]["version"])
