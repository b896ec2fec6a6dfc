"""
Inframodel and LandXML files: the triangulated surfaces in them, in plan metres.

Read tolerantly, as designers' programs write them: any namespace, any 8-bit encoding, placeholders
that were never filled. Nothing is read of who drew it: names and addresses in `Author` stay there.
"""

import re
from array import array
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path
from typing import Any, ClassVar, Final
from xml.parsers import expat

import numpy as np
import numpy.typing as npt

from shared.client.crs import METRIC, eastings_of, epsg_by_easting, systems_of
from shared.client.said import Said, say
from shared.vocabulary.errors import Refused

MOST_BYTES: Final = 300_000_000
MOST_FACES: Final = 2_000_000
"""Caps of one file: beyond them the answer is a refusal, not a machine without memory."""

_CHUNK: Final = 1 << 16
_NORTH: Final = (6_500_000.0, 7_900_000.0)
_PLACEHOLDER: Final = re.compile(r"\{\{.*?\}\}")
_METRES: Final = ("meter", "metre")


class DesignRefused(Refused):
    """The design file {file} cannot be used. {remedy}"""

    code: ClassVar[str] = "design_refused"


class DesignUnreadable(DesignRefused):
    """{file} is not whole XML: {value}. {remedy}"""

    code: ClassVar[str] = "design_unreadable"


class DesignWithEntities(DesignRefused):
    """{file} declares a document type, which may hide entities that grow. {remedy}"""

    code: ClassVar[str] = "design_with_entities"


class DesignTooLarge(DesignRefused):
    """{file} has {value}, more than {most}. {remedy}"""

    code: ClassVar[str] = "design_too_large"


class BadPoint(DesignRefused):
    """{file}, line {line}: point {point} is {value!r}. {remedy}"""

    code: ClassVar[str] = "surface_point_invalid"


class PointTwice(DesignRefused):
    """{file}, line {line}: the point {point} stands twice, with other coordinates. {remedy}"""

    code: ClassVar[str] = "surface_point_repeated"


class BadFace(DesignRefused):
    """{file}, line {line}: the face {value!r} is no triangle of known points. {remedy}"""

    code: ClassVar[str] = "surface_face_invalid"


class NotTriangulated(DesignRefused):
    """{file}: the surface {value!r} is not a TIN. {remedy}"""

    code: ClassVar[str] = "surface_not_triangulated"


class UnknownCrs(DesignRefused):
    """{file}: the coordinate system {value!r} is not one that is read here. {remedy}"""

    code: ClassVar[str] = "design_crs_unknown"


class CrsMismatch(DesignRefused):
    """{file}: northing {north}, easting {east} does not lie in EPSG:{epsg}. {remedy}"""

    code: ClassVar[str] = "design_crs_mismatch"


class NotMetres(DesignRefused):
    """{file}: lengths are in {value!r}. {remedy}"""

    code: ClassVar[str] = "design_not_metres"


@dataclass(frozen=True, slots=True)
class Tin:
    """
    One triangulated surface: *points* (n, 3) easting, northing, height; *faces* (m, 3) of rows.

    *coding* is its Inframodel surface code, where told; *invisible* counts faces marked `i="1"`,
    which are left out as the format asks.
    """

    name: str
    coding: str
    points: npt.NDArray[np.float64]
    faces: npt.NDArray[np.int64]
    invisible: int = 0


@dataclass(frozen=True, slots=True)
class Design:
    """What a file holds: its TINs, the EPSG code of their plan, and the project it names."""

    file: Path
    epsg: int | None
    project: str
    tins: tuple[Tin, ...]
    height_system: str = ""


def read_design(
    path: str | Path,
    *,
    epsg: int | None = None,
    most_bytes: int = MOST_BYTES,
    most_faces: int = MOST_FACES,
) -> Design:
    """
    The design file at *path*; *epsg* stands in where it tells no coordinate system.

    Points stand in the file as northing, easting, height and are turned round here, once. A file
    without a TIN (alignments, poles) has no *tins*. Raises `DesignRefused`, always with the file
    and where there is one with the line.
    """
    file = Path(path)
    size = file.stat().st_size
    if size > most_bytes:
        raise DesignTooLarge(
            file=file.name,
            value=say("design_bytes", size=size),
            most=most_bytes,
            remedy=say("design_split"),
        )
    reading = _Reading(file.name, most_faces)
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = reading.doctype
    parser.StartElementHandler = reading.start
    parser.EndElementHandler = reading.end
    parser.CharacterDataHandler = reading.text
    reading.parser = parser
    try:
        with file.open("rb") as stream:
            while chunk := stream.read(_CHUNK):
                parser.Parse(chunk)
            parser.Parse(b"", True)
    except (expat.ExpatError, LookupError, ValueError) as error:
        if isinstance(error, DesignRefused):
            raise
        remedy = say("design_again")
        raise DesignUnreadable(file=file.name, value=error, remedy=remedy) from error
    if reading.root != "LandXML":
        why, remedy = say("design_root", root=reading.root), say("design_landxml")
        raise DesignUnreadable(file=file.name, value=why, remedy=remedy)
    return reading.design(file, epsg)


@dataclass(slots=True)
class _Surface:
    name: str
    coding: str = ""
    ids: dict[str, int] = field(default_factory=dict)
    places: "array[float]" = field(default_factory=lambda: array("d"))
    faces: "array[int]" = field(default_factory=lambda: array("q"))
    invisible: int = 0


