"""A public list of street works, asked now and then: what is new, changed, and gone."""

from typing import Final

import aiohttp
import structlog

from deploy.connectors.config import Paths, StreetWorksConfig
from deploy.connectors.desk import Desk, News, Unread
from deploy.connectors.lists import Page, authorization, whole_list
from deploy.connectors.projects import ProjectReader, withdrawal

DEFAULTS: Final = {"available_from": "startDate", "available_to": "endDate", "version": "version"}
VALIDATORS: Final = ("If-None-Match", "If-Modified-Since")
log = structlog.get_logger()


class StreetWorks:
    """Polls the list; the validators are kept when all of it is told."""

    pause_s = None

    def __init__(self, config: StreetWorksConfig) -> None:
        self._config = config
        fields = {**DEFAULTS, **config.projects.fields.model_dump(exclude_unset=True)}
        rules = config.projects.model_copy(update={"fields": Paths(**fields)})
        self._reader = ProjectReader(rules)

    async def follow(self, desk: Desk) -> None:
        """One poll."""
        await self.once(desk)

    async def once(self, desk: Desk) -> None:
        """Ask once, tell what changed. Raises `SourceAway` and `NotSent`."""
        kept = {name: desk.cursor.position(name) for name in VALIDATORS}
        headers = authorization(self._config.authorization_file)
        headers |= {name: value for name, value in kept.items() if value}
        timeout = aiohttp.ClientTimeout(total=self._config.timeout_s)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            found = await whole_list(session, self._config.url, headers)
        if found is None:
            await self._missed(desk, None)
            return
        await self._take(desk, found)
        if desk.sender is not None:
            desk.cursor.move(**{name: found.validators.get(name) for name in VALIDATORS})

    async def _take(self, desk: Desk, found: Page) -> None:
        read = [self._reader.read(item, geometry) for item, geometry in found.items]
        for one in read:
            if isinstance(one, Unread):
                desk.refuse(one)
        news = [one for one in read if isinstance(one, News)]
        await desk.tell(news)
        there = {one.event.external_id for one in news}
        there |= {one.external_id for one in read if isinstance(one, Unread)}
        await self._missed(desk, there)

    async def _missed(self, desk: Desk, there: set[str] | None) -> None:
        """
        Count what is missing, and withdraw what was for long; *there* None is the list as it was.
        """
        known = desk.cursor.told()
        standing = {
            id: told for id, told in known.items()
            if not told.withdrawn and told.verdict != "rejected"
        }  # fmt: skip
        on_their_way = {
            id for id, told in known.items()
            if told.withdrawn and told.verdict is None and id not in (there or ())
        }  # fmt: skip
        missing = {
            id: told.missed + 1
            for id, told in standing.items()
            if (id not in there if there is not None else told.missed)
        }
        if len(missing) > self._config.most_missing_share * len(standing):
            desk.counts["doubted"] += 1
            log.warning("list_doubted", missing=len(missing), known=len(standing))
            return
        if desk.sender is not None:
            back = {id: 0 for id, told in standing.items() if told.missed and id not in missing}
            desk.cursor.note_missed({**missing, **back})
        gone = {id for id, times in missing.items() if times >= self._config.missed_polls}
        reason = "no longer in the list it came from"
        await desk.tell([News(withdrawal(id, reason)) for id in sorted(gone | on_their_way)])
