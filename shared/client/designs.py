"""
Design files as a project: which surface is which, their volumes, and the masses these tell.

    from shared.client.designs import Assumed, measure, read_surfaces, tell
    model = read_surfaces(["M3_Road"])
    measured = measure(model)
    items = tell(measured, model, project, "acme", window, Assumed())    # for `prepare`
"""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, ClassVar, Final, Literal, get_args

import numpy as np

from shared.client.crs import Position, to_degrees
from shared.client.landxml import Design, DesignRefused, Tin, read_design
from shared.client.outgoing import Item, Note, Outgoing, event_id
from shared.client.places import Gazetteer
from shared.client.said import say
from shared.client.volumes import (
    Between,
    Surface,
    between,
    doubled_area,
    pooled,
    surface,
    under_both,
)
from shared.contracts.intake import HandedForecast, HandedProject
from shared.vocabulary.regions import Region

Role = Literal["terrain", "rock", "lowest", "highest"]
ROLES: Final[tuple[Role, ...]] = get_args(Role)

SUFFIX: Final = ".xml"
_CODINGS: Final[Mapping[str, Role]] = {
    "1": "terrain", "2": "rock", "201000": "highest", "201200": "lowest",
}  # fmt: skip
_OTHER_LAYER: Final = re.compile(r"\d{6}")
_NAMES: Final[Mapping[Role, str]] = {
    "highest": "2010(?:00)?|highest|ylin|ylimmät|översta",
    "lowest": "2012(?:00)?|lowest|alin|alimmat|understa",
    "rock": "rock|rockbed|bedrock|kallio|kalliopinta|berg|bergyta",
    "terrain": "terrain|ground|maanpinta|maasto|maastomalli|markyta|terräng|terrängmodell",
}
_WORDS: Final[Mapping[Role, re.Pattern[str]]] = {
    role: re.compile(rf"(?<![^\W_])(?:{words})(?![^\W_])", re.IGNORECASE)
    for role, words in _NAMES.items()
}
_MOST_DOUBLED: Final = 0.01
_LEAST_M3: Final = 0.5
_HEIGHT_M: Final = 0.1


class NoSurfaces(DesignRefused):
    """No {value} surface is among the files. {remedy}"""

    code: ClassVar[str] = "design_surface_missing"


class SurfacesOverlap(DesignRefused):
    """The {value} surfaces cover {doubled} m2 of {area} m2 twice. {remedy}"""

    code: ClassVar[str] = "design_surfaces_overlap"


class SystemsDiffer(DesignRefused):
    """The files are in several coordinate systems: {value}. {remedy}"""

    code: ClassVar[str] = "design_crs_differs"


class SurfacesApart(DesignRefused):
    """The lowest surface lies nowhere over the {value} surface. {remedy}"""

    code: ClassVar[str] = "design_surfaces_apart"


class NoPlace(DesignRefused):
    """The design lies at {value}, outside of its region. {remedy}"""

    code: ClassVar[str] = "design_place_unknown"


@dataclass(frozen=True, slots=True)
class Named:
    """One surface of the model: its file and name, how many faces, plan area in m2."""

    role: Role
    file: str
    name: str
    faces: int
    area_m2: float


@dataclass(frozen=True, slots=True)
class Model:
    """
    The surfaces of a design by role, pooled, in plan metres of *epsg*.

    *edition* stands for the bytes of all files; *left_out* tells what was not used and why.
    """

    epsg: int
    title: str
    edition: str
    surfaces: Mapping[Role, Surface]
    parts: tuple[tuple[str, Surface], ...]
    named: tuple[Named, ...]
    left_out: tuple[Note, ...]


