"""A public list of street works, asked now and then: what is new, changed, and gone."""

from typing import Final

import aiohttp

from deploy.connectors.config import Paths, StreetWorksConfig
from deploy.connectors.desk import Desk, News, Unread
from deploy.connectors.lists import Page, authorization, whole_list
from deploy.connectors.missing import tell_missing
from deploy.connectors.projects import ProjectReader

DEFAULTS: Final = {"available_from": "startDate", "available_to": "endDate", "version": "version"}
VALIDATORS: Final = ("If-None-Match", "If-Modified-Since")


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
        config = self._config
        await tell_missing(
            desk, there, times=config.missed_polls, most_share=config.most_missing_share
        )
