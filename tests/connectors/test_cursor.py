"""What a connector remembers outlives it."""

from pathlib import Path

import pytest

from deploy.connectors.cursor import Cursor, CursorTaken, Told


def test_only_one_connector_has_a_cursor(tmp_path: Path) -> None:
    """Two that tell the same would undo each other's order."""
    with Cursor(tmp_path / "c"), pytest.raises(CursorTaken, match="of its own"):
        Cursor(tmp_path / "c")
    with Cursor(tmp_path / "c"):
        pass


def test_what_was_noted_is_there_after_it_was_opened_again(tmp_path: Path) -> None:
    """Positions, what was told, refusals, files; and the lineage is the same."""
    told = Told("p1", 2, "digest", "{}", "accepted", "taken")
    with Cursor(tmp_path / "c") as cursor:
        lineage = cursor.lineage
        cursor.move(last_event_id="7")
        cursor.note([told])
        cursor.note_missed({"p1": 2})
        cursor.refuse("p2", [{"code": "missing"}], "said")
        cursor.note_read("abc", "loads.csv")

    with Cursor(tmp_path / "c") as cursor:
        assert cursor.lineage == lineage
        assert cursor.position("last_event_id") == "7"
        assert cursor.told()["p1"].missed == 2
        assert cursor.told(["p1", "unknown"])["p1"].sequence == 2
        assert [one["external_id"] for one in cursor.refused()] == ["p2"]
        assert cursor.has_read("abc") and not cursor.has_read("xyz")


def test_a_file_that_is_no_cursor_is_not_touched(tmp_path: Path) -> None:
    """It may be somebody's data."""
    (tmp_path / "c").write_text("a shopping list, longer than a header of SQLite " * 40)

    with pytest.raises(CursorTaken, match="no cursor"):
        Cursor(tmp_path / "c")

    assert (tmp_path / "c").read_text().startswith("a shopping list")
