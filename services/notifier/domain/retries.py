"""When to try again, and when to stop trying."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal


@dataclass(frozen=True, slots=True)
class Outcome:
    """
    What came of one try, at *at*.

    `later` may go well another time, `never` will not; `gone` says that the receiver wants no more.
    """

    result: Literal["sent", "later", "never", "gone"]
    at: datetime
    status: int | None = None
    error: str = ""


def next_try(
    outcome: Outcome, tries: int, pauses_s: Sequence[float], jitter: float
) -> datetime | None:
    """
    When to try again after *tries* tries of which the last had *outcome*; None when it is over.

    *jitter*, 0 to 1, lengthens the pause by up to a fifth.
    """
    if outcome.result != "later" or tries > len(pauses_s):
        return None
    return outcome.at + timedelta(seconds=pauses_s[tries - 1] * (1 + jitter / 5))


@dataclass(frozen=True, slots=True)
class Endpoint:
    """
    The breaker of one webhook: *failures* in a row, and until when nothing is tried.

    One that failed after every pause is disabled, as is one that answered that it is gone.
    """

    failures: int = 0
    resting_until: datetime | None = None
    disabled: str | None = None


def after_success(endpoint: Endpoint) -> Endpoint:
    """The breaker closes."""
    return replace(endpoint, failures=0, resting_until=None)


def rest(
    endpoint: Endpoint, outcome: Outcome, pauses_s: Sequence[float], jitter: float
) -> Endpoint:
    """The breaker after a failed try: it rests longer each time, and in the end is disabled."""
    failures = endpoint.failures + 1
    if outcome.result == "gone":
        return Endpoint(failures, None, "the receiver answered 410 Gone")
    if failures > len(pauses_s):
        return Endpoint(failures, None, f"{failures} tries in a row failed: {outcome.error}")
    pause = timedelta(seconds=pauses_s[failures - 1] * (1 + jitter / 5))
    return Endpoint(failures, outcome.at + pause)
