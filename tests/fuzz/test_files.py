"""Files that are broken in any way are refused with a code and a text, never with a traceback."""

import csv
import io
import json
import traceback
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.sample.generator import COLUMNS
from shared.client import slices
from shared.client.crs import from_degrees
from shared.client.designs import measure, read_surfaces
from shared.client.template import template
from shared.vocabulary.errors import Refused
from shared.vocabulary.regions import shipped
from tests.designs import write_road
from tests.fuzz.asking import CODE, EXAMPLES, tries
from tests.shared.formats import MASS, write_old_workbook, write_open_document
from tests.shared.test_client_geo import GOOD, LAT, LON, MAPPING, blob, feature, package, point
from tests.shared.test_client_seutumassa import ROW

pytestmark = [pytest.mark.fuzz, pytest.mark.timeout(3600)]
SHORT = 40
"""Broken files of each format in the short run."""

REGION = shipped()["01"]
PIECES = (
    b"", b"\0", b"\xff", b'"', b";", b"\n", b"\r", b"<", b"&", b"9" * 400, b"-", b"NaN", b"1e999",
    b"\xef\xbb\xbf", b"\xff\xfe", b"&#0;", b"<!DOCTYPE x>", b"]]>", b"{", b"[" * 3000, b"=1+1",
    b"2031-02-30", b"\xe2\x80\xae", b"A" * 70_000, b",", b"}", b"null", b"\x1a",
)  # fmt: skip
"""What is written over or into a file."""


def a_csv(_: Path) -> bytes:
    lines = [";".join(GOOD), *(";".join(map(str, (GOOD | {"id": at}).values())) for at in range(9))]
    return "\n".join(lines).encode()


def an_xlsx(_: Path) -> bytes:
    return template("fi", REGION)


def a_seutumassa(_: Path) -> bytes:
    out = io.StringIO()
    written = csv.DictWriter(out, COLUMNS, delimiter=";")
    written.writeheader()
    for at in range(5):
        written.writerow(ROW | {"Kohteen id": str(at)})
    return out.getvalue().encode()


def a_geojson(_: Path) -> bytes:
    features = [feature(point(LON, LAT), id=str(at)) for at in range(4)]
    return json.dumps({"type": "FeatureCollection", "features": features}).encode()


def a_geopackage(folder: Path) -> bytes:
    x, y = from_degrees(LON, LAT, 3879)
    return package(folder, [(blob(x, y), {"id": str(at)}) for at in range(4)]).read_bytes()


def _of(write: Callable[..., None]) -> Callable[[Path], bytes]:
    """What *write* makes of four masses."""

    def made(folder: Path) -> bytes:
        write(folder / "massat", [MASS | {"id": str(at)} for at in range(4)])
        return (folder / "massat").read_bytes()

    return made


FORMATS: dict[str, tuple[Callable[[Path], bytes], str]] = {
    "csv": (a_csv, "own"),
    "xlsx": (an_xlsx, "template"),
    "ods": (_of(write_open_document), "template"),
    "xls": (_of(write_old_workbook), "template"),
    "seutumassa": (a_seutumassa, "seutumassa"),
    "geojson": (a_geojson, "own"),
    "geopackage": (a_geopackage, "own"),
}


PACKED = ("xlsx", "ods")


@st.composite
def broken(draw: st.DrawFn, whole: bytes) -> bytes:
    """*whole*, cut off, with pieces written over it, twice over, or with bytes turned round."""
    told = whole
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(told)))
        match draw(st.sampled_from(("over", "into", "cut", "out", "again", "flip"))):
            case "over":
                piece = draw(st.sampled_from(PIECES))
                told = told[:at] + piece + told[at + len(piece) :]
            case "into":
                told = told[:at] + draw(st.sampled_from(PIECES)) + told[at:]
            case "cut":
                told = told[:at]
            case "out":
                told = told[:at] + told[at + draw(st.integers(1, 60)) :]
            case "again":
                told = told[: at + 200] + told[at:]
            case "flip":
                told = told[:at] + draw(st.binary(min_size=1, max_size=4)) + told[at + 4 :]
    return told