@dataclass(frozen=True, slots=True)
class Measured:
    """
    Solid volumes in m3 and plan areas in m2, all where the surfaces in question both are.

    *earth* is from the lowest surface to the terrain: above it cut, below it fill. *rock*, of the
    cut, is (volume, low, high, area surveyed), None without a rock surface. *layers* is from the
    lowest to the highest surface. *low* and *high* hold for terrain heights off by *height_m*.
    """

    lowest_m2: float
    earth: Between
    rock: tuple[float, float, float, float] | None
    layers: Between | None
    height_m: float
    parts: Mapping[str, tuple[Between, Between | None]] = field(default_factory=dict)

    @property
    def uncovered_m2(self) -> float:
        """Plan of the lowest surface that has no terrain."""
        return max(self.lowest_m2 - self.earth.area, 0.0)

    def to_json(self) -> dict[str, Any]:
        rock, layers = self.rock, self.layers
        return {
            "cut_m3": _bounds(self.earth.above, self.earth.above_low, self.earth.above_high),
            "rock_m3": _bounds(*rock[:3]) if rock else None,
            "fill_m3": _bounds(self.earth.below, self.earth.below_low, self.earth.below_high),
            "layers_m3": round(layers.above, 3) if layers else None,
            "highest_below_lowest_m3": round(layers.below, 3) if layers else None,
            "lowest_m2": round(self.lowest_m2, 1),
            "terrain_m2": round(self.earth.area, 1),
            "rock_m2": round(rock[3], 1) if rock else None,
            "layers_m2": round(layers.area, 1) if layers else None,
            "height_accuracy_m": self.height_m,
            "by_surface": [
                {
                    "surface": name,
                    "cut_m3": round(earth.above, 3),
                    "fill_m3": round(earth.below, 3),
                    "layers_m3": round(above.above, 3) if above else None,
                }
                for name, (earth, above) in self.parts.items()
            ],
        }


@dataclass(frozen=True, slots=True)
class Assumed:
    """
    What a model of surfaces does not tell, as it is taken unless told: each is kept as assumption.

    *soil* is what is cut and is not rock, *fill* what is filled with, *layers* what the structure
    is built of. *told* names those that somebody has said.
    """

    soil: str = "till"
    fill: str = "friction_soil"
    fill_use: str = "general_fill"
    layers: str = "crushed_rock"
    layers_use: str = "sub_base"
    reliability: str = "B"
    told: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Window:
    """From the first day that masses move to the last."""

    first: date
    last: date


def design_files(paths: Iterable[str | Path]) -> list[Path]:
    """The XML files of *paths*, those in folders too, in the order of their names."""
    found: dict[Path, None] = {}
    for path in map(Path, paths):
        inside = sorted(path.rglob("*")) if path.is_dir() else [path]
        found |= dict.fromkeys(
            each for each in inside if each.suffix.casefold() == SUFFIX and each.is_file()
        )
    if not found:
        told = ", ".join(map(str, paths)) or say("design_nothing")
        raise NoSurfaces(value="LandXML", remedy=say("design_give", told=told))
    return list(found)


def read_surfaces(
    paths: Iterable[str | Path],
    *,
    roles: Mapping[str, Role] | None = None,
    epsg: int | None = None,
) -> Model:
    """
    The model that the design files of *paths* make up.

    A surface's role is told by *roles* (file name or pattern → role), else by its Inframodel
    coding, else by its name, that of its file and of its folder. Raises `DesignRefused`.
    """
    digest = hashlib.sha256()
    designs: list[Design] = []
    for file in design_files(paths):
        designs.append(read_design(file, epsg=epsg))
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    systems = {design.epsg for design in designs if design.epsg is not None}
    if len(systems) > 1:
        told = ", ".join(f"EPSG:{each}" for each in sorted(systems))
        raise SystemsDiffer(value=told, remedy=say("design_one_system"))
    found: dict[Role, list[tuple[str, Design, Tin]]] = {role: [] for role in ROLES}
    left_out = []
    for design in designs:
        if not design.tins:
            left_out.append(Note(0, "design_no_surface", f"{design.file.name} holds no TIN"))
        for tin in design.tins:
            role = _role(design, tin, roles or {})
            if role is None:
                text = f"{design.file.name}: {tin.name!r} is neither {', '.join(ROLES)}"
                left_out.append(Note(0, "design_surface_unused", text))
            else:
                found[role].append((f"{design.file.name}: {tin.name}", design, tin))
            if tin.invisible:
                text = f"{design.file.name}: {tin.invisible} invisible faces of {tin.name!r}"
                left_out.append(Note(0, "design_faces_invisible", text))
    needed: Role
    for needed in ("lowest", "terrain"):
        if not found[needed]:
            raise NoSurfaces(value=needed, remedy=say("design_role", role=needed))
    return _model(systems.pop(), found, designs, digest.hexdigest(), left_out)


