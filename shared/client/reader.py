"""What one organisation may read, typed, page after page: its things, its receipts, its matches."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from types import TracebackType
from typing import Any, Self, TypeVar
from uuid import UUID

from pydantic import BaseModel

from shared.client.credentials import Credentials
from shared.client.https_door import Registry
from shared.client.sending import NotSent
from shared.contracts import AreaUpdated, ForecastUpdated, MatchChanged, ProjectAdded, Receipt

M = TypeVar("M", bound=BaseModel)
PAGE = 200
"""Items a page, the most that are given."""


class ReadProject(ProjectAdded):
    """A project as the reader may see it."""

    updated_at: datetime


class ReadForecast(ForecastUpdated):
    """A forecast as the reader may see it; with its own id where the reader reports it."""

    external_id: str | None = None
    updated_at: datetime


class ReadArea(AreaUpdated):
    """An area as the reader may see it; with its own id where the reader reports it."""

    external_id: str | None = None
    updated_at: datetime


class ReadReceipt(Receipt):
    """A receipt, with the moment *at* which it was given; its region is not told."""

    region: str = ""


class ReadMatch(MatchChanged):
    """A match as it now is, as the reader may see it."""

    born_at: datetime
    changed_at: datetime


class Reader:
    """
    Reads over HTTPS what the organisation of *credentials* may see; used as a context.

    Each list goes on to its end by itself, *page* items at a time. *as_of* is the moment that the
    matches read last are true of: give it as *since* to read only what has changed. Raises
    `NotSent` where the key opens nothing, or an answer is a refusal.
    """

    def __init__(self, credentials: Credentials, *, page: int = PAGE) -> None:
        self._registry = Registry(*credentials.over_https("reading"))
        self._matcher = credentials.matcher_url
        self._page = page
        self.as_of: datetime | None = None

    async def __aenter__(self) -> Self:
        await self._registry.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._registry.__aexit__(kind, error, trace)

    def projects(
        self, *, organisation: str | None = None, region: str | None = None
    ) -> AsyncIterator[ReadProject]:
        """Projects, the one changed longest ago first."""
        return self._every(ReadProject, "/projects", organisation=organisation, region=region)

    def forecasts(
        self,
        *,
        organisation: str | None = None,
        region: str | None = None,
        project: UUID | None = None,
    ) -> AsyncIterator[ReadForecast]:
        """Forecasts, the one changed longest ago first."""
        return self._every(
            ReadForecast, "/forecasts", organisation=organisation, region=region, project=project
        )

    def areas(
        self, *, organisation: str | None = None, region: str | None = None
    ) -> AsyncIterator[ReadArea]:
        """Areas, the one changed longest ago first."""
        return self._every(ReadArea, "/areas", organisation=organisation, region=region)

    def receipts(self) -> AsyncIterator[ReadReceipt]:
        """The receipts of the organisation, in the order in which they were given."""
        return self._every(ReadReceipt, "/receipts")

    async def matches(
        self,
        *,
        since: datetime | None = None,
        state: Sequence[str] = (),
        region: str | None = None,
    ) -> AsyncIterator[ReadMatch]:
        """Matches, or those changed *since*, the longest unchanged first; of some *state* alone."""
        if self._matcher is None:
            raise NotSent("reading matches needs `matcher_url` in the credentials")
        asked = {"since": since.isoformat() if since else None, "state": state, "region": region}
        first = True
        async for told in self._pages("/matches", asked, self._matcher):
            if first:
                self.as_of, first = datetime.fromisoformat(told["as_of"]), False
            for one in told["items"]:
                yield ReadMatch.model_validate(one)

    async def _every(self, model: type[M], path: str, **asked: Any) -> AsyncIterator[M]:
        async for told in self._pages(path, asked):
            for one in told["items"]:
                yield model.model_validate(one)

    async def _pages(
        self, path: str, asked: dict[str, Any], url: str | None = None
    ) -> AsyncIterator[dict[str, Any]]:
        params = [("limit", str(self._page))]
        for name, value in asked.items():
            several = value if isinstance(value, list | tuple) else [value]
            params += [(name, str(one)) for one in several if one is not None]
        after: str | None = None
        while True:
            place = [("after", after)] if after else []
            status, told, _ = await self._registry.ask("GET", path, url=url, params=params + place)
            if status != 200:
                why = told.get("detail", "") if isinstance(told, dict) else ""
                raise NotSent(f"{path} answered {status}. {why}")
            yield told
            after = told["next"]
            if after is None:
                return