@st.composite
def repacked(draw: st.DrawFn, whole: bytes) -> bytes:
    """A workbook whose container is sound, and one of its parts broken or gone."""
    kept = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(whole)) as old, zipfile.ZipFile(kept, "w") as new:
        names = old.namelist()
        hit = draw(st.sampled_from(names))
        for name in names:
            if name != hit:
                new.writestr(name, old.read(name))
            elif draw(st.integers(0, 9)):
                new.writestr(name, draw(broken(old.read(name))))
    return kept.getvalue()


def _faults(told: list[dict[str, Any]]) -> Iterator[str]:
    """Why *told* is no end of reading a file: no end at all, or a refusal without code or text."""
    if not any("end" in each or "problem" in each for each in told):
        yield "it has no end"
    for each in told:
        about = each.get("problem") or each.get("error")
        if about is not None and not CODE.fullmatch(str(about["code"])):
            yield f"no stable code: {about['code']!r}"
        if about is not None and not str(about["text"]).strip():
            yield f"{about['code']} has no text"
    try:
        json.dumps(told, allow_nan=False)
    except ValueError:
        yield "a number that JSON does not know"


@pytest.mark.parametrize("name", FORMATS)
def test_a_broken_table_is_told_with_a_code_or_read(name: str, tmp_path: Path, capsys: Any) -> None:
    """In every format of tables: the file as a whole is refused, or its cells."""
    made, mapping = FORMATS[name]
    whole = made(tmp_path)
    if mapping == "own":
        file = tmp_path / "masses.yaml"
        file.write_text(MAPPING, "utf-8")
        mapping = str(file)
    order = {"mapping": mapping, "region": REGION.to_json(), "edition": "1",
             "organisation": "acme", "sheet": None, "most_rows": 100_000}  # fmt: skip
    ends: Counter[str] = Counter()
    wrong: dict[str, str] = {}

    @tries(SHORT)
    @given(content=broken(whole) | repacked(whole) if name in PACKED else broken(whole))
    def read(content: bytes) -> None:
        file = tmp_path / "broken"
        file.write_bytes(content)
        try:
            told = list(slices.lines(file, order))
        except Exception as error:  # what is looked for
            frame = traceback.extract_tb(error.__traceback__)[-1]
            what = f"{type(error).__name__} in {Path(frame.filename).name}:{frame.lineno}"
            wrong.setdefault(what, f"{what}: {error!r:.300}\n    {content[:400]!r}")
            return
        last = next(iter(told[-1].values())) if told else {}
        ends[str(last.get("code", "read"))] += 1
        for fault in _faults(told):
            wrong.setdefault(fault, f"{fault}\n    {content[:400]!r}")

    assert any("end" in each for each in slices.lines(_kept(tmp_path, whole), order))
    read()
    if EXAMPLES:
        with capsys.disabled():
            print(f"\n{name}: {ends.total()} files, {dict(ends)}")
    assert not wrong, "\n".join(wrong.values())


def _kept(folder: Path, content: bytes) -> Path:
    file = folder / "whole"
    file.write_bytes(content)
    return file


def test_a_broken_design_is_refused_with_a_code_or_measured(tmp_path: Path, capsys: Any) -> None:
    """LandXML: one file of the model broken; what is left is refused, or still measured."""
    folder = write_road(tmp_path)
    files = sorted(folder.rglob("*.xml"))
    kept = {file: file.read_bytes() for file in files}
    ends: Counter[str] = Counter()
    wrong: dict[str, str] = {}

    @tries(SHORT)
    @given(st.data())
    def read(data: st.DataObject) -> None:
        file = data.draw(st.sampled_from(files))
        content = data.draw(broken(kept[file]))
        file.write_bytes(content)
        try:
            measure(read_surfaces([folder]))
            ends["measured"] += 1
        except Refused as error:
            ends[error.code] += 1
            if not CODE.fullmatch(error.code) or not str(error).strip():
                wrong.setdefault(error.code, f"no code or text: {error!r}")
        except Exception as error:  # what is looked for
            frame = traceback.extract_tb(error.__traceback__)[-1]
            what = f"{type(error).__name__} in {Path(frame.filename).name}:{frame.lineno}"
            wrong.setdefault(what, f"{what}: {error!r:.300}\n    {content[:400]!r}")
        finally:
            file.write_bytes(kept[file])

    read()
    if EXAMPLES:
        with capsys.disabled():
            print(f"\nLandXML: {ends.total()} files, {dict(ends)}")
    assert not wrong, "\n".join(wrong.values())
