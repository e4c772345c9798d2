"""``lead-serve serve``: answer until Ctrl-C."""

from __future__ import annotations

import errno
import logging
import os
import socket
from typing import Annotated

import typer

from features.errors import LeadQualityError
from serving.settings import read_settings

__all__ = ["HOST_HINT", "AddressTaken", "WorkersNotPossible", "serve"]

log = logging.getLogger("lead_serve")

_SEND_BUFFER = 256 * 1024

HOST_HINT = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}
"""What to type in a browser on the same machine when the service listens everywhere."""


class AddressTaken(LeadQualityError):
    """Another program listens on the address."""


class WorkersNotPossible(LeadQualityError):
    """This system cannot run several workers."""


def serve(
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")
    ] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
) -> None:
    """Serve the approved model until Ctrl-C."""
    from serving.guard.origins import refuse_open_door
    from serving.process.log import flush_lines, set_up_log
    from serving.process.worker import serve_on
    from serving.process.workers import Supervisor, cores

    settings = read_settings(port=port, host=host)
    refuse_open_door(settings)
    n_workers = settings.workers or cores()
    if n_workers > 1 and os.name == "nt":
        raise WorkersNotPossible(
            "Several workers cannot share a port on Windows. Set LEAD_WORKERS=1."
        )
    listening = _listen(settings.host, settings.port)
    set_up_log(settings.log_format)
    shown = HOST_HINT.get(settings.host, settings.host)
    address = f"http://{shown}:{listening.getsockname()[1]}"
    log.info(
        "lead-serve listens on %s (the model explained: %s/model; Ctrl-C ends)", address, address
    )
    if n_workers > 1:
        Supervisor(settings, listening, n_workers).run()
        code = 0
    else:
        code = serve_on(settings, listening)
    log.info("lead-serve has ended")
    flush_lines()
    if code:
        raise typer.Exit(code)


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    # What a client does not take stays in the system's memory: a little of it, not megabytes each.
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
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
