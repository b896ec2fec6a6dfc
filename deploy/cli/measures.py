"""`massakoppi bench`: how fast it is, against a floor and peers in the same run."""

import typer

app = typer.Typer(no_args_is_help=True, help="Measure latency, intake and settling in one run.")


@app.callback()
def _() -> None:
    """Measure latency, intake and settling, against a floor and peers in the same run."""
