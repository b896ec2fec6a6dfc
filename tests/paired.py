"""What is told in two worlds, compared."""

import json
from collections.abc import Mapping
from difflib import unified_diff
from typing import Any


def differences(one: Mapping[Any, Any], other: Mapping[Any, Any]) -> list[str]:
    """The first lines in which the answers differ, under what was asked."""
    assert one.keys() == other.keys()
    return [
        f"{asked}: {line}"
        for asked in one
        if one[asked] != other[asked]
        for line in list(unified_diff(_lines(one[asked]), _lines(other[asked]), n=0))[2:12]
    ]


def _lines(told: Any) -> list[str]:
    return json.dumps(told, indent=1, default=str, ensure_ascii=False).splitlines()
