"""How the operator asks the services: over HTTP, with the operator's token."""

from types import TracebackType
from typing import Any, Self

import aiohttp

from deploy.system import System
from shared.access import TokenSource


class Answered(Exception):
    """A service answered with a problem; the text is its own."""

    def __init__(self, status: int, problem: dict[str, Any]) -> None:
        self.status, self.problem = status, problem
        reasons = "; ".join(reason.get("text", "") for reason in problem.get("reasons", []))
        super().__init__(
            f"{problem.get('code', status)}: {problem.get('detail', '')}"
            + (f" ({reasons})" if reasons else "")
        )


class Asking:
    """
    Asks the services of *system*: `async with Asking(system) as ask`.

    Raises `Answered` for a problem, `aiohttp.ClientError` when a service is away.
    """

    def __init__(self, system: System) -> None:
        self.system = system
        self.tokens = TokenSource(system.urls["registry"], system.operator_key())

    async def __aenter__(self) -> Self:
        self.session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=600))
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.session.close()

    async def every(self, service: str, path: str, **query: Any) -> list[dict[str, Any]]:
        """Every item of a list that is told in pages."""
        found: list[dict[str, Any]] = []
        following: str | None = None
        while True:
            told = await self(service, "GET", path, **query, after=following)
            found += told["items"]
            following = told.get("next")
            if not following:
                return found

    async def __call__(
        self, service: str, method: str, path: str, body: Any = None, **query: Any
    ) -> Any:
        """The JSON answer of *service* to *method* on *path*; None when it has no body."""
        asked = {name: str(value) for name, value in query.items() if value is not None}
        async with self.session.request(
            method,
            f"{self.system.urls[service]}{path}",
            json=body,
            params=asked,
            headers=await self.tokens.headers(),
        ) as answer:
            if answer.status >= 400:
                try:
                    problem = await answer.json(content_type=None)
                except ValueError:
                    problem = {"detail": await answer.text()}
                raise Answered(answer.status, problem)
            if answer.status == 204:
                return None
            return await answer.json()
