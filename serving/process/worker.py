"""``python -m serving.process.worker FD FOLDER``: one process of several, on an inherited port."""

from __future__ import annotations

import contextlib
import gc
import os
import socket
import sys
from pathlib import Path

from features.errors import LeadQualityError
from serving.process.log import set_up_log
from serving.settings import ServeSettings, read_settings

__all__ = ["main", "serve_on"]


def main(arguments: list[str]) -> int:
    """Serve until told to end; 0 done, 1 the service cannot start."""
    parent = os.getppid()
    settings = read_settings()
    set_up_log(settings.log_format)
    listening = socket.socket(fileno=int(arguments[0]))
    try:
        return serve_on(settings, listening, Path(arguments[1]), parent)
    except LeadQualityError as error:
        sys.stderr.write(f"{error}\n")
        return 1


def serve_on(
    settings: ServeSettings,
    listening: socket.socket,
    folder: Path | None = None,
    parent: int | None = None,
) -> int:
    """Serve on an open port in this process.

    Parameters
    ----------
    settings : ServeSettings
        Read already.
    listening : socket.socket
        The port.
    folder : Path or None
        Where several workers tell each other their counts.
    parent : int or None
        The supervisor, without which the process ends too.

    Returns
    -------
    int
        1 if it never began to serve, else 0.
    """
    # What is made at the start stays; looking through it time and again is a fifth of the start.
    # `Server.startup` turns the collector on.
    gc.disable()
    from serving.app import create_app
    from serving.process.server import allow_many_connections, make_server

    allow_many_connections()
    app = create_app(settings)
    app.state.meter.folder = folder
    server = make_server(settings, app, parent, owns_process=True)
    connections = server.server_state.connections
    app.state.meter.gauges["connections"] = lambda: len(connections)
    with contextlib.suppress(KeyboardInterrupt):
        server.run(sockets=[listening])
    return 0 if server.started else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
