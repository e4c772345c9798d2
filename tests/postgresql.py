"""A private PostgreSQL for tests: Debian's binaries, an own folder, a free port, gone at the end."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

__all__ = ["Cluster", "find_binaries"]

_START_SECONDS = 60
_ACCOUNT = "postgres"


def find_binaries() -> Path | None:
    """Return the folder of the newest installed server, or None."""
    found = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3])
    )
    return found[-1].parent if found else None


def _as_server() -> list[str]:
    """Return what to type before a command: be another account than root, end with this program."""
    change = ["setpriv", "--pdeathsig", "QUIT"]
    if os.getuid() == 0:
        account = pwd.getpwnam(_ACCOUNT)
        change += [f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--clear-groups"]
    return [*change, "--"]


class Cluster:
    """One server with its own data; `create` gives an empty database each time.

    Raises
    ------
    LookupError
        If the binaries or the account are missing; the message says what to install.
    """

    def __init__(self) -> None:
        binaries = find_binaries()
        if binaries is None:
            raise LookupError("PostgreSQL is not installed (Debian: apt-get install postgresql)")
        self._binaries = binaries
        try:
            self._before = _as_server()
        except KeyError as error:
            raise LookupError(f"there is no account {_ACCOUNT} to run PostgreSQL") from error
        # Short: the name of a socket may have 107 characters at most. In memory where tests write.
        is_in_memory = tempfile.gettempdir() == "/dev/shm"
        where = "/dev/shm" if is_in_memory else "/tmp"
        self._folder = Path(tempfile.mkdtemp(prefix="lqpg-", dir=where))
        if os.getuid() == 0:
            shutil.chown(self._folder, _ACCOUNT, _ACCOUNT)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self._server: subprocess.Popen[bytes] | None = None
        self._n_databases = 0
        self._run("initdb", "-D", str(self.data), "-U", _ACCOUNT, "-A", "trust", "-E", "UTF8")
        self.start()

    @property
    def data(self) -> Path:
        """The folder of the data."""
        return self._folder / "data"

    @property
    def pid(self) -> int:
        """The postmaster."""
        assert self._server is not None
        return self._server.pid

    def address(self, database: str = "postgres") -> str:
        """Return the SQLAlchemy address of a database."""
        return f"postgresql://{_ACCOUNT}@127.0.0.1:{self.port}/{database}"

    def create(self) -> str:
        """Return the address of a new, empty database."""
        self._n_databases += 1
        name = f"leads_{self._n_databases}"
        self.ask(f"CREATE DATABASE {name}")
        return self.address(name)

    def ask(self, statement: str, database: str = "postgres") -> list[tuple[object, ...]]:
        """Run one statement outside any transaction."""
        import psycopg

        where = self.address(database)
        with psycopg.connect(where, autocommit=True, connect_timeout=5) as connection:
            answered = connection.execute(statement)
            return answered.fetchall() if answered.description else []

    def start(self) -> None:
        """Start the server and wait until it answers."""
        settings = {
            "port": self.port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": self._folder,
            "fsync": "on",
            "max_connections": 80,
            "shared_buffers": "32MB",
            "logging_collector": "off",
        }
        given = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with (self._folder / "server.log").open("ab") as log:
            self._server = subprocess.Popen(
                [*self._before, self._binaries / "postgres", "-D", self.data, *given],
                stdout=log,
                stderr=log,
                cwd="/",
                start_new_session=True,
            )
        self.wait()

    def wait(self) -> None:
        """Wait until the server answers."""
        import psycopg

        ends = time.monotonic() + _START_SECONDS
        while True:
            try:
                self.ask("SELECT 1")
                return
            except psycopg.Error:
                if time.monotonic() > ends:
                    raise
                time.sleep(0.05)

    def stop(self) -> None:
        """End the server at once, as `pg_ctl stop -m fast` would."""
        if self._server is not None:
            self._server.send_signal(signal.SIGCONT)
            self._server.send_signal(signal.SIGINT)
            try:
                self._server.wait(20)
            except subprocess.TimeoutExpired:
                self._server.kill()
                self._server.wait(20)
            self._server = None

    def reap(self) -> None:
        """Take note that the server was killed, and remove what keeps another from starting."""
        if self._server is not None:
            self._server.wait(20)
            self._server = None
        time.sleep(0.5)  # its children notice, and let go of the shared memory
        (self.data / "postmaster.pid").unlink(missing_ok=True)

    def backends(self, database: str) -> list[int]:
        """Return the server's children that work for a database, without the one that asks."""
        asked = (
            "SELECT pid FROM pg_stat_activity "
            f"WHERE datname = '{database}' AND pid <> pg_backend_pid()"
        )
        return [int(str(row[0])) for row in self.ask(asked)]

    def remove(self) -> None:
        """End the server and take its folder away."""
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _run(self, command: str, *arguments: str) -> None:
        subprocess.run(
            [*self._before, self._binaries / command, *arguments],
            check=True,
            capture_output=True,
            cwd="/",
            env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"},
        )
