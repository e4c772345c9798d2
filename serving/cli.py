"""``lead-serve``: serve, approve a model version, bring the tables up to date."""

from __future__ import annotations

import errno
import logging
import shlex
import socket
import sys
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console

from features.errors import LeadQualityError
from serving.settings import describe_settings, read_settings

__all__ = ["app", "main"]

HOST_HINT = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}
"""What to type in a browser on the same machine when the service listens everywhere."""

_SETTINGS = "\n\n".join(
    f"**{name}** (default {default or 'empty'}): {meaning}"
    for name, default, meaning in describe_settings()
)

app = typer.Typer(
    name="lead-serve",
    help="Scores leads over HTTP and says why, in Japanese and English.",
    epilog=f"Settings are environment variables.\n\n{_SETTINGS}",
    rich_markup_mode="markdown",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


class AddressTaken(LeadQualityError):
    """Another program listens on the address."""


@app.command()
def serve(
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")
    ] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
) -> None:
    """Serve the approved model until Ctrl-C."""
    import uvicorn

    from serving.app import create_app

    settings = read_settings(port=port, host=host)
    _log_to_stderr()
    listening = _listen(settings.host, settings.port)
    shown = HOST_HINT.get(settings.host, settings.host)
    address = f"http://{shown}:{listening.getsockname()[1]}"
    typer.echo(
        f"lead-serve listens on {address} (the model explained: {address}/model; Ctrl-C ends)",
        err=True,
    )
    config = uvicorn.Config(
        create_app(settings),
        http="h11",
        lifespan="on",
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_keep_alive=15,
        timeout_graceful_shutdown=10,
        limit_concurrency=512,
    )
    server = uvicorn.Server(config)
    try:
        server.run(sockets=[listening])
    except KeyboardInterrupt:
        typer.echo("lead-serve has ended.", err=True)
    if not server.started:
        raise typer.Exit(1)


@app.command()
def approve(
    version: Annotated[str, typer.Argument(help="Version number in the registry, or champion.")],
    why: Annotated[
        str, typer.Option(help="Why this model may serve; kept for those who ask later.")
    ],
    name: Annotated[
        str | None, typer.Option(help="Registered model; LEAD_MODEL_NAME by default.")
    ] = None,
    who: Annotated[
        str | None, typer.Option(help="Who approves; the account's name by default.")
    ] = None,
) -> None:
    """Fetch a model version from MLflow, verify it, and let it serve."""
    from serving import champion
    from serving.store import Approvals, open_store

    if not why.strip():
        raise typer.BadParameter("say in a few words why the model may serve", param_hint="--why")
    served = read_settings().model_name
    settings = read_settings(model_name=name)
    store = open_store(settings.database_address)
    try:
        store.migrate()
        approval = champion.approve(
            settings,
            Approvals(store),
            version,
            why.strip(),
            clock=lambda: datetime.now(UTC),
            who=who,
        )
    finally:
        store.close()
    if approval.model_name == served:
        then = "A running service takes it within seconds."
    else:
        start = f"LEAD_MODEL_NAME={shlex.quote(approval.model_name)} lead-serve serve"
        then = f"A service of that name takes it within seconds; start one with: {start}"
    typer.echo(
        f"Version {approval.version} of {approval.model_name} may serve "
        f"(digest {approval.digest[:12]}…). {then}"
    )


@app.command()
def migrate() -> None:
    """Bring the tables of the database up to date."""
    from serving.store import open_store

    store = open_store(read_settings().database_address)
    try:
        store.migrate()
    finally:
        store.close()
    typer.echo("The tables are up to date.")


def main() -> None:
    """Run the command line: 0 done, 1 the input says no, 2 wrong use."""
    try:
        app()
    except LeadQualityError as error:
        Console(stderr=True, highlight=False, soft_wrap=True).print(str(error), markup=False)
        sys.exit(1)


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except (OSError, UnicodeError) as error:
        listening.close()
        raise AddressTaken(
            f"lead-serve cannot listen on {host}:{port}: {_why_not(error)}"
        ) from error
    return listening


def _why_not(error: OSError | UnicodeError) -> str:
    number = getattr(error, "errno", None)
    if number == errno.EADDRINUSE:
        return (
            "another program listens there. Choose another port: lead-serve serve --port N "
            "(0 takes a free one)."
        )
    if number == errno.EACCES:
        return "this account may not. Choose a port from 1024 on: lead-serve serve --port N."
    return "it is no address of this machine. Choose another: lead-serve serve --host 127.0.0.1."


def _log_to_stderr() -> None:
    logging.basicConfig(
        level=logging.INFO,
        stream=sys.stderr,
        format="%(asctime)s %(levelname)s %(name)s %(message)s",
    )
    for noisy in ("alembic", "uvicorn.error"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


if __name__ == "__main__":
    main()
