"""``lead-serve serve``: answer until Ctrl-C."""

from __future__ import annotations

import errno
import logging
import socket
import sys
from typing import Annotated

import typer

from features.errors import LeadQualityError
from serving.settings import read_settings

__all__ = ["HOST_HINT", "AddressTaken", "serve"]

HOST_HINT = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}
"""What to type in a browser on the same machine when the service listens everywhere."""


class AddressTaken(LeadQualityError):
    """Another program listens on the address."""


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