@dataclass(slots=True)
class _Reading:
    """One pass over one file."""

    file: str
    most_faces: int
    parser: Any = None
    root: str = ""
    project: str = ""
    epsg: str = ""
    heights: str = ""
    surfaces: list[_Surface] = field(default_factory=list)
    inside: _Surface | None = None
    attributes: dict[str, str] = field(default_factory=dict)
    words: list[str] | None = None
    many: int = 0

    def doctype(self, *_: Any) -> None:
        raise DesignWithEntities(file=self.file, remedy=say("design_doctype"))

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        name = _local(tag)
        self.root = self.root or name
        match name:
            case "P" | "F":
                self.attributes, self.words = attributes, []
            case "Surface":
                self.inside = _Surface(_filled(attributes.get("name")))
                self.surfaces.append(self.inside)
            case "Definition" if self.inside is not None:
                kind = attributes.get("surfType", "TIN")
                if kind != "TIN":
                    remedy = say("design_triangulate")
                    raise NotTriangulated(file=self.file, value=self.inside.name, remedy=remedy)
            case "Property" if self.inside is not None:
                if attributes.get("label") == "surfaceCoding":
                    self.inside.coding = _filled(attributes.get("value"))
            case "Project":
                self.project = _filled(attributes.get("name"))
            case "CoordinateSystem":
                self.epsg = _filled(attributes.get("epsgCode"))
                self.heights = _filled(attributes.get("verticalCoordinateSystemName"))
            case "Metric" | "Imperial":
                unit = _filled(attributes.get("linearUnit")) or "meter"
                if name == "Imperial" or unit.casefold() not in _METRES:
                    raise NotMetres(file=self.file, value=unit, remedy=say("design_metres"))

    def text(self, words: str) -> None:
        if self.words is not None:
            self.words.append(words)

    def end(self, tag: str) -> None:
        name = _local(tag)
        if name in ("P", "F"):
            if self.inside is not None and self.words is not None:
                told = "".join(self.words)
                (self.point if name == "P" else self.face)(self.inside, told)
            self.words = None
        elif name == "Surface":
            self.inside = None

    def point(self, surface: _Surface, told: str) -> None:
        id = self.attributes.get("id", "")
        try:
            north, east, height = map(float, told.split())
        except ValueError:
            north = east = height = float("nan")
        if not (id and isfinite(north) and isfinite(east) and isfinite(height)):
            remedy = say("design_point")
            raise BadPoint(file=self.file, line=self.line, point=id, value=told, remedy=remedy)
        at = surface.ids.setdefault(id, len(surface.ids))
        if at == len(surface.places) // 3:
            surface.places.extend((east, north, height))
        elif surface.places[3 * at : 3 * at + 3] != array("d", (east, north, height)):
            remedy = say("design_point_id")
            raise PointTwice(file=self.file, line=self.line, point=id, remedy=remedy)

    def face(self, surface: _Surface, told: str) -> None:
        if self.attributes.get("i") in ("1", "true"):
            surface.invisible += 1
            return
        corners = [surface.ids.get(id, -1) for id in told.split()]
        if len(corners) != 3 or -1 in corners:
            remedy = say("design_corners")
            raise BadFace(file=self.file, line=self.line, value=told, remedy=remedy)
        self.many += 1
        if self.many > self.most_faces:
            raise DesignTooLarge(
                file=self.file,
                value=say("design_faces"),
                most=self.most_faces,
                remedy=say("design_thin"),
            )
        surface.faces.extend(corners)

    @property
    def line(self) -> int:
        line: int = self.parser.CurrentLineNumber
        return line

    def design(self, file: Path, told: int | None) -> Design:
        tins = tuple(
            Tin(
                each.name,
                each.coding,
                np.array(each.places, dtype=np.float64).reshape(-1, 3),
                np.array(each.faces, dtype=np.int64).reshape(-1, 3),
                each.invisible,
            )
            for each in self.surfaces
            if each.faces
        )
        epsg = self._epsg(tins, told)
        return Design(file, epsg, self.project, tins, self.heights)

    def _epsg(self, tins: tuple[Tin, ...], told: int | None) -> int | None:
        if not tins:
            return None
        points = np.concatenate([tin.points[tin.faces.ravel()] for tin in tins])
        (east, north), (most_east, most_north) = (
            getattr(points[:, :2], which)(axis=0).tolist() for which in ("min", "max")
        )
        epsg = self._declared() or told or epsg_by_easting(east)
        if epsg is None:
            remedy = say("design_say_epsg")
            raise UnknownCrs(file=self.file, value=say("design_none_told"), remedy=remedy)
        least, most = eastings_of(epsg)
        if not (least < east and most_east < most and _NORTH[0] < north and most_north < _NORTH[1]):
            raise CrsMismatch(
                file=self.file, north=north, east=east, epsg=epsg, remedy=_reading_of(north, east)
            )
        return epsg

    def _declared(self) -> int | None:
        if not self.epsg:
            return None
        code = re.sub(r"^EPSG:", "", self.epsg.strip(), flags=re.IGNORECASE)
        if code.isdecimal() and int(code) in METRIC:
            return int(code)
        raise UnknownCrs(file=self.file, value=self.epsg, remedy=say("design_write_epsg"))


def _reading_of(north: float, east: float) -> Said:
    """What the pair would be, read the other way round or in the system it looks like."""
    if _NORTH[0] < east < _NORTH[1]:
        return say("design_swapped", north=north, east=east)
    looks = systems_of(east, north)
    return say("design_looks", epsg=looks[0]) if looks else say("design_mend")


def _filled(told: str | None) -> str:
    """What an attribute tells; a placeholder that was never filled tells nothing."""
    return _PLACEHOLDER.sub("", told or "").strip()


def _local(tag: str) -> str:
    return tag.rpartition(":")[2]