def measure(model: Model, height_m: float = _HEIGHT_M) -> Measured:
    """
    The volumes of *model*, exact for its surfaces.

    *height_m* is how far off the terrain's heights may be, all in one direction: the unlikely worst
    of it. Raises `SurfacesOverlap`, `SurfacesApart`.
    """
    surfaces = model.surfaces
    for role, each in surfaces.items():
        _once(role, each)
    lowest, terrain = surfaces["lowest"], surfaces["terrain"]
    rock, highest = surfaces.get("rock"), surfaces.get("highest")
    earth = between(lowest, terrain, height_m)
    layers = between(lowest, highest) if highest else None
    for name, part in (("terrain", earth), ("highest", layers)):
        if part is not None and part.area == 0:
            raise SurfacesApart(value=name, remedy=say("design_one_site"))
    stone = None
    if rock is not None:
        likely, surveyed = under_both(lowest, terrain, rock)
        low, high = (under_both(lowest.moved(by), terrain, rock)[0] for by in (height_m, -height_m))
        stone = (likely, low, high, surveyed)
    parts = {
        name: (between(part, terrain), between(part, highest) if highest else None)
        for name, part in model.parts
        if len(model.parts) > 1
    }
    return Measured(lowest.area, earth, stone, layers, height_m, parts)


def place_of(model: Model) -> tuple[float, float]:
    """(lat, lon) of the middle of the lowest surface, degrees."""
    lon, lat = to_degrees(*model.surfaces["lowest"].centroid, model.epsg)
    return round(lat, 6), round(lon, 6)


def municipality_of(model: Model, region: Region, told: str | None) -> tuple[str, Note | None]:
    """
    The code of the municipality of *model*: *told*, else the one whose middle is nearest.

    With it what a reader should know: that it was derived, or that another lies much nearer.
    Raises `NoPlace` where the design lies outside of *region*.
    """
    lat, lon = place_of(model)
    gazetteer, point = Gazetteer(region), Position(lon, lat)
    if not region.contains(lat, lon):
        remedy = say("design_outside", region=region.code)
        raise NoPlace(value=f"{lat} N, {lon} E", remedy=remedy)
    if told is None:
        place, away = gazetteer.nearest(point)
        text = say("design_derived", name=place.name("fi"), code=place.code, away=away)
        return place.code, Note(0, "municipality_derived", text)
    known = gazetteer.by_code(told)
    found = None if known is None else gazetteer.much_nearer(point, known)
    if known is None or found is None:
        return told, None
    nearest, nearer, away = found
    text = say(
        "design_questioned", nearest=nearest.name("fi"), nearer=nearer, told=known.name("fi"),
        away=away,
    )  # fmt: skip
    return told, Note(0, "municipality_questioned", text)


def tell(
    measured: Measured,
    model: Model,
    project: HandedProject,
    organisation: str,
    window: Window,
    assumed: Assumed,
) -> Iterator[Item]:
    """
    *project* at the place of *model*, and a forecast of each mass that *measured* has.

    A mass under half a cubic metre is a note. What the model does not tell is among each one's
    assumptions.
    """
    lat, lon = place_of(model)
    there = project.model_copy(update={"lat": lat, "lon": lon, "precision": "exact"})

    def outgoing(event: HandedProject | HandedForecast) -> Outgoing:
        return Outgoing(
            organisation, event, f"import:design:{project.external_id}",
            event_id(model.edition, event),
        )  # fmt: skip

    yield outgoing(there)
    yield from model.left_out
    for mass in _masses(measured, model, assumed):
        if mass["quantity"] < _LEAST_M3:
            text = (
                f"{mass['external_id']}: {mass['quantity']} m3 is not told. Withdraw it if it was."
            )
            yield Note(0, "mass_too_small", text)
            continue
        told = mass | {
            "external_id": f"{project.external_id}:{mass['external_id']}",
            "project": project.external_id,
            "method": "model",
            "reliability": assumed.reliability,
            "available_from": window.first,
            "available_to": window.last,
            "source_system": "Inframodel",
            "source_id": model.title or project.external_id,
        }
        yield outgoing(HandedForecast(**told))


