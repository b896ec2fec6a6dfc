"""What a list tells no longer: counted, doubted where it is much at once, and withdrawn."""

import structlog

from deploy.connectors.desk import Desk, News
from deploy.connectors.projects import withdrawal

log = structlog.get_logger()


async def tell_missing(
    desk: Desk, there: set[str] | None, *, times: int, most_share: float
) -> None:
    """
    Count what is not *there*, and withdraw what was missing *times* in a row; *there* None is the
    list as it was. With more than *most_share* missing the list is doubted, and nothing withdrawn.
    """
    known = desk.cursor.told()
    standing = {
        id: told for id, told in known.items()
        if not told.withdrawn and told.verdict != "rejected"
    }  # fmt: skip
    on_their_way = {
        id for id, told in known.items()
        if told.withdrawn and told.verdict is None and id not in (there or ())
    }  # fmt: skip
    missing = {
        id: told.missed + 1
        for id, told in standing.items()
        if (id not in there if there is not None else told.missed)
    }
    if len(missing) > most_share * len(standing):
        desk.counts["doubted"] += 1
        log.warning("list_doubted", missing=len(missing), known=len(standing))
        return
    if desk.sender is not None:
        back = {id: 0 for id, told in standing.items() if told.missed and id not in missing}
        desk.cursor.note_missed({**missing, **back})
    gone = {id for id, count in missing.items() if count >= times}
    reason = "no longer in the list it came from"
    await desk.tell([News(withdrawal(id, reason)) for id in sorted(gone | on_their_way)])
