"""
Other ways to match, each written to win, on the same lots in the same order.

(a) filter search, first come; (b) nearest first; (c) every pair scored in SQL, one event at a time;
(d) the full optimum at every change. (a), (b) and (d) live in memory and lose all when they die.
"""

from deploy.bench.peers.full import FullOptimum
from deploy.bench.peers.memory import (
    BestFirst,
    FilterSearch,
    InMemory,
    NearestFirst,
    nearest_first_at_once,
)
from deploy.bench.peers.scored import ScoredInSql
from deploy.bench.peers.worth import Worth

__all__ = [
    "BestFirst",
    "FilterSearch",
    "FullOptimum",
    "InMemory",
    "NearestFirst",
    "ScoredInSql",
    "Worth",
    "nearest_first_at_once",
]