def _masses(measured: Measured, model: Model, assumed: Assumed) -> Iterator[dict[str, Any]]:
    earth, rock, layers = measured.earth, measured.rock, measured.layers
    common = (
        "volumes: exact between the triangulated surfaces of the design, solid; "
        "no topsoil stripped, no bulking or compaction",
        f"bounds: terrain heights off by {measured.height_m} m all one way (unverified), "
        "and the same per m2 where the terrain is missing",
        *_coverage(measured),
    )
    missing = measured.lowest_m2 / earth.area
    stone = rock or (0.0, 0.0, 0.0, 0.0)
    seen = (
        f"rock: surveyed on {stone[3]:.0f} m2 of {measured.lowest_m2:.0f} m2; "
        "where it is not, all is counted as soil"
        if rock
        else "rock: the design holds no rock surface, all is counted as soil"
    )
    yield {
        "external_id": "soil",
        "direction": "surplus",
        "material": assumed.soil,
        "unit": "m3ktr",
        **_quantity(
            earth.above - stone[0], earth.above_low - stone[1],
            (earth.above_high - stone[2]) * missing,
        ),
        "assumptions": (*common, seen, *_taken(assumed, "soil")),
    }  # fmt: skip
    if rock:
        yield {
            "external_id": "rock",
            "direction": "surplus",
            "material": "rock_solid",
            "unit": "m3ktr",
            **_quantity(*rock[:3]),
            "assumptions": (*common, seen),
        }
    yield {
        "external_id": "fill",
        "direction": "need",
        "material": assumed.fill,
        "use": assumed.fill_use,
        "unit": "m3rtr",
        **_quantity(earth.below, earth.below_low, earth.below_high * missing),
        "assumptions": (*common, *_taken(assumed, "fill", "fill_use")),
    }
    if layers:
        yield {
            "external_id": "layers",
            "direction": "need",
            "material": assumed.layers,
            "use": assumed.layers_use,
            "unit": "m3rtr",
            "quantity": round(layers.above, 1),
            "assumptions": (
                common[0],
                f"layers: lowest to highest surface, on {layers.area:.0f} m2 of "
                f"{measured.lowest_m2:.0f} m2; all layers in one, pavement too",
                *_taken(assumed, "layers", "layers_use"),
            ),
        }


def _quantity(likely: float, low: float, high: float) -> dict[str, float]:
    return {
        "quantity": round(likely, 1),
        "low": min(round(low, 1), round(likely, 1)),
        "high": max(round(high, 1), round(likely, 1)),
    }


def _coverage(measured: Measured) -> tuple[str, ...]:
    if measured.uncovered_m2 < 1:
        return ()
    told = f"coverage: no terrain under {measured.uncovered_m2:.0f} m2 of the lowest surface"
    return (f"{told}, which is in no volume",)


def _taken(assumed: Assumed, *names: str) -> tuple[str, ...]:
    return tuple(
        f"{name.replace('_', ' ')}: {getattr(assumed, name)}, as the model does not tell it"
        for name in names
        if name not in assumed.told
    )


def _role(design: Design, tin: Tin, roles: Mapping[str, Role]) -> Role | None:
    for pattern, role in roles.items():
        if fnmatch(design.file.name, pattern) or fnmatch(tin.name, pattern):
            return role
    if tin.coding in _CODINGS:
        return _CODINGS[tin.coding]
    if _OTHER_LAYER.fullmatch(tin.coding):
        return None
    for told in (tin.name, design.file.name, design.file.parent.name):
        fitting = [role for role, words in _WORDS.items() if words.search(told)]
        if len(fitting) == 1:
            return fitting[0]
    return None


def _model(
    epsg: int,
    found: Mapping[Role, list[tuple[str, Design, Tin]]],
    designs: list[Design],
    edition: str,
    left_out: list[Note],
) -> Model:
    first = found["lowest"][0][2].points[0]
    origin = (float(np.floor(first[0])), float(np.floor(first[1])))
    surfaces: dict[Role, Surface] = {}
    named: list[Named] = []
    parts: list[tuple[str, Surface]] = []
    for role, each in found.items():
        made = [
            (name, design, tin, surface(tin.points, tin.faces, origin))
            for name, design, tin in each
        ]
        if not made:
            continue
        surfaces[role] = pooled([one for *_, one in made])
        named += [
            Named(role, design.file.name, tin.name, len(tin.faces), round(one.area, 1))
            for _, design, tin, one in made
        ]
        if role == "lowest":
            parts = [(name, one) for name, _, _, one in made]
        if surfaces[role].vertical:
            text = f"{role}: {surfaces[role].vertical} upright faces hold no volume"
            left_out.append(Note(0, "design_faces_upright", text))
    title = next((design.project for design in designs if design.project), "")
    return Model(epsg, title, edition, surfaces, tuple(parts), tuple(named), tuple(left_out))


def _once(role: Role, each: Surface) -> None:
    doubled = doubled_area(each)
    if doubled > _MOST_DOUBLED * each.area:
        raise SurfacesOverlap(
            value=role, doubled=round(doubled, 1), area=round(each.area, 1),
            remedy=say("design_one_edition"),
        )  # fmt: skip


def _bounds(likely: float, low: float, high: float) -> dict[str, float]:
    return {"low": round(low, 3), "likely": round(likely, 3), "high": round(high, 3)}
