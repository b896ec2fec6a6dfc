"""`massakoppi webhook`: where an organisation is told, of what, and what came of it."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from deploy.cli.organisations import asking
from deploy.cli.terms import AsJson, Data, out, show, tell
from deploy.system import System

if TYPE_CHECKING:
    from deploy.asking import Asking

app = typer.Typer(
    no_args_is_help=True,
    help="Webhooks: add with filters, list, test, log, resend, enable, remove.",
)
Id = Annotated[str, typer.Argument(help="the webhook's id, as `list` shows it")]
Many = list[str] | None


def ask_notifier(data: object, method: str, path: str, body: Any = None, **query: Any) -> Any:
    """The notifier's answer, asked as the operator."""

    async def go(_: System, ask: "Asking") -> Any:
        return await ask("notifier", method, path, body, **query)

    return asking(data, go)


def _every(data: object, path: str, **query: Any) -> list[dict[str, Any]]:
    async def go(_: System, ask: "Asking") -> list[dict[str, Any]]:
        return await ask.every("notifier", path, **query)

    return asking(data, go)


@app.command()
def add(
    organisation: Annotated[str, typer.Argument(help="who is told")],
    url: Annotated[str, typer.Argument(help="an https address of theirs")],
    event: Annotated[
        Many,
        typer.Option(help="match-found and match-changed unless told; or forecast-updated …"),
    ] = None,
    whose: Annotated[
        Many, typer.Option(help="own (unless told), others: what they opened to all; or both")
    ] = None,
    region: Annotated[Many, typer.Option(help="only of these regions; repeat for more")] = None,
    material: Annotated[Many, typer.Option(help="only these materials; repeat for more")] = None,
    municipality: Annotated[
        Many, typer.Option(help="only with an end in these municipalities; repeat for more")
    ] = None,
    direction: Annotated[Many, typer.Option(help="surplus or need: one's own side")] = None,
    project: Annotated[Many, typer.Option(help="only of these projects, by id")] = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """
    Tell an organisation's system of its matches, and of what else it asks for; prints the
    secret, once.

    Example: `massakoppi webhook add acme https://acme.example/hook --material till --region 01`
    """
    told: dict[str, Any] = {"organisation": organisation, "url": url}
    for name, chosen in (("events", event), ("whose", whose), ("regions", region),
                         ("materials", material), ("municipalities", municipality),
                         ("directions", direction), ("projects", project)):  # fmt: skip
        if chosen:
            told[name] = chosen
    made = ask_notifier(data, "POST", "/webhooks", told)
    if as_json:
        tell(made)
        return
    out.print(f"webhook   {made['id']}", highlight=False)
    out.print(f"secret    {made['secret']}", highlight=False)
    out.print("The secret is shown once: keep it now, to check signatures with.")


@app.command("list")
def list_(
    organisation: Annotated[str, typer.Argument(help="whose")],
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """An organisation's webhooks, with their filters and state."""
    found = _every(data, "/webhooks", organisation=organisation)
    if as_json:
        tell(found)
        return
    show(found, "id", "url", "events", "whose", "regions", "materials", "municipalities",
         "directions", "projects", "status", "reason",
         empty="no webhooks: `massakoppi webhook add --help`")  # fmt: skip


@app.command()
def test(webhook: Id, data: Data = None) -> None:
    """Post a signed test; `log` shows what came of it."""
    made = ask_notifier(data, "POST", f"/webhooks/{webhook}/test")
    out.print(f"posting {made['id']}: see `massakoppi webhook log {webhook}`", highlight=False)


@app.command()
def log(webhook: Id, data: Data = None, as_json: AsJson = False) -> None:
    """What was posted and what waits, newest first."""
    found = ask_notifier(data, "GET", f"/webhooks/{webhook}/deliveries")["items"]
    if as_json:
        tell(found)
        return
    show(found, "id", "event", "result", "tries", "status", "error", "created_at", "next_at",
         empty="nothing was posted yet")  # fmt: skip


@app.command()
def resend(
    webhook: Id,
    delivery: Annotated[str, typer.Argument(help="a posting's id, as `log` shows it")],
    data: Data = None,
) -> None:
    """Post the same body once more, under the same id."""
    ask_notifier(data, "POST", f"/webhooks/{webhook}/deliveries/{delivery}/resend")
    out.print("queued")


@app.command()
def enable(webhook: Id, data: Data = None) -> None:
    """Begin again with one that was disabled."""
    ask_notifier(data, "PATCH", f"/webhooks/{webhook}", {"status": "active"})
    out.print("active")


@app.command()
def remove(webhook: Id, data: Data = None) -> None:
    """Forget a webhook and its log."""
    ask_notifier(data, "DELETE", f"/webhooks/{webhook}")
    out.print("removed")
