"""``python -m serving.process.worker PORT FOLDER PLACE MEMORY``: one of several on a port.

Port and memory are open files, which it inherits."""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import signal
import socket
import sys
from pathlib import Path

from features.errors import LeadQualityError
from serving.process.log import set_up_log
from serving.process.open_connections import OpenConnections, Place
from serving.settings import ServeSettings, read_settings

__all__ = ["main", "serve_on"]

log = logging.getLogger("lead_serve")


def main(arguments: list[str]) -> int:
    """Serve until told to end; 0 done, 1 the service cannot start."""
    number, folder, place, memory = arguments
    among = Place(Path(folder), int(place), os.getppid(), OpenConnections(int(memory)))
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
    if place is None and hasattr(signal, "SIGHUP") and not os.isatty(0):
        # With several workers it renews them. In a terminal it says that the terminal was closed.
        signal.signal(signal.SIGHUP, _stay)
    app = create_app(settings)
    meter = app.state.meter
    meter.folder = None if place is None else place.folder
    server = make_server(settings, app, place, owns_process=True)
    connections = server.server_state.connections
    meter.gauges["connections"] = lambda: len(connections)
    with contextlib.suppress(KeyboardInterrupt):
        server.run(sockets=[listening])
    return 0 if server.started else 1


def _stay(*_: object) -> None:
    log.warning("SIGHUP renews workers where there are two or more; this one goes on as it is")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
