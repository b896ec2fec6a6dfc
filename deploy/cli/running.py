"""Commands that run the system: up, serve, provision."""

import asyncio
import signal
from pathlib import Path
from typing import Annotated

import typer

from deploy.cli.terms import AsJson, Data, err, out, show, tell
from deploy.system import find, folder


def register(app: typer.Typer) -> None:
    app.command()(up)
    app.command()(serve)
    app.command()(provision)


def up(
    data: Data = None,
    sample: Annotated[
        bool, typer.Option(help="bring the sample region; --no-sample starts empty")
    ] = True,
    changes_every_s: Annotated[
        float, typer.Option(help="seconds between changes of the sample's forecasts; 0: none")
    ] = 8.0,
) -> None:
    """
    Start everything on this machine: NATS, PostgreSQL and the five services.

    Data stay in the data folder: Ctrl-C stops all cleanly, and the next `up` goes on with the same
    data. Ports that are taken are replaced by free ones. The address of the page is printed.
    """
    from deploy.up import Up

    asyncio.run(
        _until_interrupted(Up(folder(data), sample=sample, changes_every_s=changes_every_s))
    )


async def _until_interrupted(up: "object") -> None:
    from deploy.up import Up

    assert isinstance(up, Up)
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, told.set)
    await up.run(told, say=lambda line: err.print(line, highlight=False))


def serve(
    service: Annotated[
        str, typer.Argument(help="registry, matcher, indicators, notifier or portal")
    ],
) -> None:
    """
    Run one service as this process; settings come from the environment.

    Needs `massakoppi provision` to have made its durables and database. Run it as often as you
    like: replicas share the work.
    """
    from deploy.cards import UnknownService, card
    from shared.service.run import run

    try:
        told = card(service)
    except UnknownService as error:
        raise typer.BadParameter(str(error)) from error
    run(told)


def provision(
    data: Data = None,
    check: Annotated[
        bool, typer.Option(help="only show the drift; exit 1 if there is any")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option(help="bring differing streams and durables to the declaration")
    ] = False,
    keys: Annotated[bool, typer.Option(help="make missing keys and nats.conf, then stop")] = False,
    nats_store: Annotated[
        Path, typer.Option(help="with --keys: where the server keeps its streams")
    ] = Path("/data"),
    as_json: AsJson = False,
) -> None:
    """
    Make streams, durables, databases and keys that the services need.

    The same result however often it runs. What an operator changed on the server is shown as
    drift and left alone, unless --overwrite.
    """
    from deploy.provisioning import make_keys, provision_all

    if keys:
        made = make_keys(folder(data), nats_store)
        tell({"made": made}) if as_json else out.print(
            *(made or ["keys and nats.conf are there"]), sep="\n"
        )
        return
    drift = asyncio.run(provision_all(find(data), check=check, overwrite=overwrite))
    if as_json:
        tell(drift.to_json())
    else:
        verb = "missing" if check else "made"
        rows = [{"what": verb, "which": one} for one in drift.made]
        rows += [{"what": "changed", "which": one} for one in drift.changed]
        rows += [{"what": "differs, left alone", "which": one} for one in drift.left]
        show(rows, "what", "which", empty="all is as declared")
    if check and not drift.clean:
        raise typer.Exit(1)
