"""`massakoppi`: every command there is."""

import sys

import aiohttp
import typer
from nats.errors import Error as NatsError
from sqlalchemy.exc import DBAPIError

from deploy.asking import Answered
from deploy.cli import checks, dead_letters, forecasts, measures, organisations, regions, running
from deploy.cli.terms import say_problem
from deploy.organisations import NotReloaded
from deploy.servers import NotStarted
from deploy.system import NotRunning
from shared.access import NotKnown

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
app.add_typer(regions.app, name="region")
forecasts.register(app)
checks.register(app)
app.add_typer(dead_letters.app, name="dead-letters")
app.add_typer(measures.app, name="bench")

EXPECTED = (
    Answered,
    NotKnown,
    NotRunning,
    NotStarted,
    NotReloaded,
    FileNotFoundError,
    ValueError,
)
AWAY = (aiohttp.ClientError, NatsError, DBAPIError, OSError, TimeoutError)


def main() -> None:
    """Run the command line; what a user can mend is told in one line, not as a trace."""
    try:
        app()
    except EXPECTED as error:
        say_problem(error)
        sys.exit(1)
    except AWAY as error:
        say_problem(NotRunning(f"the system is not reachable ({error}); is it running?"))
        sys.exit(1)
