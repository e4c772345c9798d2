"""For which host a request is: told once, or twice the same."""

from __future__ import annotations

import re
from collections.abc import Iterable

__all__ = ["has_one_host"]

_HOST = re.compile(rb"[A-Za-z0-9._~:\[\]%-]*")


def has_one_host(headers: Iterable[tuple[bytes, bytes]], target: bytes, is_old: bool) -> bool:
    """Whether headers and target name one host, as RFC 9112 (3.2) asks.

    With two, what stands in front may have gone by the other one.

    Parameters
    ----------
    headers : iterable of (bytes, bytes)
        Names in small letters.
    target : bytes
        What stands between method and version.
    is_old : bool
        HTTP/1.0, which need not name any.

    Examples
    --------
    >>> has_one_host([(b"host", b"a.example")], b"http://b.example/livez", False)
    False
    """
    hosts = [value for name, value in headers if name == b"host"]
    if len(hosts) != 1:
        return is_old and not hosts
    if not _HOST.fullmatch(hosts[0]):
        return False
    if target.startswith(b"/") or target == b"*":
        return True
    authority = re.split(rb"[/?#]", target.partition(b"://")[2], maxsplit=1)[0]
    return authority.lower() == hosts[0].lower()
