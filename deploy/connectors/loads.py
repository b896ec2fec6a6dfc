"""Weighed loads of a haulage system, from a folder of CSV files or posted as JSON."""

import asyncio
import csv
import hashlib
import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any
from uuid import UUID

import aiohttp
import structlog

from deploy.connectors.config import LoadsConfig
from deploy.connectors.desk import AT_ONCE, Desk, News, Unread, refusal, told_in
from deploy.connectors.load_rows import LoadReader, load_mapping
from shared.access import TokenSource
from shared.client import BadTable, Credentials, MissingColumns, NotSent, Verdict, read_rows
from shared.client.said import said, spoken
from shared.contracts.intake import Refusal

log = structlog.get_logger()


class Loads:
    """Takes loads in from the folder and at the door of its own, one at a time through the desk."""

    pause_s = None

    def __init__(self, config: LoadsConfig) -> None:
        self._config = config
        self.mapping = load_mapping(config.mapping)
        self._matches: Matches | None = None
        if config.matcher_url is not None:
            self._matches = Matches(config.matcher_url, Credentials.read(config.credentials))

    async def follow(self, desk: Desk) -> None:
        """One look into the folder."""
        await self.once(desk)

    async def once(self, desk: Desk) -> None:
        """Take every file that lies still. Raises `NotSent`; a file is moved when all is told."""
        if self._config.drop is None:
            return
        if not self._config.drop.is_dir():
            raise NotSent(f"drop: there is no folder {self._config.drop}")
        for file in sorted(self._config.drop.glob("*.csv")):
            if time.time() - file.stat().st_mtime >= self._config.quiet_s:
                await self._file(file, desk)

    async def tell(self, desk: Desk, read: Sequence[News | Unread]) -> list[tuple[str, Verdict]]:
        """The verdict on each, in order; those that could not be read among them."""
        known = [one for one in read if isinstance(one, News)]
        unread = {id(one): one for one in read if isinstance(one, Unread)}
        strangers = await self._strangers(known)
        standing = [one for one in known if one.event.external_id not in strangers]
        verdicts = await desk.tell([replace(one, again=True) for one in standing])
        for stranger in (*unread.values(), *strangers.values()):
            desk.refuse(stranger)
        told: list[tuple[str, Verdict]] = []
        for one in read:
            refused = one if isinstance(one, Unread) else strangers.get(one.event.external_id)
            if refused is not None:
                verdict = Verdict("rejected", refused.reasons[0].code, refused.reasons)
                told.append((refused.external_id, verdict))
            elif isinstance(one, News):
                external_id = one.event.external_id
                told.append((external_id, verdicts[external_id]))
        return told

    async def _strangers(self, news: Sequence[News]) -> dict[str, Unread]:
        """Loads of a match that the matcher does not know, or that is not ours."""
        if self._matches is None:
            return {}
        found: dict[str, Unread] = {}
        for one in news:
            match = getattr(one.event, "match_id", None)
            if match is not None and not await self._matches.knows(match):
                text = f"There is no match {match} of yours. Check its id, or name the forecast."
                reason = refusal("/match_id", "match_unknown", text, str(match))
                said = one.event.body().decode()
                found[one.event.external_id] = Unread(one.event.external_id, (reason,), said)
        return found

    async def _file(self, file: Path, desk: Desk) -> None:
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        if desk.cursor.has_read(digest):
            log.info("file_known", file=file.name)
            desk.counts["files_known"] += 1
            _aside(file, "done", desk)
            return
        reader = LoadReader(self.mapping, desk.cursor)
        refused: list[tuple[int, str, Refusal]] = []
        try:
            rows = read_rows(file, self.mapping.form, columns=self.mapping.columns)
            while part := list(islice(rows, AT_ONCE)):
                read = [reader.read(row, self.mapping.form) for row in part]
                for row, (id, verdict) in zip(part, await self.tell(desk, read), strict=True):
                    if verdict.verdict == "rejected":
                        reasons = verdict.reasons or (refusal("", verdict.code, "Refused before."),)
                        refused += [(row.number, id, reason) for reason in reasons]
                await asyncio.sleep(0)
        except (BadTable, MissingColumns) as error:
            text = spoken(said(error), self._config.language)
            refused.append((0, "", refusal("", error.code, text)))
        if desk.sender is None:
            return
        moved = _aside(file, "refused" if refused else "done", desk)
        _write_refused(moved, refused, self._config.language)
        desk.cursor.note_read(digest, file.name)
        desk.counts["files"] += 1
        log.info("file_told", file=file.name, refused=len({row for row, *_ in refused}))


class Matches:
    """Asks the matcher which matches are the organisation's own, and remembers them."""

    def __init__(self, url: str, credentials: Credentials) -> None:
        self._url = url.rstrip("/")
        self._tokens = TokenSource(*credentials.over_https("matcher_url"))
        self._known: set[UUID] = set()

    async def knows(self, match: UUID) -> bool:
        """Whether it is; raises `NotSent` when the matcher gives no answer."""
        if match in self._known:
            return True
        timeout = aiohttp.ClientTimeout(total=10)
        try:
            headers = await self._tokens.headers()
            async with (
                aiohttp.ClientSession(timeout=timeout) as session,
                session.get(f"{self._url}/matches/{match}", headers=headers) as answer,
            ):
                status = answer.status
        except (aiohttp.ClientError, TimeoutError) as error:
            raise NotSent(f"the matcher is away: {error!r}") from error
        if status == 200:
            self._known.add(match)
        elif status not in (403, 404):
            raise NotSent(f"the matcher answered {status}")
        return status == 200


def _aside(file: Path, folder: str, desk: Desk) -> Path:
    """Move *file* beside, under a name that is free."""
    place = file.parent / folder
    if desk.sender is None:
        return file
    place.mkdir(exist_ok=True)
    moved, number = place / file.name, 1
    while moved.exists():
        number += 1
        moved = place / f"{file.stem}-{number}{file.suffix}"
    file.replace(moved)
    return moved


def _write_refused(file: Path, refused: Sequence[tuple[int, str, Refusal]], language: str) -> None:
    """Beside a file that was refused in part: each reason with its row."""
    if not refused:
        return
    with file.with_suffix(".errors.csv").open("w", newline="", encoding="utf-8") as out:
        writer = csv.writer(out)
        writer.writerow(["row", "load", "column", "value", "code", "text"])
        for number, external_id, reason in refused:
            text = told_in(reason.model_dump(mode="json"), language)
            cells = [external_id, reason.pointer, reason.value, reason.code, text]
            writer.writerow([number, *map(_plain, cells)])


def _plain(value: Any) -> str:
    """A value that looks like a formula stays text."""
    text = "" if value is None else str(value)
    return "'" + text if text[:1] in "=+-@\t\r" else text
