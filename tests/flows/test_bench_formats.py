"""The bench of formats: what it writes is read whole, and it tells of that reading alone."""

from pathlib import Path

import pytest

from deploy.bench import formats
from deploy.bench.formats import FORMATS, Format, Unread, measure
from shared.client import slices
from shared.client.landxml import read_design
from shared.vocabulary.regions import shipped


def end_of(file: Path, mapping: str) -> dict[str, int]:
    order = {"mapping": mapping, "region": shipped()["01"].to_json(), "organisation": "bench",
             "edition": "1", "sheet": None, "most_rows": 1_000}  # fmt: skip
    *_, last = slices.lines(file, order)
    end: dict[str, int] = last["end"]
    return end


@pytest.mark.parametrize("format", FORMATS, ids=lambda each: each.name)
def test_every_row_that_is_written_is_read_without_a_fault(format: Format, tmp_path: Path) -> None:
    """In each format, of whichever length."""
    for count in (1, 230):
        format.write(tmp_path / "massat", count)
        end = end_of(tmp_path / "massat", format.mapping)
        assert (end["rows"], end["bad"], end["skipped"]) == (count, 0, 0)


def test_the_sheet_at_its_cap_has_every_cell_filled(tmp_path: Path) -> None:
    formats.write_xlsx_full(tmp_path / "massat", 3)
    assert end_of(tmp_path / "massat", "template")["rows"] == 3
    assert all("" not in row for row in formats.rows_of_template(3, full=True))


@pytest.mark.parametrize("faces", [1, 2, 777, 4_001])
def test_a_written_surface_has_the_triangles_that_were_asked(faces: int, tmp_path: Path) -> None:
    formats.write_landxml(tmp_path / "maa.xml", faces)
    (tin,) = read_design(tmp_path / "maa.xml").tins
    assert len(tin.faces) == faces


async def test_rows_a_second_and_memory_stand_beside_the_bare_library() -> None:
    """Of a process each; this one's own memory, which is larger, is not counted."""
    held = bytearray(300 << 20)
    report = await measure(40, cells=0, triangles=0, formats=FORMATS[:1])
    rate, memory = report.figures
    assert len(held) == 300 << 20
    assert (rate.figure, rate.beside) == (
        "CSV, 40 rows: read, checked, told as events", "csv.DictReader",
    )  # fmt: skip
    assert memory.value is not None
    assert memory.beside_value is not None
    assert memory.beside_value < memory.value < 200


async def test_a_file_that_is_not_read_whole_is_no_figure() -> None:
    """A row with a fault ends the bench with what was told."""
    broken = Format("CSV", lambda file, _: file.write_text("a;b\n1;2\n"), "template", "calamine")
    with pytest.raises(Unread, match="columns_missing"):
        await measure(5, cells=0, triangles=0, formats=[broken])
