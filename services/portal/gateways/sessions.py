"""The registry's word on signed-in people, asked again when it is half a minute old."""

import asyncio
import time
from collections import OrderedDict
from dataclasses import dataclass, field

from services.portal.gateways.backends import Away, Denied, Registry, Seen
from services.portal.gateways.oidc import BadSignIn, Identity, Oidc, ProviderAway
from shared.access import digest

KEPT = 5000


class Ended(Exception):
    """The registry or the provider no longer vouches for this person."""


@dataclass
class _Word:
    seen: Seen | None = None
    asked_at: float = 0.0
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class Sessions:
    """
    What the registry says of the bearer of an id_token, at most *renew_s* old.

    Kept in memory only to ask less: any replica finds the same by asking. Raises `Ended` when the
    registry refuses; `Away` when it is away and its last word has lapsed.
    """

    def __init__(self, registry: Registry, oidc: Oidc | None, renew_s: float) -> None:
        self.registry = registry
        self.oidc = oidc
        self.renew_s = renew_s
        self._words: OrderedDict[str, _Word] = OrderedDict()
        self._renewals: OrderedDict[str, asyncio.Task[Identity]] = OrderedDict()

    async def seen(self, id_token: str) -> Seen:
        """The registry's word on the bearer of *id_token*."""
        word = self._word(digest(id_token))
        async with word.lock:
            if word.seen is None or time.monotonic() - word.asked_at > self.renew_s:
                await self._ask(word, id_token)
            assert word.seen is not None
            return word.seen

    async def renewed(self, refresh_token: str, subject: str) -> Identity:
        """
        A fresh identity for *refresh_token*.

        Requests that come together get one answer: a provider may take a refresh token only once.
        """
        if self.oidc is None:
            raise Ended("no provider")
        key = digest(refresh_token)
        if key not in self._renewals:
            self._renewals[key] = asyncio.create_task(self.oidc.renew(refresh_token, subject))
            while len(self._renewals) > KEPT:
                self._renewals.popitem(last=False)
        try:
            return await asyncio.shield(self._renewals[key])
        except BadSignIn as error:
            raise Ended(str(error)) from error
        except ProviderAway:
            self._renewals.pop(key, None)
            raise

    async def _ask(self, word: _Word, id_token: str) -> None:
        try:
            word.seen = await self.registry.person(id_token)
            word.asked_at = time.monotonic()
        except Denied as error:
            word.seen = None
            if error.status not in (401, 403):
                raise Away(error.service, str(error)) from error
            raise Ended(str(error)) from error
        except Away:
            if word.seen is None or time.time() >= word.seen.until:
                word.seen = None
                raise

    def _word(self, key: str) -> _Word:
        word = self._words.setdefault(key, _Word())
        self._words.move_to_end(key)
        while len(self._words) > KEPT:
            self._words.popitem(last=False)
        return word
