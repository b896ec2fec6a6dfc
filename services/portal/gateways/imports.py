"""The registry's imports: a table handed in for a person, and how far it is."""

from collections.abc import Mapping, Sequence
from typing import Any

import aiohttp

from services.portal.gateways.backends import Away, Backend, Denied

UPLOAD_S = 60.0


class Imports(Backend):
    """Asks the registry about imports; a table on its way has more time than a question."""

    @classmethod
    def at(cls, registry: Backend) -> "Imports":
        """Those of the *registry* that is asked already."""
        return cls(registry.name, registry.url, registry.session, UPLOAD_S)

    async def add(self, content: bytes, token: str, **asked: str) -> str:
        """Hand *content* in to be checked; the import's id."""
        answer = await self._ask("POST", "/imports", token, data=content, params=asked)
        return str(answer.body["id"])

    async def newest(self, token: str) -> Sequence[Mapping[str, Any]]:
        """The newest imports that the bearer of *token* may see."""
        return (await self.get("/imports", token)).items

    async def one(self, id: str, token: str, language: str) -> Mapping[str, Any]:
        """One import, with its first errors in *language*."""
        return (await self.get(f"/imports/{id}", token, language=language)).body

    async def send(self, id: str, token: str, *, only_good: bool) -> None:
        """Send what was checked."""
        path = f"/imports/{id}/commit?only_good={str(only_good).lower()}"
        await self.post(path, {}, token)

    async def errors_csv(self, id: str, token: str, language: str) -> bytes:
        """Every error by cell."""
        try:
            async with self.session.get(
                f"{self.url}/imports/{id}/errors.csv", params={"language": language},
                headers={"Authorization": f"Bearer {token}"}, timeout=self.timeout,
            ) as answer:  # fmt: skip
                if answer.status >= 500:
                    raise Away(self.name, f"status {answer.status}")
                if answer.status >= 300:
                    raise Denied(self.name, answer.status, {})
                return await answer.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Away(self.name, repr(error)) from error
