"""A project of another system is read in the coordinates and days that it is told in."""

from typing import Any

import pytest

from deploy.connectors.config import BadConfig, Projects, read_config
from deploy.connectors.desk import News, Unread
from deploy.connectors.lists import _items
from deploy.connectors.projects import ProjectReader

RULES = {"fields": {}, "region": "01", "municipality": "049", "programme": "Ohjelma"}
ESPOO_3879 = [25_485_000.0, 6_675_000.0]


def read(told: dict[str, Any], geometry: Any = None, **rules: Any) -> News | Unread:
    reader = ProjectReader(Projects.model_validate(RULES | rules))
    return reader.read({"id": "1", "name": "Katu", **told}, geometry)


def place(read: News | Unread) -> tuple[float, float]:
    assert isinstance(read, News)
    event: Any = read.event
    return event.lat, event.lon


@pytest.mark.parametrize("said", ["file", "geometry", "collection", "fields"])
def test_metres_are_read_in_the_system_that_is_said(said: str) -> None:
    """By the connector's file, the geometry or the collection around it; a pair of fields too."""
    point: dict[str, Any] = {"type": "Point", "coordinates": ESPOO_3879}
    named = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::3879"}}
    if said == "file":
        found = read({}, point, crs="EPSG:3879")
    elif said == "geometry":
        found = read({}, {**point, "crs": named})
    elif said == "collection":
        feature = {"type": "Feature", "properties": {"id": "1"}, "geometry": point}
        ((_, placed),) = _items({"features": [feature], "crs": named}, url=None)  # type: ignore[arg-type]
        found = read({}, placed)
    else:
        pair = {"e": ESPOO_3879[0], "n": ESPOO_3879[1]}
        found = read(pair, fields={"lat": "n", "lon": "e"}, crs="3879")
    lat, lon = place(found)
    assert (round(lat, 2), round(lon, 2)) == (60.19, 24.73)


@pytest.mark.parametrize(
    ("geometry", "code"),
    [
        ({"type": "Point", "coordinates": ESPOO_3879}, "coordinates_mismatched"),
        ({"type": "Point", "coordinates": [60.2, 24.7]}, "coordinates_swapped"),
        ({"type": "Point", "coordinates": [1, 2], "crs": "EPSG:2393"}, "crs_unknown"),
    ],
)  # fmt: skip
def test_coordinates_that_are_not_what_they_say_are_questioned(geometry: Any, code: str) -> None:
    found = read({}, geometry)
    assert isinstance(found, Unread)
    assert [one.code for one in found.reasons] == [code]


def test_the_days_of_planning_are_kept_with_the_programme() -> None:
    fields = {"planning_from": "a", "planning_to": "b"}
    found = read({"a": "01.02.2027", "b": "2027-11-30"}, fields=fields)
    assert isinstance(found, News)
    programme = found.event.programme  # type: ignore[attr-defined]
    assert [str(programme.planning_from), str(programme.planning_to)] == [
        "2027-02-01",
        "2027-11-30",
    ]
    turned = read({"a": "2027-11-30", "b": "2027-02-01"}, fields=fields)
    assert isinstance(turned, Unread)
    assert turned.reasons[0].code == "window_reversed"


def test_a_system_that_is_not_read_is_a_fault_of_the_file(tmp_path: Any) -> None:
    file = tmp_path / "c.yaml"
    file.write_text("projects: {region: '01', fields: {}, crs: 'EPSG:2393'}\n", "utf-8")
    with pytest.raises(BadConfig, match="EPSG:3067"):
        read_config("programme", file)
