"""A region made of a table of places by a small mapping file."""

from pathlib import Path
from typing import Any, Final

from shared.client.cells import Form
from shared.client.mapping import BadMapping, read_yaml
from shared.client.said import say, say_all
from shared.client.tables import read_rows
from shared.vocabulary.regions import Region, make_region

_NEEDED: Final = ("code", "names", "metric_crs", "source", "licence", "columns")
_OPTIONAL: Final = ("meets", "margin_deg", "sample", "file")
_COLUMNS: Final = ("code", "name", "lat", "lon")


def region_from_csv(path: str | Path, mapping: str | Path) -> Region:
    """
    The region whose places are the rows of the CSV file at *path*, by *mapping*: a YAML file, or
    the name of a shipped one such as `indiana-counties`, which shows its words.

    Raises `BadMapping`, `BadTable`, `MissingColumns` and `BadRegion`, each with the remedy.
    """
    told = read_yaml(mapping)
    columns = _columns(told, str(mapping))
    form = Form(**(told.get("file") or {}))
    rows = [row.cells for row in read_rows(path, form, columns=[*columns.values()])]
    return make_region(
        str(told["code"]),
        told["names"],
        rows,
        code_field=columns["code"],
        name_field=columns["name"],
        lat_field=columns["lat"],
        lon_field=columns["lon"],
        subregion_field=columns.get("subregion"),
        metric_crs=told["metric_crs"],
        meets=told.get("meets") or (),
        margin_deg=float(told.get("margin_deg", 0.5)),
        source=told["source"],
        licence=told["licence"],
        sample=bool(told.get("sample", False)),
    )


def _columns(told: dict[str, Any], name: str) -> dict[str, str]:
    faults = [say("mapping_say", where=each) for each in _NEEDED if not told.get(each)]
    others = [each for each in told if each not in (*_NEEDED, *_OPTIONAL)]
    faults += [say("config_word", where=each) for each in others]
    columns = told.get("columns") or {}
    lacking = [each for each in _COLUMNS if each not in columns]
    faults += [say("mapping_say", where=f"columns.{each}") for each in lacking]
    unknown = set(told.get("file") or {}) - set(Form.__slots__)
    faults += [say("config_word", where=f"file.{each}") for each in sorted(unknown)]
    if faults:
        raise BadMapping(value=name, remedy=say_all(faults))
    return {str(field): str(column) for field, column in columns.items()}
