"""`massakoppi`: every command there is."""

import sys

import typer

from deploy.cli import (
    checks,
    coming,
    connectors,
    dead_letters,
    defaults,
    designs,
    duplicates,
    estimates,
    forecasts,
    freshness,
    measures,
    nears,
    organisations,
    planning,
    regions,
    running,
    trail,
    webhooks,
)
from deploy.cli.terms import language, say_problem

app = typer.Typer(
    name="massakoppi",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    help=(
        "Massakoppi brings a region's soil and rock masses together.\n\n"
        "Start with `massakoppi up` (everything on this machine, with a sample region), then look "
        "at the address it prints. Every command finds the running system by `--data`, then "
        "`MASSAKOPPI_DATA`, then `./data`."
    ),
)
running.register(app)
app.add_typer(organisations.app, name="org")
app.add_typer(webhooks.app, name="webhook")
app.add_typer(regions.app, name="region")
forecasts.register(app)
designs.register(app)
connectors.register(app)
freshness.register(app)
duplicates.register(app)
planning.register(app)
checks.register(app)
defaults.register(app)
coming.register(app)
estimates.register(app)
nears.register(app)
app.add_typer(dead_letters.app, name="dead-letters")
app.add_typer(trail.app, name="trail")
app.add_typer(measures.app, name="bench")


def main() -> None:
    """Run the command line; what a user can mend is told in one line, not as a trace."""
    try:
        app()
    except Exception as error:
        told = in_one_line(error)
        if told is None:
            raise
        say_problem(told)
        sys.exit(1)


def in_one_line(error: Exception) -> str | None:
    """What a user can mend in *error*; None when it is a fault of ours."""
    if isinstance(error, ValueError):  # before what follows: a bad factors file stops that too
        try:
            from shared.client.said import said, spoken
        except ValueError:  # and this import as well
            return str(error)
        return spoken(said(error), language())

    import aiohttp
    from nats.errors import Error as NatsError
    from sqlalchemy.exc import DBAPIError

    from deploy.asking import Answered
    from deploy.connectors.lists import SourceAway
    from deploy.organisations import NotReloaded
    from deploy.servers import NotStarted
    from deploy.system import NotRunning
    from shared.access import NotKnown
    from shared.client import NotSent

    known = (Answered, NotKnown, NotRunning, NotStarted, NotReloaded, NotSent, SourceAway)
    if isinstance(error, (*known, FileNotFoundError)):
        return str(error)
    if isinstance(error, (aiohttp.ClientError, NatsError, DBAPIError, OSError, TimeoutError)):
        return f"the system is not reachable ({error}); is it running?"
    return None
