"""Events as companies hand them in: valid by default, told otherwise by keyword."""

import json
from itertools import count
from typing import Any

from shared.service.card import Knock

_numbers = count(1)


def a_project(external_id: str = "P-1", **told: Any) -> dict[str, Any]:
    return {"external_id": external_id, "title": "Kalasatama bends", "municipality": "091",
            "available_from": "2027-03-01", "available_to": "2027-06-30", **told}  # fmt: skip


def a_forecast(external_id: str = "F-1", **told: Any) -> dict[str, Any]:
    return {"external_id": external_id, "project": "P-1", "direction": "surplus",
            "material": "clay", "quantity": 1000, "unit": "m3ktr",
            "available_from": "2027-04-01", "available_to": "2027-05-15", **told}  # fmt: skip


def an_area(external_id: str = "A-1", **told: Any) -> dict[str, Any]:
    return {"external_id": external_id, "title": "Waiting heap", "municipality": "091",
            "site_kind": "interim_storage", **told}  # fmt: skip


def a_delivery(external_id: str = "D-1", **told: Any) -> dict[str, Any]:
    return {"external_id": external_id, "forecast": "F-1", "outlet": "need_direct",
            "material": "clay", "quantity": 30, "moved_on": "2027-04-02", **told}  # fmt: skip


def headers(event: str, *, id: str | None = None, lang: str | None = None,
            **attributes: str) -> dict[str, str]:  # fmt: skip
    told = {
        "ce-specversion": "1.0",
        "ce-id": id or f"e-{next(_numbers)}",
        "ce-source": "/company/system",
        "ce-type": f"intake.{event}.v1",
        "content-type": "application/json",
        **{f"ce-{name}": value for name, value in attributes.items()},
    }
    return told | ({"ce-lang": lang} if lang else {})


def knock(event: str, told: Any, *, by: str = "acme", id: str | None = None,
          seq: int | None = None, deliveries: int = 1, **attributes: str) -> Knock:  # fmt: skip
    """The message that *by* sends: *told* as JSON, or as the very bytes."""
    body = told if isinstance(told, bytes) else json.dumps(told).encode()
    return Knock(by, event, headers(event, id=id, **attributes), body, seq, deliveries)
