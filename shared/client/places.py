"""Where a project is, by what a row says: codes, names, several of them, or a point."""

from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from shared.client.cells import Form, Row, folded
from shared.client.crs import WGS84, Position, question_outside, read_position
from shared.client.geometry import position_in
from shared.client.rules import CellError, Found, Rule
from shared.vocabulary.distance import straight_km
from shared.vocabulary.errors import Refused
from shared.vocabulary.regions import Place, Region

_MUCH_NEARER: Final = 0.5


class Where(NamedTuple):
    """A place as it is handed in: *lat* and *lon* None where it is the municipality's own point."""

    municipality: str
    lat: float | None = None
    lon: float | None = None
    precision: str | None = None
    assumed: tuple[str, ...] = ()
    questions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PlaceRule:
    """
    How a row tells its place.

    *code* is tried first, then *name* in any language; with *separator* a cell may hold several,
    which stand for their mean point. A word in *nowhere* is no place: beside others it is left
    out, alone it is refused. *geometry* is a column of GeoJSON, which need not be in the table, in
    *crs* where it does not say its own; a point in it outside of the region is refused.
    """

    code: Rule | None = None
    name: Rule | None = None
    lat: Rule | None = None
    lon: Rule | None = None
    separator: str | None = None
    nowhere: frozenset[str] = frozenset()
    geometry: str | None = None
    crs: str | None = None

    @property
    def rules(self) -> tuple[Rule, ...]:
        return tuple(rule for rule in (self.code, self.name, self.lat, self.lon) if rule)

    def find(self, row: Row, form: Form, gazetteer: "Gazetteer") -> Where:
        """The place of *row*; raises `CellError` (`place_unknown`, `place_missing`)."""
        places, written, left_out = self._named(row, form, gazetteer)
        point = self._point(row, gazetteer.region)
        if point is not None:
            asked = gazetteer.questions(point, places[0]) if len(places) == 1 else ()
            rounded = (round(point.lat, 7), round(point.lon, 7))
            return Where(places[0].code, *rounded, "exact", questions=asked)
        lat = self.lat.find(row, form).value if self.lat else None
        lon = self.lon.find(row, form).value if self.lon else None
        if lat is not None and lon is not None:
            self._check(row, lat, lon, gazetteer.region)
            return Where(places[0].code, lat, lon, "exact")
        also = f"; {', '.join(left_out)} is left out" if left_out else ""
        if len(places) == 1:
            told = f"place: {written} is put at {places[0].name('en')}{also}"
            return Where(places[0].code, assumed=(told,) if left_out else ())
        told = f"place: {written} stands for the mean point of {len(places)} places"
        return Where(
            places[0].code,
            round(sum(place.lat for place in places) / len(places), 5),
            round(sum(place.lon for place in places) / len(places), 5),
            "municipality",
            (f"{told}, put under {places[0].name('en')}{also}",),
        )

    def _point(self, row: Row, region: Region) -> Position | None:
        written = row.cells.get(self.geometry, "") if self.geometry else ""
        if not written or self.geometry is None:
            return None
        try:
            point = position_in(written, self.crs)
            question_outside(point, region)
        except Refused as error:
            value = str(error.told.get("value", written))
            raise CellError(self.geometry, value, error.code, str(error)) from error
        return point

    def _check(self, row: Row, lat: float, lon: float, region: Region) -> None:
        """Question a pair of degrees that is swapped, of another system, or outside of *region*."""
        try:
            question_outside(read_position(lon, lat, WGS84), region)
        except Refused as error:
            column = next(self.lat.columns(), "") if self.lat else ""
            value = str(error.told.get("value", ""))
            raise CellError(column, value, error.code, str(error)) from error

    def _named(
        self, row: Row, form: Form, gazetteer: "Gazetteer"
    ) -> tuple[list[Place], str, list[str]]:
        column = ""
        for rule, look_up in ((self.code, gazetteer.by_code), (self.name, gazetteer.by_name)):
            found = Found(None) if rule is None else rule.find(row, form)
            column = found.column or column
            if not found.value:
                continue
            split = found.value.split(self.separator) if self.separator else [found.value]
            words = [word.strip() for word in split if word.strip()]
            left_out = [word for word in words if folded(word) in self.nowhere]
            places = [
                _known(look_up(word), word, column, gazetteer.region)
                for word in words
                if word not in left_out
            ]
            if not places:
                text = f"{found.value!r} names no place. Say the municipality, or several."
                raise CellError(column, found.value, "place_unknown", text)
            return places, found.value, left_out
        raise CellError(column, "", "place_missing", "Say the municipality by code or by name.")


class Gazetteer:
    """The places of a region, by code and by name."""

    def __init__(self, region: Region) -> None:
        self.region = region
        self._codes = {place.code: place for place in region.places}
        self._bare: dict[str, Place | None] = {}
        self._names: dict[str, Place | None] = {}
        for place in region.places:
            _enter(self._bare, place.code.lstrip("0"), place)
            for name in {folded(each) for each in place.names.values()}:
                _enter(self._names, name, place)

    def questions(self, point: Position, told: Place) -> tuple[str, ...]:
        """What to ask where *point* lies much nearer to another place than to the one *told*."""
        found = self.much_nearer(point, told)
        if found is None:
            return ()
        nearest, nearer, away = found
        return (
            f"The point is {nearer:.1f} km from the middle of {nearest.name('en')}, and {away:.1f} "
            f"km from that of {told.name('en')}, which the row says: check which is right.",
        )

    def much_nearer(self, point: Position, told: Place) -> tuple[Place, float, float] | None:
        """The place whose middle is much nearer to *point* than that of *told*, and km to both."""
        away = straight_km(point.lat, point.lon, told.lat, told.lon)
        nearest, nearer = self.nearest(point)
        if nearest.code == told.code or nearer > away * _MUCH_NEARER:
            return None
        return nearest, nearer, away

    def nearest(self, point: Position) -> tuple[Place, float]:
        """The place whose middle is nearest to *point*, and how far it is, km."""

        def away(each: Place) -> float:
            return straight_km(point.lat, point.lon, each.lat, each.lon)

        nearest = min(self.region.places, key=away)
        return nearest, away(nearest)

    def by_code(self, written: str) -> Place | None:
        """The place of a code; its leading zeros may have been eaten by a spreadsheet."""
        code = written.strip()
        return self._codes.get(code) or self._bare.get(code.lstrip("0"))

    def by_name(self, written: str) -> Place | None:
        """The place of a name in any language, its code if that is what stands there; None when
        there is none or more than one."""
        return self._names.get(folded(written)) or self.by_code(written)


def _enter(index: dict[str, Place | None], word: str, place: Place) -> None:
    index[word] = None if word in index else place


def _known(place: Place | None, written: str, column: str, region: Region) -> Place:
    if place is None:
        text = f"{region.name('en')} has no one place called {written!r}. Check the name or code."
        raise CellError(column, written, "place_unknown", text)
    return place


def place_fields(where: Where) -> dict[str, Any]:
    """*where* as fields of a handed-in project or area."""
    named = ("municipality", "lat", "lon", "precision")
    told = {name: getattr(where, name) for name in named}
    return {name: value for name, value in told.items() if value is not None}
