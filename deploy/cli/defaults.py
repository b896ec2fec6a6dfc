"""`massakoppi defaults`: every number that results rest on, and what this installation set."""

from typing import TYPE_CHECKING, Annotated

import typer

from deploy.cli.terms import AsJson, out, show, tell

if TYPE_CHECKING:
    from shared.vocabulary.defaults import Default


def register(app: typer.Typer) -> None:
    """Adds the command to *app*."""
    app.command()(defaults)


def defaults(
    tag: Annotated[
        str | None, typer.Option(help="only these: unverified, sourced, derived, set_here …")
    ] = None,
    find: Annotated[str, typer.Option(help="only ids that hold this text")] = "",
    as_json: AsJson = False,
) -> None:
    """
    Every default with its unit, bounds, tag, confidence and source.

    Set your own by a JSON file of id to value, named in MASSAKOPPI_FACTORS_FILE when the services
    start: docs/knowledge.md.
    """
    from shared.vocabulary.defaults import defaults as every_default

    every = every_default()
    found = [one for one in every if tag in (None, one.tag) and find in one.id]
    if as_json:
        tell([one.to_json() for one in found])
        return
    show([_row(one) for one in found], "id", "value", "tag", empty="no default bears that")
    unverified = sum(one.tag == "unverified" for one in every)
    out.print(f"{len(found)} of {len(every)} defaults; {unverified} of all are unverified")


def _row(one: "Default") -> dict[str, str]:
    value = "not known" if one.value is None else f"{one.value:g} {one.unit}"
    bounds = "" if one.low is None or one.high is None else f" ({one.low:g}–{one.high:g})"
    tags = (one.tag, one.confidence, "" if one.settable else "fixed")
    return {"id": one.id, "value": value + bounds, "tag": ", ".join(filter(None, tags))}
