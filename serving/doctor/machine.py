"""The machine: home, disk, clock, time zones, cores, and the address to listen on."""

from __future__ import annotations

import difflib
import errno
import http.client
import ipaddress
import json
import os
import shutil
import socket
import stat
import tempfile
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from features.errors import shorten
from serving.doctor.findings import Finding, fault, fine, warn
from serving.process.workers import cores
from serving.settings import ServeSettings, describe_settings

__all__ = [
    "check_access",
    "check_address",
    "check_clock",
    "check_cores",
    "check_home",
    "check_names",
]

MIB = 1024 * 1024
TOO_LITTLE_MIB = 200
LITTLE_MIB = 1_000
OLDEST_DATE = datetime(2026, 11, 1, tzinfo=UTC)
"""No clock can be right that lies before the program was written."""

_REMOTE = {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "fuse.sshfs", "ceph", "glusterfs"}
_OF_TRAINING = frozenset({"LEAD_CHOICE_SECONDS", "LEAD_DRAWS", "LEAD_EXPERIMENT", "LEAD_SEED"})
"""Settings of ``lead-train`` alone; a test compares them, as serving may not import it."""

_ASK_SECONDS = 3.0
_SAME_ENOUGH = 0.8


def check_names(environment: Mapping[str, str]) -> list[Finding]:
    """Look for variables that are nearly a setting: a misspelt one is passed over in silence."""
    known = [name for name, _, _ in describe_settings()]
    found = []
    for name in sorted(environment):
        if name.startswith("LEAD") and name not in known and name not in _OF_TRAINING:
            near = difflib.get_close_matches(name, known, 1, _SAME_ENOUGH)
            if near:
                found.append(warn("settings", f"{name} is no setting.", f"Did you mean {near[0]}?"))
    return found or [fine("settings", "Every setting can be used.")]


def check_home(settings: ServeSettings, mounts: str = "/proc/self/mounts") -> list[Finding]:
    """Look at the folder that everything lies in."""
    home = settings.home.absolute()
    advice = "Set LEAD_HOME to a folder that this account may write, on a local disk."
    if not home.exists():
        parent = next(folder for folder in home.parents if folder.exists())
        if not os.access(parent, os.W_OK):
            return [fault("home", "LEAD_HOME is not there and cannot be made.", advice)]
        return [fine("home", "LEAD_HOME is not there yet; a start makes it.")]
    try:
        with tempfile.TemporaryFile(dir=home) as file:
            file.write(b"x" * 4096)
            file.flush()
            os.fsync(file.fileno())
        free = shutil.disk_usage(home).free // MIB
    except OSError as error:
        told = f"LEAD_HOME cannot be written ({error.strerror or type(error).__name__})."
        return [fault("home", told, advice)]
    found = [fine("home", "LEAD_HOME can be written.")]
    room = f"{free:,} MiB are free under LEAD_HOME."
    more = "Make room, or set LEAD_RETENTION_DAYS; a full disk stops recording."
    if free < TOO_LITTLE_MIB:
        found.append(fault("disk", room, more))
    else:
        found.append(warn("disk", room, more) if free < LITTLE_MIB else fine("disk", room))
    if os.name == "posix" and stat.S_IMODE(home.stat().st_mode) & 0o077:
        told = "Other accounts of this machine can look into LEAD_HOME, which holds personal data."
        found.append(warn("home", told, "chmod 700 the folder."))
    kind = _file_system(home, Path(mounts))
    if kind in _REMOTE and not settings.database_url:
        told = f"The database file lies on a network file system ({kind}), which may damage it."
        found.append(fault("home", told, "Use a local disk, or PostgreSQL (LEAD_DATABASE_URL)."))
    return found


def _file_system(path: Path, mounts: Path) -> str:
    try:
        lines = [line.split() for line in mounts.read_text("utf-8").splitlines()]
    except (OSError, ValueError):
        return ""
    holding = [
        (len(parts[1]), parts[2])
        for parts in lines
        if len(parts) > 2 and path.is_relative_to(parts[1])
    ]
    return max(holding, default=(0, ""))[1]


