"""
The advisory locks of the matcher, all in one list so that no two things share a number.

Each is the first key of a pair: the second says which cell or area, or is 0.
"""

from typing import Final

REGION: Final = 715_001
"""Shared by who settles a part, alone by who settles all."""

CELL: Final = 715_002
AREAS: Final = 715_003
"""Shared by who compares lots with areas, alone by who changes areas."""

ROOM: Final = 715_004
"""What is taken in one area."""

NEAR: Final = 715_005
ARRIVALS: Final = 715_006
"""Shared by who brings lots in, alone by who reckons loads off them."""
