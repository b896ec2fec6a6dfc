"""
The registry as a process whose answers leave at once: `python -m deploy.bench.unseen`.

The floor of `bench trail`: the same routes, and no look is put on the trail.
"""

from services.registry.app import build
from services.registry.settings import Settings
from shared.seen import Seen
from shared.service.run import run


async def leave_at_once(self: Seen, *told: object) -> None:
    """As `Seen`, but nothing is held back and nothing noted."""
    await self.app(*told)  # type: ignore[arg-type]


if __name__ == "__main__":
    setattr(Seen, "__call__", leave_at_once)  # noqa: B010  (a method is taken away, on purpose)
    run(build(Settings()))