def check_clock(
    now: datetime, latest: datetime | None, elsewhere: datetime | None, zones: Iterable[str]
) -> list[Finding]:
    """Compare the clock with the records and with the database server, and find the time zones.

    Parameters
    ----------
    latest : datetime or None
        When the newest record was made.
    elsewhere : datetime or None
        The database server's clock, just now.
    """
    advice = "Set the clock, and keep it set (NTP)."
    found = []
    if now < OLDEST_DATE:
        found.append(fault("clock", f"The clock says {now:%Y-%m-%d}.", advice))
    if latest is not None and (latest - now).total_seconds() > 300:
        told = "The newest record was made in the future: the clock has been set back."
        found.append(warn("clock", told, advice))
    if elsewhere is not None and abs((elsewhere - now).total_seconds()) > 5:
        seconds = abs((elsewhere - now).total_seconds())
        told = f"This clock and the database server's are {seconds:,.0f} s apart."
        found.append(warn("clock", told, advice))
    missing = [zone for zone in zones if not _is_zone(zone)]
    if missing:
        told = f"Time zone {shorten(missing)} is not known here."
        found.append(fault("time zones", told, "Install the package tzdata."))
    return found or [fine("clock", f"{now:%Y-%m-%d %H:%M} UTC; the time zones are known.")]


def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def check_cores(settings: ServeSettings, quota: str = "/sys/fs/cgroup/cpu.max") -> list[Finding]:
    """Compare the workers with the cores that they may use."""
    n_cores = cores()
    allowed = _quota(Path(quota))
    usable = n_cores if allowed is None else min(n_cores, max(1, round(allowed)))
    n_workers = settings.workers or n_cores
    told = f"{n_workers} worker(s) on {usable} core(s)."
    if n_workers > usable:
        advice = f"Set LEAD_WORKERS={usable}; more only take memory and turns from each other."
        return [warn("workers", told, advice)]
    return [fine("workers", told)]


def _quota(path: Path) -> float | None:
    """Return the cores that a container may use, or None when they are not limited."""
    try:
        most, period = path.read_text("ascii").split()[:2]
        return None if most == "max" else int(most) / int(period)
    except (OSError, ValueError, ZeroDivisionError):
        return None


def check_access(settings: ServeSettings) -> list[Finding]:
    """Look for doors that are open to more people than they seem."""
    is_here = _is_loopback(settings.host)
    found = []
    if settings.access == "open" and not is_here:
        told = f"LEAD_ACCESS=open on {settings.host}: whoever reaches it may do everything."
        found.append(fault("access", told, "Take LEAD_ACCESS out, and make keys and accounts."))
    if settings.proxy_header and _is_wide(settings.proxy_addresses):
        told = "LEAD_PROXY_ADDRESSES believes everybody who sends the header of a signed-in person."
        found.append(fault("access", told, "Name the proxy's own address only."))
    if not is_here and not settings.public_url.lower().startswith("https://"):
        told = "Others can reach the service, and nothing says that they do so over TLS."
        advice = "Put a proxy with TLS in front, and set LEAD_PUBLIC_URL=https://…"
        found.append(warn("access", told, advice))
    how = "whoever is on this machine may do everything" if settings.access == "open" else "by key"
    return found or [fine("access", f"Access: {settings.access} ({how}).")]


def _is_wide(addresses: str) -> bool:
    for part in addresses.split(","):
        try:
            if ipaddress.ip_network(part.strip(), strict=False).prefixlen < 8:
                return True
        except ValueError:
            if part.strip() in ("*", "all"):
                return True
    return False


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def check_address(settings: ServeSettings) -> list[Finding]:
    """See whether the port is free, or a service of ours answers on it."""
    host, port = settings.host, settings.port
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((host.strip("[]"), port))
        except (OSError, UnicodeError) as error:
            if getattr(error, "errno", None) == errno.EADDRINUSE:
                return [_who_answers(host, port)]
            told = f"Nobody can listen on {host}:{port} here."
            advice = "Set LEAD_HOST to an address of this machine, and LEAD_PORT to 1024 or more."
            return [fault("address", told, advice)]
    return [fine("address", f"{host}:{port} is free; no service runs on it.")]


def _who_answers(host: str, port: int) -> Finding:
    near = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host.strip("[]"))
    asked = http.client.HTTPConnection(near, port, timeout=_ASK_SECONDS)
    try:
        asked.request("GET", "/readyz")
        answer = asked.getresponse()
        told = json.loads(answer.read(64 * 1024))
        status = str(told["status"]) if isinstance(told, dict) else ""
    except (OSError, http.client.HTTPException, ValueError, KeyError):
        status = ""
    finally:
        asked.close()
    if status == "ready":
        return fine("address", f"A service answers on {host}:{port} and is ready.")
    if status:
        told = f"A service answers on {host}:{port} and is not ready."
        return fault("address", told, "The other findings say why; see also its log.")
    told = f"Another program holds {host}:{port}, or a service that does not answer."
    return fault("address", told, "Choose another LEAD_PORT, or see what listens there.")
