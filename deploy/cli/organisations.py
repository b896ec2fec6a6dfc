"""`massakoppi org`: organisations, their keys, members and mandates."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from deploy.cli.terms import AsJson, Data, out, show, tell
from deploy.system import System, find

if TYPE_CHECKING:
    from deploy.asking import Asking
    from deploy.organisations import Credentials

app = typer.Typer(
    no_args_is_help=True,
    help="Organisations: add, list, rotate and revoke keys, mandates, members.",
)
Token = Annotated[str, typer.Argument(help="the organisation's token: [a-z0-9-], 2 to 32 signs")]
Save = Annotated[bool, typer.Option("--save", help="keep the credentials in the data folder")]
T = TypeVar("T")


def asking(data: object, ask: "Callable[[System, Asking], Awaitable[T]]") -> T:
    """Run *ask* against the system of the data folder."""
    from deploy.asking import Asking

    system = find(data)  # type: ignore[arg-type]

    async def go() -> T:
        async with Asking(system) as asks:
            return await ask(system, asks)

    return asyncio.run(go())


def _show_once(told: "Credentials", saved_at: object, as_json: bool) -> None:
    if as_json:
        tell(told.to_json() | ({"saved": str(saved_at)} if saved_at else {}))
        return
    out.print(f"organisation   {told.organisation}", highlight=False)
    out.print(f"NATS           {told.nats_url}", highlight=False)
    out.print(f"NKey seed      {told.nats_seed}", highlight=False)
    out.print(f"HTTPS          {told.registry_url}/intake", highlight=False)
    out.print(f"HTTPS key      {told.https_key}", highlight=False)
    out.print(
        f"saved in {saved_at}"
        if saved_at
        else "These are shown once: keep them now, or use --save."
    )


@app.command()
def add(
    token: Token,
    name: Annotated[str, typer.Option(help="its name, as people read it")],
    region: Annotated[str, typer.Option(help="code of the region it belongs to, e.g. 01")],
    business_id: Annotated[
        str | None, typer.Option(help="checked where its scheme is known")
    ] = None,
    kind: Annotated[
        str, typer.Option(help="municipality, company, region, association, state")
    ] = "company",
    save: Save = False,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """
    Make an organisation with keys for NATS and HTTPS, and open its door.

    Example: `massakoppi org add soramaa --name "Soramaa Oy" --region 01 --save`
    """

    from deploy.organisations import add_organisation

    async def go(system: System, ask: "Asking") -> "tuple[Credentials, Any]":
        told = await add_organisation(
            system, ask, token=token, title=name, region=region, business_id=business_id,
            actor_type=kind,
        )  # fmt: skip
        return told, told.save(system) if save else None

    _show_once(*asking(data, go), as_json)


@app.command()
def twin(
    token: Token,
    named: Annotated[
        str | None, typer.Option("--as", help="its token; the organisation's and -sandbox")
    ] = None,
    save: Save = False,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """
    Make an organisation's sandbox twin in region 99, with keys of its own, to try things with.

    What it tells meets only what other sandboxes tell, and is in no official figure.
    """
    from deploy.organisations import add_twin

    async def go(system: System, ask: "Asking") -> "tuple[Credentials, Any]":
        told = await add_twin(system, ask, token, twin=named)
        return told, told.save(system) if save else None

    _show_once(*asking(data, go), as_json)


@app.command("list")
def list_(data: Data = None, as_json: AsJson = False) -> None:
    """Every organisation, with status and region."""

    async def go(_: System, ask: "Asking") -> list[dict[str, Any]]:
        return await ask.every("registry", "/organisations")

    found = asking(data, go)
    if as_json:
        tell(found)
    else:
        show(found, "token", "title", "actor_type", "region", "business_id", "status",
             empty="no organisations yet: `massakoppi org add --help`")  # fmt: skip


@app.command("rotate")
def rotate_(token: Token, save: Save = False, data: Data = None, as_json: AsJson = False) -> None:
    """New keys for both doors; the old ones end at once, tokens made of them in 5 minutes."""

    from deploy.organisations import rotate

    async def go(system: System, ask: "Asking") -> "tuple[Credentials, Any]":
        told = await rotate(system, ask, token)
        return told, told.save(system) if save else None

    _show_once(*asking(data, go), as_json)


@app.command("revoke")
def revoke_(
    token: Token,
    drop_unread: Annotated[
        bool, typer.Option(help="also delete its stream, with what is unread")
    ] = False,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """
    End every key of an organisation.

    Over NATS its systems are cut off at once, over HTTPS when their last token ends: 5 minutes at
    most.
    """
    from deploy.organisations import revoke

    ended = asking(data, lambda system, ask: revoke(system, ask, token, with_stream=drop_unread))
    tell({"organisation": token, "ended": ended}) if as_json else out.print(f"{ended} keys ended")


@app.command()
def mandate(
    owner: Annotated[str, typer.Argument(help="whose masses are told")],
    reporter: Annotated[str, typer.Argument(help="who may tell them")],
    end: Annotated[bool, typer.Option("--end", help="end the mandate")] = False,
    data: Data = None,
) -> None:
    """Let *reporter* (a contractor) report projects of *owner* (its client), or end that."""

    async def go(_: System, ask: "Asking") -> None:
        path = f"/organisations/{owner}/mandates"
        if end:
            await ask("registry", "DELETE", f"{path}/{reporter}")
        else:
            await ask("registry", "POST", path, {"reporter": reporter})

    asking(data, go)
    out.print(f"{reporter} {'may no longer report' if end else 'may now report'} for {owner}")


@app.command()
def member(
    token: Token,
    name: Annotated[str, typer.Option(help="the person's name")],
    mail: Annotated[str, typer.Option(help="the person's mail address")],
    role: Annotated[
        list[str], typer.Option(help="coordinator, regional_coordinator, reporter; repeat for more")
    ],
    region: Annotated[
        list[str] | None, typer.Option(help="regions of a regional coordinator; repeat for more")
    ] = None,
    language: Annotated[str, typer.Option(help="fi, sv or en")] = "fi",
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Add a person to an organisation."""
    told = {"name": name, "email": mail, "roles": role, "regions": region or [],
            "language": language}  # fmt: skip

    async def go(_: System, ask: "Asking") -> Any:
        return await ask("registry", "POST", f"/organisations/{token}/members", told)

    made = asking(data, go)
    tell(made) if as_json else out.print(f"person {made['person']} added to {token}")
