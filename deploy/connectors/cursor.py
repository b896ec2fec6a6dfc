"""What a connector remembers: how far it has read, and what it last told of each thing."""

import fcntl
import json
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self
from uuid import uuid4

from shared.client.said import say
from shared.vocabulary.errors import Refused

_TABLES = """
CREATE TABLE IF NOT EXISTS position (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS told (
    external_id TEXT PRIMARY KEY, sequence INTEGER NOT NULL, digest TEXT NOT NULL,
    body TEXT NOT NULL, verdict TEXT, code TEXT, missed INTEGER NOT NULL DEFAULT 0,
    withdrawn INTEGER NOT NULL DEFAULT 0, returned INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS refused (
    external_id TEXT PRIMARY KEY, reasons TEXT NOT NULL, said TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS files (digest TEXT PRIMARY KEY, name TEXT NOT NULL);
"""


class CursorTaken(Refused):
    """The cursor {value!r} cannot be used. {remedy}"""

    code: ClassVar[str] = "cursor_taken"


@dataclass(frozen=True, slots=True)
class Told:
    """
    What was last told of a thing: its *sequence* since the beginning, its digest and body.

    *verdict* is None while no receipt came: it is then told again under the same id. *returned* is
    a project that was withdrawn and is there again, though its source counted no version on.
    """

    external_id: str
    sequence: int
    digest: str
    body: str
    verdict: str | None = None
    code: str | None = None
    missed: int = 0
    withdrawn: bool = False
    returned: bool = False


class Cursor:
    """
    The memory of one connector, in one SQLite file; what was noted survives a crash.

    Only one process may have it open. *lineage* is made with the file and stands in every event
    id: a file that was lost is begun anew, and does not repeat ids that meant something else.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = path.with_name(f"{path.name}.lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._lock.close()
            remedy = say("cursor_other")
            raise CursorTaken(value=str(path), remedy=remedy) from None
        try:
            self._base = sqlite3.connect(path, isolation_level=None)
            self._base.execute("PRAGMA synchronous=FULL")
            self._base.executescript(_TABLES)
        except sqlite3.DatabaseError as error:
            self._lock.close()
            remedy = say("cursor_no", why=error)
            raise CursorTaken(value=str(path), remedy=remedy) from error
        lineage = self.position("lineage")
        self.lineage = lineage or uuid4().hex
        if lineage is None:
            self.move(lineage=self.lineage)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._base.close()
        self._lock.close()

    def position(self, name: str) -> str | None:
        found = self._base.execute("SELECT value FROM position WHERE name = ?", (name,)).fetchone()
        return None if found is None else str(found[0])

    def move(self, **positions: str | None) -> None:
        """Set each position, or forget it where it is None."""
        with self._together():
            for name, value in positions.items():
                self._base.execute("DELETE FROM position WHERE name = ?", (name,))
                if value is not None:
                    self._base.execute("INSERT INTO position VALUES (?, ?)", (name, value))

    def told(self, ids: Iterable[str] | None = None) -> dict[str, Told]:
        """What was told of *ids*, else of everything."""
        columns = ", ".join(Told.__slots__)
        if ids is None:
            rows = self._base.execute(f"SELECT {columns} FROM told").fetchall()
        else:
            asked = json.dumps(list(ids))
            rows = self._base.execute(
                f"SELECT {columns} FROM told WHERE external_id IN (SELECT value FROM json_each(?))",
                (asked,),
            ).fetchall()
        names = columns.split(", ")
        found = (dict(zip(names, row, strict=True)) for row in rows)
        return {
            one["external_id"]: Told(**{**one, "withdrawn": bool(one["withdrawn"])})
            for one in found
        }

    def note(self, told: Sequence[Told]) -> None:
        """Keep *told*, all or none."""
        names = Told.__slots__
        places = ", ".join("?" for _ in names)
        with self._together():
            self._base.executemany(
                f"INSERT OR REPLACE INTO told ({', '.join(names)}) VALUES ({places})",
                [[getattr(one, name) for name in names] for one in told],
            )

    def note_missed(self, missed: dict[str, int]) -> None:
        """Keep how many polls in a row each thing was missing."""
        with self._together():
            self._base.executemany(
                "UPDATE told SET missed = ? WHERE external_id = ?",
                [(count, external_id) for external_id, count in missed.items()],
            )

    def forget_refusals(self) -> None:
        """What was refused is told again at the next sight of it."""
        with self._together():
            self._base.execute(
                "UPDATE told SET digest = '' WHERE verdict = 'rejected' OR external_id IN "
                "(SELECT external_id FROM refused)"
            )
            self._base.execute("DELETE FROM position WHERE name != 'lineage'")

    def refuse(self, external_id: str, reasons: Any, said: str) -> None:
        """Keep why a thing was refused, and what was said of it."""
        with self._together():
            self._base.execute(
                "INSERT OR REPLACE INTO refused VALUES (?, ?, ?)",
                (external_id, json.dumps(reasons, ensure_ascii=False, default=str), said),
            )

    def mend(self, external_ids: Iterable[str]) -> None:
        """What is no longer refused."""
        with self._together():
            self._base.executemany(
                "DELETE FROM refused WHERE external_id = ?", [(each,) for each in external_ids]
            )

    def refused(self) -> list[dict[str, Any]]:
        """All that stands refused, with every reason."""
        rows = self._base.execute("SELECT * FROM refused ORDER BY external_id").fetchall()
        return [
            {"external_id": row[0], "reasons": json.loads(row[1]), "said": row[2]} for row in rows
        ]

    def has_read(self, digest: str) -> bool:
        """Whether a file of this content was read to its end."""
        found = self._base.execute("SELECT 1 FROM files WHERE digest = ?", (digest,)).fetchone()
        return found is not None

    def note_read(self, digest: str, name: str) -> None:
        with self._together():
            self._base.execute("INSERT OR IGNORE INTO files VALUES (?, ?)", (digest, name))

    def _together(self) -> "_Transaction":
        return _Transaction(self._base)


class _Transaction:
    """All or nothing, on the disk when it ends."""

    def __init__(self, base: sqlite3.Connection) -> None:
        self._base = base

    def __enter__(self) -> None:
        self._base.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: object, *_: object) -> None:
        self._base.execute("COMMIT" if kind is None else "ROLLBACK")
