"""The command that lists what almost fits."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from deploy.cli.organisations import asking
from deploy.cli.terms import AsJson, Data, show, tell
from deploy.system import System

if TYPE_CHECKING:
    from deploy.asking import Asking


def register(app: typer.Typer) -> None:
    app.command("near-misses")(near_misses)


def near_misses(
    region: Annotated[str | None, typer.Option(help="code of one region; else all")] = None,
    limit: Annotated[int, typer.Option(min=1, max=200, help="those worth most")] = 20,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """
    List pairs that fail exactly one gate by little, and what would have to change, best first.

    Example: `massakoppi near-misses --region 01 --limit 10`
    """
    asked = f"limit={limit}" + (f"&region={region}" if region else "")

    async def go(_: System, ask: "Asking") -> Any:
        return await ask("matcher", "GET", f"/near-misses?{asked}")

    found = asking(data, go)["items"]
    if as_json:
        tell(found)
        return
    rows = [
        {
            "surplus": _side(one["surplus"]),
            "need": _side(one["need"]),
            "tonnes": one["tonnes"]["likely"],
            "worth_eur": one["value"]["total_cents"] // 100,
            "change_needed": one["change_needed"],
        }
        for one in found
    ]
    show(rows, "surplus", "need", "tonnes", "worth_eur", "change_needed",
         empty="nothing almost fits")  # fmt: skip


def _side(told: dict[str, Any]) -> str:
    return f"{told['organisation']} {told['material']} {told['place']['municipality']}"
