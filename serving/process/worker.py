"""``python -m serving.process.worker FD FOLDER PLACE``: one of several, on an inherited port."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import socket
import sys
from pathlib import Path

from features.errors import LeadQualityError
from serving.process.log import set_up_log
from serving.process.open_connections import Place
from serving.settings import ServeSettings, read_settings

__all__ = ["main", "serve_on"]


def main(arguments: list[str]) -> int:
    """Serve until told to end; 0 done, 1 the service cannot start."""
    number, folder, place = arguments
    among = Place(Path(folder), int(place), os.getppid())
    # It asks the supervisor to replace workers; one that gets it with its whole group goes on.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    settings = read_settings()
    set_up_log(settings.log_format)
    listening = socket.socket(fileno=int(number))
    try:
        return serve_on(settings, listening, among)
    except LeadQualityError as error:
        sys.stderr.write(f"{error}\n")
        return 1


def serve_on(
    settings: ServeSettings,
    listening: socket.socket,
    place: Place | None = None,
) -> int:
    """Serve on an open port in this process.

    Parameters
    ----------
    settings : ServeSettings
        Read already.
    listening : socket.socket
        The port.
    place : Place or None
        Among several workers that share the port.

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
    meter = app.state.meter
    meter.folder = None if place is None else place.folder
    server = make_server(settings, app, place, owns_process=True)
    connections = server.server_state.connections
    meter.gauges["connections"] = lambda: len(connections)
    with contextlib.suppress(KeyboardInterrupt):
        server.run(sockets=[listening])
    return 0 if server.started else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
