"""A city's programme of infrastructure: its list at the beginning, then every news by stream."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import aiohttp
import structlog

from deploy.connectors.config import Paths, ProgrammeConfig
from deploy.connectors.desk import Desk, News, Unread, refusal
from deploy.connectors.event_stream import EventStream, EventTooLarge, Message, Reading
from deploy.connectors.lists import SourceAway, authorization, whole_list
from deploy.connectors.missing import tell_missing
from deploy.connectors.projects import ProjectReader, at

POSITION: Final = "last_event_id"
MISSED_AT: Final = "missed_at"
RESET: Final = "stream-reset"
"""Event of a stream that has lost what was asked for: the list is read again."""
log = structlog.get_logger()


class StreamEnded(SourceAway):
    """The stream ended, or was silent for longer than it may be."""


class NothingMore(Exception):
    """The stream answered 204: it asks not to be connected to again."""


class Programme:
    """Follows the stream; the position moves when every receipt up to it is there."""

    def __init__(self, config: ProgrammeConfig) -> None:
        self._config = config
        fields = {**DEFAULTS, **config.projects.fields.model_dump(exclude_unset=True)}
        rules = config.projects.model_copy(update={"fields": Paths(**fields)})
        self._reader = ProjectReader(rules)
        self._stream = EventStream()

    @property
    def pause_s(self) -> float | None:
        """The pause that the server asked for before the next connection, seconds."""
        return None if self._stream.retry_ms is None else self._stream.retry_ms / 1000

    async def once(self, desk: Desk) -> None:
        """What the list tells now; without a list, what the stream has until it is silent."""
        if self._config.list_url is not None:
            timeout = aiohttp.ClientTimeout(total=self._config.timeout_s)
            async with aiohttp.ClientSession(timeout=timeout) as session:
                await self._read_list(session, desk)
            return
        try:
            await self.follow(desk)
        except (StreamEnded, NothingMore):
            return

    async def follow(self, desk: Desk) -> None:
        """One connection, until it ends. Raises `SourceAway`, `NothingMore`, `NotSent`."""
        self._stream.last_event_id = desk.cursor.position(POSITION) or ""
        timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=self._config.timeout_s, sock_read=self._config.silence_s
        )
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            self._connected(session) as answer,
        ):
            await self._read_list(session, desk)
            async for messages in _batches(answer, self._stream.messages()):
                if any(each.event == RESET for each in messages):
                    log.warning("stream_reset", url=self._config.url)
                    await self._read_list(session, desk)
                await self._take(messages, desk)
        raise StreamEnded("the stream ended")

    @asynccontextmanager
    async def _connected(
        self, session: aiohttp.ClientSession
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        headers = {"Accept": "text/event-stream", "Cache-Control": "no-store"}
        headers |= authorization(self._config.authorization_file)
        if self._stream.last_event_id:
            headers["Last-Event-ID"] = self._stream.last_event_id
        try:
            async with session.get(self._config.url, headers=headers) as answer:
                if answer.status == 204:
                    raise NothingMore(self._config.url)
                if answer.status != 200:
                    raise SourceAway(f"{self._config.url} answered {answer.status}")
                if answer.content_type != "text/event-stream":
                    raise SourceAway(
                        f"{self._config.url} is {answer.content_type}, no text/event-stream"
                    )
                log.info("stream_open", last_event_id=self._stream.last_event_id)
                yield answer
        except EventTooLarge as error:
            raise SourceAway("an event of the stream is larger than 4 MiB") from error
        except aiohttp.ServerTimeoutError as error:
            raise StreamEnded(f"the stream was silent for {self._config.silence_s} s") from error
        except aiohttp.ClientError as error:
            raise SourceAway(f"{self._config.url} cannot be read: {error!r}") from error

    async def _read_list(self, session: aiohttp.ClientSession, desk: Desk) -> None:
        if self._config.list_url is None:
            return
        headers = authorization(self._config.authorization_file)
        async with asyncio.timeout(self._config.timeout_s):
            found = await whole_list(session, self._config.list_url, headers)
        if found is None:
            return
        read = [self._reader.read(item, geometry) for item, geometry in found.items]
        await _tell(desk, read)
        await self._missed(desk, {_id(one) for one in read})

    async def _missed(self, desk: Desk, there: set[str]) -> None:
        """Withdraw what the list has told no longer for long; readings close together are one."""
        config, counted = self._config, desk.cursor.position(MISSED_AT)
        if counted is not None and time.time() - float(counted) < config.missed_every_s:
            return
        await tell_missing(
            desk, there, times=config.missed_lists, most_share=config.most_missing_share
        )
        if desk.sender is not None:
            desk.cursor.move(**{MISSED_AT: str(time.time())})

    async def _take(self, messages: list[Message], desk: Desk) -> None:
        read = [self._read(each.data) for each in messages if each.event == self._config.event]
        await _tell(desk, read)
        if desk.sender is not None:
            desk.cursor.note_missed({_id(one): 0 for one in read})
        reached = self._stream.last_event_id
        if desk.sender is not None and reached and reached != desk.cursor.position(POSITION):
            desk.cursor.move(**{POSITION: reached})

    def _read(self, data: str) -> News | Unread:
        try:
            told = json.loads(data)
        except (ValueError, RecursionError) as error:
            text = f"The event's data is not JSON: {error}."
            return Unread(f"?{data[:80]}", (refusal("", "not_json", text),), data[:10_000])
        inside = at(told, self._config.item)
        project: Any = told if inside is None else inside
        geometry = project.get("geometry") if isinstance(project, dict) else None
        return self._reader.read(project, geometry)


DEFAULTS: Final = {
    "planning_from": "estPlanningStart",
    "planning_to": "estPlanningEnd",
    "available_from": "estConstructionStart",
    "available_to": "estConstructionEnd",
    "phase": "phase.value",
}


async def _batches(
    answer: aiohttp.ClientResponse, reading: Reading
) -> AsyncIterator[list[Message]]:
    """The messages that came together, so that a long replay is not told one by one."""
    async for chunk in answer.content.iter_any():
        yield list(reading.feed(chunk))


def _id(one: News | Unread) -> str:
    return one.event.external_id if isinstance(one, News) else one.external_id


async def _tell(desk: Desk, read: list[News | Unread]) -> None:
    for one in read:
        if isinstance(one, Unread):
            desk.refuse(one)
    await desk.tell([one for one in read if isinstance(one, News)])
