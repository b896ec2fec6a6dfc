"""Writing what an organisation may see to a file: GeoJSON, or SeutuMassa's forms."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from deploy.importing import region_of
from deploy.system import System
from shared.client import Credentials, Registry
from shared.client.geojson import feature_collection
from shared.client.sending import NotSent
from shared.client.seutumassa import (
    EPSG,
    Loss,
    MassRow,
    features,
    full_csv,
    lost_in_result,
    mass_rows,
    result_csv,
)

_PAGE: Final = 200
_OK: Final = 200


@dataclass(slots=True)
class Exported:
    """
    How many forecasts were written, what the form could not hold of them, and how many of others
    were left out.
    """

    rows: int = 0
    others: int = 0
    losses: list[Loss] = field(default_factory=list)


async def export_file(
    system: System, file: Path, form: str, *, organisation: str, region: str, others: bool = False
) -> Exported:
    """
    Write the forecasts of *region* that *organisation* may see to *file*, in one of `FORMS`.

    In SeutuMassa's forms only those that it reports itself, unless *others*: read back, a row is
    its reader's own.

    Nothing is written before all is read. Raises `ValueError` for an unknown form, `NotSent`.
    """
    if form not in FORMS:
        raise ValueError(f"{form!r} is no form of export: use one of {', '.join(FORMS)}")
    key = Credentials.read(system.organisations / f"{organisation}.json")
    async with Registry(*key.over_https("exporting")) as registry:
        forecasts = await _all(registry, "/forecasts", region=region)
        projects = await _all(registry, "/projects", region=region)
        known = await _all(registry, "/organisations")
    done = Exported()
    if form == "geojson":
        kept = [_feature(each) for each in forecasts]
        done.rows = len(kept)
        text: Iterable[str] = feature_collection(kept)
    else:
        if not others:
            reported = [each for each in forecasts if each.get("external_id")]
            done.others, forecasts = len(forecasts) - len(reported), reported
        titles = {each["token"]: each["title"] for each in known}
        by_id = {each["project_id"]: each for each in projects}
        rows = list(mass_rows(forecasts, by_id, await region_of(system, region), titles))
        done.rows = len(rows)
        done.losses = [loss for row in rows for loss in row.losses]
        if form == "seutumassa":
            done.losses += [loss for row in rows for loss in lost_in_result(row)]
        text = FORMS[form](rows)
    encoding = "utf-8" if form in _JSON else "utf-8-sig"  # Excel knows UTF-8 by its mark
    with file.open("w", encoding=encoding, newline="") as written:
        written.writelines(text)
    return done


def _in_metres(rows: Iterable[MassRow]) -> Iterator[str]:
    crs = {"type": "name", "properties": {"name": f"urn:ogc:def:crs:EPSG::{EPSG}"}}
    return feature_collection(features(rows), crs=crs)


FORMS: Final[Mapping[str, Callable[[list[MassRow]], Iterable[str]]]] = {
    "geojson": lambda _rows: (),
    "seutumassa": result_csv,
    "seutumassa-full": full_csv,
    "seutumassa-geojson": _in_metres,
}
_JSON: Final = ("geojson", "seutumassa-geojson")


async def _all(registry: Registry, path: str, **asked: str) -> list[dict[str, Any]]:
    """Every item of a list that is told in pages."""
    found: list[dict[str, Any]] = []
    following: str | None = None
    while True:
        params = {"limit": str(_PAGE), **asked} | ({"after": following} if following else {})
        status, told, _ = await registry.ask("GET", path, params=params)
        if status != _OK:
            raise NotSent(f"{path} answered {status}: {json.dumps(told)[:200]}")
        found += told["items"]
        following = told.get("next")
        if not following:
            return found


def _feature(forecast: Mapping[str, Any]) -> dict[str, Any]:
    """A forecast as a feature: its point, as lon and lat, and all else that is told of it."""
    place = forecast["place"]
    told = {name: value for name, value in forecast.items() if name != "place"}
    properties = {**told, "municipality": place["municipality"], "precision": place["precision"]}
    geometry = {"type": "Point", "coordinates": [place["lon"], place["lat"]]}
    return {
        "type": "Feature",
        "id": forecast["forecast_id"],
        "geometry": geometry,
        "properties": properties,
    }
