"""A company's system at the door: says its things, awaits verdicts, hears of its matches."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

from pydantic import ValidationError

from shared.client.credentials import Credentials
from shared.client.https_door import Registry
from shared.client.nats_door import Heard, NatsSender
from shared.client.outgoing import Outgoing
from shared.client.sending import NotSent, Sender, Verdict, refusal, verdict_of
from shared.contracts.base import NotAnEvent, envelope, uuid7
from shared.contracts.intake import (
    Handed,
    HandedArea,
    HandedDelivery,
    HandedForecast,
    HandedProject,
    HandedProjectWithdrawal,
)


@dataclass(frozen=True, slots=True)
class OwnMatch:
    """A match as its organisation may see it: *name* `match-found` or `match-changed`."""

    name: str
    organisation: str
    told: dict[str, Any]

    @property
    def id(self) -> str:
        return str(self.told["match_id"])

    @property
    def forecast(self) -> str | None:
        """The id of one's own forecast in it, as the receipt's `canonical` named it."""
        for end in ("surplus", "need"):
            if self.told[end].get("organisation") == self.organisation:
                return str(self.told[end]["forecast_id"])
        return None


class Client:
    """
    One organisation's *system*, by the door that its credentials open: NATS, else HTTPS.

        async with Client(Credentials.read("acme.json"), system="erp") as client:
            verdict = await client.project("P-1", title="Ring road", municipality="049")

    Every saying is sent until it has its verdict or patience ends (`unheard`), always under one id,
    so nothing is doubled. Give *key*, one for each version of a thing, where a saying must stay the
    same over a restart of your own system; without it each call is news of its own. *options* go to
    the sender (`patience_s`). Raises `NotSent` when the door cannot be used.
    """

    def __init__(self, credentials: Credentials, *, system: str = "system", **options: Any) -> None:
        self.organisation = credentials.organisation
        self.source = f"/{credentials.organisation}/{system}"
        self.sender: Sender = credentials.sender(**options)
        self._registry: Registry | None = getattr(self.sender, "registry", None)
        self._heard: AsyncIterator[Heard] | None = None

    async def __aenter__(self) -> Self:
        await self.sender.__aenter__()
        if isinstance(self.sender, NatsSender):
            self._heard = await self.sender.hear(f"matches.{self.organisation}.>")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.sender.__aexit__(kind, error, trace)

    async def project(self, external_id: str, *, key: str | None = None, **told: Any) -> Verdict:
        """A project as it now is: new, or changed."""
        return await self._say(HandedProject, external_id, key, told)

    async def forecast(self, external_id: str, *, key: str | None = None, **told: Any) -> Verdict:
        """A forecast as it now is: new, or changed. Its project is told before it."""
        return await self._say(HandedForecast, external_id, key, told)

    async def area(self, external_id: str, *, key: str | None = None, **told: Any) -> Verdict:
        """An area as it now is: new, or changed."""
        return await self._say(HandedArea, external_id, key, told)

    async def delivery(self, external_id: str, *, key: str | None = None, **told: Any) -> Verdict:
        """Loads moved; under the same *external_id* again, a correction."""
        return await self._say(HandedDelivery, external_id, key, told)

    async def withdraw(self, external_id: str, *, key: str | None = None, **told: Any) -> Verdict:
        """The project will not happen."""
        return await self._say(HandedProjectWithdrawal, external_id, key, told)

    async def cancel(self, external_id: str, *, key: str | None = None) -> Verdict:
        """
        The forecast is cancelled, everything else of it as last told.

        Needs the HTTPS key. Without one, tell the forecast again with `status="cancelled"`.
        """
        if self._registry is None:
            raise NotSent(
                "cancelling needs the HTTPS key; or tell the forecast with status cancelled"
            )
        status, told, _ = await self._registry.ask(
            "DELETE",
            f"/forecasts/{quote(external_id, safe='')}",
            params={"organisation": self.organisation},
            headers={"Idempotency-Key": key or str(uuid7())},
        )
        if status == 200:
            return verdict_of(told)
        if status == 422 and told.get("verdict") == "rejected":
            return verdict_of(told)
        return refusal(str(told.get("code", f"http_{status}")), str(told.get("detail", "")))

    async def receipt(self, key: str) -> Verdict | None:
        """The verdict on what was said under *key*, as the registry kept it, if it did."""
        if self._registry is None:
            raise NotSent("asking for a receipt needs the HTTPS key")
        return await self._registry.receipt(self.source, key)

    async def matches(self) -> AsyncIterator[OwnMatch]:
        """
        One's own matches as they are found and change, from the moment the client was opened.

        What came while it was closed is asked for with `GET /matches?since=`. Over HTTPS alone
        there is nothing to listen to: let a webhook tell, and `NotSent` says so.
        """
        if self._heard is None:
            raise NotSent("matches are heard over NATS; over HTTPS, add a webhook")
        async for headers, body in self._heard:
            try:
                name = envelope(headers)["type"].split(".")[1]
            except (NotAnEvent, IndexError):
                continue  # a stray acknowledgement, no word of ours
            yield OwnMatch(name, self.organisation, json.loads(body))

    async def _say(
        self, contract: type[Handed], external_id: str, key: str | None, told: dict[str, Any]
    ) -> Verdict:
        try:
            event = contract(external_id=external_id, **told)
        except ValidationError as error:
            first = error.errors()[0]
            pointer = "/" + "/".join(map(str, first["loc"]))
            return refusal(f"field_{first['type']}", first["msg"], pointer=pointer)
        said = Outgoing(self.organisation, event, self.source, key or str(uuid7()))
        found: list[Verdict] = []
        await self.sender.hand_in([said], lambda _, verdict: found.append(verdict))
        return found[0]
