"""What every page stands in: its head, where else to go, and what was done or went wrong."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from fastapi import Request, Response
from fastapi.responses import RedirectResponse

from services.portal.api.drawing import draw
from services.portal.api.parts import UPKEEP, View, may_keep
from services.portal.api.visitor import Visitor
from services.portal.gateways import Away

PLACES = (("now", "/"), ("near", "/near-misses"), ("plan", "/plan"), ("loads", "/deliveries"),
          ("imports", "/imports"), *UPKEEP)  # fmt: skip


@dataclass(frozen=True)
class Trouble:
    """Why something was not done, in the reader's words; *field* is the id of what to mend."""

    text: str = ""
    field: str = ""

    def __bool__(self) -> bool:
        return bool(self.text)


NONE = Trouble()


def shell(
    template: str,
    view: View,
    *,
    here: str,
    notice: str = "",
    problem: Trouble = NONE,
    **told: Any,
) -> str:
    """The page *template* whole; *here* is its own address."""
    return draw(
        template,
        view.visitor.language,
        view=view,
        region=view.region,
        visitor=view.visitor,
        place=view.place,
        notice=notice,
        problem=problem,
        can_sign_in=view.desk.oidc is not None,
        here=here,
        places=[one for one in PLACES if one not in UPKEEP or may_keep(view)],
        may_keep=may_keep(view),
        beat_s=view.desk.streams.beat_s,
        **told,
    )


def let_in(request: Request, visitor: Visitor) -> Response | None:
    """
    Where anybody is sent who is not signed in; None lets a known reader pass.

    Raises `Away` while the registry cannot say who a signed-in reader is.
    """
    if visitor.unsure:
        raise Away("registry")
    if visitor.seen is not None:
        return None
    query = f"?{request.url.query}" if request.url.query and request.method == "GET" else ""
    path = request.url.path if request.method == "GET" else "/"
    return RedirectResponse(f"/login?{urlencode({'then': path + query})}", 303)
