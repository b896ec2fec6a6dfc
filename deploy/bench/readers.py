"""
The matcher's reader alone, as a process: `python -m deploy.bench.readers keep|nothing`.

`keep` is the matcher's card without what it works off: it keeps what it hears and settles nothing.
`nothing` is the floor of intake: the same durable, batches and inbox, and a handler with no work.
"""

import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from services.matcher.app import build
from services.matcher.settings import Settings
from shared.contracts import ForecastUpdated
from shared.service import Batch, Service, batch
from shared.service.run import run
from shared.work import Work


async def nothing(events: Sequence[Any], work: Work) -> None:
    """The inbox has claimed them; that is all."""


def reader(kind: str) -> Service:
    """The matcher's card, cut down to reading forecasts; raises `ValueError` for another *kind*."""
    card = build(Settings())
    handler = card.reacts_to[ForecastUpdated]
    if kind == "nothing":
        handler = batch(nothing, size=handler.size if isinstance(handler, Batch) else 1)
    elif kind != "keep":
        raise ValueError(f"no reader {kind!r}: one of keep, nothing")
    return replace(card, reacts_to={ForecastUpdated: handler}, works_off={})


if __name__ == "__main__":
    run(reader(sys.argv[1]))
