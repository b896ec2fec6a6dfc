"""`massakoppi dead-letters`: events that a service gave up, with their reasons."""

import asyncio
from typing import Annotated, Any

import typer

from deploy.cli.terms import AsJson, Data, out, show, tell
from deploy.system import find

app = typer.Typer(
    no_args_is_help=True, help="Events that a service gave up: list, show, replay, discard, take."
)
Service = Annotated[str | None, typer.Option(help="only of this service")]
Id = Annotated[str, typer.Argument(help="id of the dead letter, or the beginning of it")]


@app.command("list")
def list_(
    service: Service = None,
    all_: Annotated[bool, typer.Option("--all", help="also replayed and discarded ones")] = False,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Dead letters that wait for somebody, oldest first."""
    from deploy.letters import list_letters

    found = asyncio.run(list_letters(find(data), service, settled=all_))
    if as_json:
        tell(found)
    else:
        show(found, "id", "service", "durable", "reason", "dead_at", "error", empty="none")


@app.command("show")
def show_(id: Id, data: Data = None) -> None:
    """One dead letter whole: headers, body, error."""
    from deploy.letters import show_letter

    tell(asyncio.run(show_letter(find(data), id)))


@app.command()
def replay(
    id: Annotated[str | None, typer.Argument(help="id, or leave out with --all")] = None,
    all_: Annotated[bool, typer.Option("--all", help="every open one")] = False,
    service: Service = None,
    note: Annotated[str, typer.Option(help="why, for the record")] = "",
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Give a dead letter to its handler once more; it stays dead if that fails again."""
    from deploy.letters import replay_letters

    if not id and not all_:
        raise typer.BadParameter("name a dead letter, or say --all")
    done: list[dict[str, Any]] = asyncio.run(replay_letters(find(data), id, service, note))
    tell(done) if as_json else show(done, "id", "service", "result")


@app.command("discard")
def discard_(
    id: Id,
    note: Annotated[str, typer.Option(help="why: it is kept with the letter")],
    data: Data = None,
) -> None:
    """Settle a dead letter without applying it."""
    from deploy.letters import discard

    asyncio.run(discard(find(data), id, note))
    out.print("discarded")


@app.command()
def take(
    service: Annotated[str, typer.Argument(help="the service whose durable holds it")],
    durable: Annotated[str, typer.Argument(help="e.g. matcher-forecast-updated-v1")],
    seq: Annotated[int, typer.Argument(help="sequence in the stream")],
    note: Annotated[str, typer.Option(help="why")],
    data: Data = None,
) -> None:
    """Set an event aside by hand that kills its service before anything can be counted."""
    from deploy.letters import take_message

    asyncio.run(take_message(find(data), service, durable, seq, note))
    out.print(f"set aside: see `massakoppi dead-letters list --service {service}`")
