"""How often one who asks may ask: a bucket of tokens for each, filled again steadily."""

import math
import time
from collections import OrderedDict
from collections.abc import Callable

MOST_ASKERS = 10_000


class Pace:
    """
    Up to *burst* requests at once, *per_s* a second in the long run, for each who asks.

    Kept in this process: with several replicas each counts for itself.
    """

    def __init__(
        self, per_s: float, burst: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.per_s, self.burst, self.clock = per_s, burst, clock
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait_s(self, who: str) -> int:
        """0 when *who* may ask now, which is then counted; else whole seconds to wait."""
        now = self.clock()
        left, at = self._left.pop(who, (self.burst, now))
        left = min(self.burst, left + (now - at) * self.per_s)
        may = left >= 1
        self._left[who] = (left - 1 if may else left, now)
        if len(self._left) > MOST_ASKERS:  # who asked longest ago has a full bucket again
            self._left.popitem(last=False)
        return 0 if may else math.ceil((1 - left) / self.per_s)
