"""Files that are broken in any way are refused with a code and a text, never with a traceback."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.client import slices
from shared.client.designs import measure, read_surfaces
from shared.client.outgoing import Note
from shared.client.seutumassa import MassRow, full_csv, mass_rows
from shared.client.template import template
from shared.vocabulary.errors import Refused
from shared.vocabulary.regions import shipped
from tests.designs import landxml, sheet, surface_xml
from tests.fuzz.asking import CODE, EXAMPLES, tries
from tests.shared.test_client_geo import LAT, LON, MAPPING, feature, package, point

pytestmark = [pytest.mark.fuzz, pytest.mark.timeout(3600)]
SHORT = 60
"""Broken files of each format in the short run."""

REGION = shipped()["01"]
CUTS = (b"", b"\0", b"\xff", b'"', b";", b"\n", b"\r", b"<", b"&", b"9" * 400, b"-", b"NaN", b"\xef\xbb\xbf",
        b"1e999", b"&lt;!--", b"<![CDATA[", b"{", b"[" * 3000, b"=1+1", "Ää€".encode())  # fmt: skip
"""What is written over or into a file."""
ROW = {
    "title": "Katu", "municipality": "091", "material": "clay", "quantity": 100, "unit": "t",
}  # fmt: skip


def a_csv(_: Path) -> bytes:
    rows = ["id;name;municipality;material;amount;from;until"]
    rows += [f"{at};Katu {at};091;clay;{at},5;2031-05-01;2031-09-30" for at in range(1, 9)]
    return "\n".join(rows).encode()


def an_xlsx(_: Path) -> bytes:
    return template("fi", REGION)


def a_geojson(_: Path) -> bytes:
    features = [feature(point(LON, LAT)), feature(point(LON, LAT), id="B", amount="12,5")]
    return json.dumps({"type": "FeatureCollection", "features": features}).encode()


def a_geopackage(folder: Path) -> bytes:
    from tests.shared.test_client_geo import GOOD, blob  # noqa: PLC0415

    rows = [(blob(25_496_000.0, 6_672_000.0), *GOOD.values())]
    return package(folder, rows).read_bytes()


def a_seutumassa(_: Path) -> bytes:
    return SEUTUMASSA.encode()


SEUTUMASSA = ""
FORMATS: dict[str, tuple[Callable[[Path], bytes], str]] = {
    "csv": (a_csv, "own"),
    "xlsx": (an_xlsx, "template"),
    "geojson": (a_geojson, "own"),
    "gpkg": (a_geopackage, "own"),
}
