"""Who is told what, in which words, and which addresses a webhook may enter; pure."""

from services.notifier.domain.facts import Fact, Filter, Seen, seen_by
from services.notifier.domain.letters import Letter, letter_about, letter_of_disabled
from services.notifier.domain.matches import Match, match_from, own_view, tab_of
from services.notifier.domain.near import (
    NearMiss,
    headline,
    is_news,
    letter_of_near_misses,
    near_miss_from,
    what_would_help,
)
from services.notifier.domain.openings import letter_of_openings, openings_among
from services.notifier.domain.pairs import (
    Pair,
    half_told,
    letter_of_pairs,
    pair_from,
    readers_of_pair,
    text_of_pair,
    title_of_pair,
)
from services.notifier.domain.questions import asked_of, letter_of_question
from services.notifier.domain.readers import (
    Membership,
    Reader,
    arrived,
    is_news_to,
    readers_of,
    roles_that_are_told,
)
from services.notifier.domain.retries import Endpoint, Outcome, after_success, next_try, rest
from services.notifier.domain.targets import BadTarget, check_address, check_target

__all__ = [
    "BadTarget",
    "Endpoint",
    "Fact",
    "Filter",
    "Letter",
    "Match",
    "Membership",
    "NearMiss",
    "Outcome",
    "Pair",
    "Reader",
    "Seen",
    "after_success",
    "arrived",
    "asked_of",
    "check_address",
    "check_target",
    "half_told",
    "headline",
    "is_news",
    "is_news_to",
    "letter_about",
    "letter_of_disabled",
    "letter_of_near_misses",
    "letter_of_openings",
    "letter_of_pairs",
    "letter_of_question",
    "match_from",
    "near_miss_from",
    "next_try",
    "openings_among",
    "own_view",
    "pair_from",
    "readers_of",
    "readers_of_pair",
    "rest",
    "roles_that_are_told",
    "seen_by",
    "tab_of",
    "text_of_pair",
    "title_of_pair",
    "what_would_help",
]
