"""The data files of this package, each read once."""

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any


@cache
def table(name: str) -> Mapping[str, Any]:
    """
    The table *name* as it stands in `data/<name>.json`: materials, units, enumerations, gates,
    mara, factors, counterfactual, distance_ratio, kpi, glossary, identifiers, crs, likelihood,
    seutumassa or provenance.

    Every reader gets the same object and must not change it. `FileNotFoundError` for another name.
    """
    text = files(__package__).joinpath("data", f"{name}.json").read_text("utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


def version_of(name: str) -> str:
    """The version of the table *name*: the date of its last change, as text."""
    return str(table(name)["meta"]["version"])
