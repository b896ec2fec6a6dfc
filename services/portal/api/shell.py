"""What every page stands in: its head, where else to go, and what was done or went wrong."""

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Query, Request

from services.portal.api.desk import desk_of
from services.portal.api.drawing import draw
from services.portal.api.parts import UPKEEP, View, may_keep, view_of
from services.portal.api.visitor import SignInFirst, Visiting
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


async def looking(
    request: Request,
    visitor: Visiting,
    region: Annotated[str, Query(max_length=40)] = "",
) -> View:
    """
    The view of a known reader on *region*; anybody is sent to sign in, and then comes back.

    Raises `Away` while the registry cannot say who a signed-in reader is.
    """
    if visitor.unsure:
        raise Away("registry")
    if visitor.seen is None:
        query = f"?{request.url.query}" if request.url.query else ""
        raise SignInFirst(request.url.path + query if request.method == "GET" else "/")
    return await view_of(desk_of(request), visitor, region)


Looking = Annotated[View, Depends(looking)]
