"""Design files made up for tests: triangulated surfaces and the LandXML that holds them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

CORNER = (24_487_000.0, 6_821_000.0)
"""Easting and northing in EPSG:3878 of the corner of all that is made here: Tampere."""

Height = Callable[[float, float], float]


def sheet(
    height: Height, x: tuple[float, float], y: tuple[float, float], columns: int = 1, rows: int = 1
) -> tuple[Any, Any]:
    """(points, faces) of a rectangle, metres from the corner, of the height told of x and y."""
    across, along = np.linspace(*x, columns + 1), np.linspace(*y, rows + 1)
    points = [(east, north, height(east, north)) for north in along for east in across]
    faces = []
    for row in range(rows):
        for column in range(columns):
            a = row * (columns + 1) + column
            b, c, d = a + 1, a + columns + 1, a + columns + 2
            faces += [(a, b, d), (a, d, c)] if (row + column) % 2 else [(a, b, c), (b, d, c)]
    return np.array(points, dtype=float), np.array(faces)


def surface_xml(
    points: Any, faces: Any, name: str = "Surface", coding: str = "", more_faces: str = ""
) -> str:
    """The `Surface` element of a TIN, its points written northing, easting, height."""
    east, north = CORNER
    written = [
        f'<P id="{at}">{y + north:.4f} {x + east:.4f} {z:.4f}</P>'
        for at, (x, y, z) in enumerate(points, 1)
    ]
    named = [f'<F n="0 0 0">{a + 1} {b + 1} {c + 1}</F>' for a, b, c in faces]
    code = f'<Feature><Property label="surfaceCoding" value="{coding}"/></Feature>' * bool(coding)
    return (
        f'<Surface name="{name}">{code}<Definition surfType="TIN"><Pnts>{"".join(written)}</Pnts>'
        f"<Faces>{''.join(named)}{more_faces}</Faces></Definition></Surface>"
    )


def landxml(
    *surfaces: str, epsg: str | None = "3878", unit: str = "meter", before: str = ""
) -> bytes:
    """A whole file of *surfaces*, as a design program writes one; *before* stands over the root."""
    system = "" if epsg is None else f'<CoordinateSystem name="GK24" epsgCode="{epsg}"/>'
    return (
        f'<?xml version="1.0" encoding="ISO-8859-1"?>{before}'
        '<LandXML xmlns="{{release_directory}}" xmlns:im="{{release_directory}}/im" version="1.2">'
        f'<Units><Metric linearUnit="{unit}"/></Units>{system}<Project name="Pähkinäkatu"/>'
        '<Application name="made"><Author createdBy="Drawn By" '
        'createdByEmail="drawer@katu.example"/></Application>'
        f"<Surfaces>{''.join(surfaces)}</Surfaces></LandXML>"
    ).encode("iso-8859-1")


def write_road(folder: Path, depth: float = 2.0) -> Path:
    """
    A street 100 m by 10 m cut *depth* m into flat ground at 10 m, rising to 1 m over it at its end.

    Its structure is 1 m thick all along; rock lies 0.5 m below the ground on the first half.
    """
    start, rise = 10 - depth, (depth + 1) / 100
    terrain = sheet(lambda x, y: 10, (-20, 120), (-20, 30))
    rock = sheet(lambda x, y: 9.5, (0, 50), (-5, 15))
    lowest = sheet(lambda x, y: start + rise * x, (0, 100), (0, 10), 7, 3)
    highest = sheet(lambda x, y: start + 1 + rise * x, (0, 100), (0, 10), 5, 2)
    base = sheet(lambda x, y: 9, (0, 100), (0, 10))
    files = {
        "9004 Terrain/Maanpinta.xml": surface_xml(*terrain, "Maa", "1"),
        "9004 Terrain/Kallio.xml": surface_xml(*rock, "Kallio"),
        "2012 Lowest/Katu.xml": surface_xml(*lowest, "Katu", "201200"),
        "2010 Highest/Katu.xml": surface_xml(*highest, "Katu"),
        "2030 Base/Kantava.xml": surface_xml(*base, "Kantava", "203000"),
    }
    for name, xml in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(landxml(xml))
    return folder
