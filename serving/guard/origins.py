"""From where a request comes: which address, which proxy, which site, and by which name."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from functools import cached_property
from typing import Final
from urllib.parse import urlsplit

from starlette.types import Scope

from serving.errors import RequestRefused
from serving.settings import ServeSettings, SettingsInvalid

__all__ = ["Origins", "refuse_open_door"]

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_SAFE_SITES: Final = (b"same-origin", b"none")


def refuse_open_door(settings: ServeSettings) -> None:
    """Refuse to let everybody in on an address that others can reach.

    Raises
    ------
    SettingsInvalid
        If ``LEAD_ACCESS=open`` on anything but this machine's own address.
    """
    if settings.access == "open" and not _is_loopback(settings.host):
        raise SettingsInvalid(
            "LEAD_ACCESS=open lets everybody in, so it goes with this machine's own address only, "
            f"and {settings.host} is another. Listen on 127.0.0.1, or take it out: then callers "
            "show a key (lead-serve key add) or sign in (lead-serve account add)."
        )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


class Origins:
    """What the settings say of proxies and of the service's own name.

    Parameters
    ----------
    settings : ServeSettings
        `proxy_header`, `proxy_addresses` and `public_url` are read.

    Raises
    ------
    SettingsInvalid
        If one of them cannot be read.
    """

    def __init__(self, settings: ServeSettings) -> None:
        self._proxies = tuple(_networks(settings.proxy_addresses))
        self._header = settings.proxy_header.lower().encode()
        self._public = _public(settings.public_url)
        self._is_open = settings.access == "open"
        self._known_hosts: set[bytes] = set()

    @property
    def is_https(self) -> bool:
        """Whether people reach the service over https."""
        return self._public.startswith("https:")

    @cached_property
    def _public_host(self) -> str:
        return (urlsplit(self._public).hostname or "") if self._public else ""

    def is_own_host(self, host: bytes) -> bool:
        """Whether a request came under a name of ours.

        An address, or a name without a dot, cannot be a site elsewhere that was pointed at this
        machine (DNS rebinding). With ``LEAD_PUBLIC_URL`` no other name is taken; nor is any when
        the service is open.
        """
        if host in self._known_hosts or not (self._public or self._is_open):
            return True
        try:
            name = (urlsplit(f"//{host.decode('ascii')}").hostname or "").rstrip(".")
        except ValueError:
            return False
        is_own = name == self._public_host or "." not in name or name.endswith(".localhost")
        if not is_own:
            try:
                ipaddress.ip_address(name)
            except ValueError:
                return False
        if len(self._known_hosts) < 100:
            self._known_hosts.add(host)
        return True

    def is_from_proxy(self, scope: Scope) -> bool:
        """Whether the request was sent by an address whose headers are believed."""
        return bool(self._proxies) and self._is_proxy(_peer(scope))

    def person(self, scope: Scope) -> str:
        """Return who the proxy says has signed in; empty if nobody, or if nobody may say so.

        Raises
        ------
        RequestRefused
            If the header comes twice: then the proxy let one of a caller's own through.
        """
        if not self._header or not self.is_from_proxy(scope):
            return ""
        told = [sent for name, sent in scope["headers"] if name == self._header]
        if len(told) > 1:
            raise RequestRefused(
                "The proxy's header comes twice. Let the proxy replace it, not add it."
            )
        name = told[0].decode("utf-8", "replace").strip() if told else ""
        return name if len(name) <= 200 and name.isprintable() else ""

    def address(self, scope: Scope) -> str:
        """Return whose attempts are counted together: an IPv4 address or an IPv6 network.

        Behind a proxy it is the last address that no proxy of ours wrote.
        """
        found = _peer(scope)
        if self.is_from_proxy(scope):
            for part in reversed(_forwarded(scope["headers"])):
                found = part
                if not self._is_proxy(part):
                    break
        try:
            address = ipaddress.ip_address(found)
        except ValueError:
            return "unknown"
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is None:
            # One household or server holds a whole /64.
            return str(ipaddress.ip_network((address, 64), strict=False))
        return str(address)

    def is_own_site(self, scope: Scope, must_tell: bool) -> bool:
        """Whether a request that changes something was made by a page of ours.

        Parameters
        ----------
        must_tell : bool
            Whether a request that does not tell its site is refused: a browser tells it, a
            program need not.
        """
        headers = dict(scope["headers"])
        origin = headers.get(b"origin")
        if origin is not None:
            if self._public and origin.decode("latin-1").lower() == self._public:
                return True
            host = headers.get(b"host", b"")
            return bool(host) and origin.lower() in (b"http://" + host, b"https://" + host)
        site = headers.get(b"sec-fetch-site")
        return site in _SAFE_SITES if site is not None else not must_tell

    def _is_proxy(self, told: str) -> bool:
        try:
            address = ipaddress.ip_address(told)
        except ValueError:
            return False
        return any(address in network for network in self._proxies)


def _peer(scope: Scope) -> str:
    client = scope.get("client")
    return str(client[0]) if client else ""


def _forwarded(headers: Iterable[tuple[bytes, bytes]]) -> list[str]:
    told = [sent.decode("latin-1") for name, sent in headers if name == b"x-forwarded-for"]
    return [part.strip() for part in ",".join(told).split(",") if part.strip()][-20:]


def _networks(told: str) -> Iterable[Network]:
    for part in told.split(","):
        if part.strip():
            try:
                yield ipaddress.ip_network(part.strip(), strict=False)
            except ValueError as error:
                raise SettingsInvalid(
                    "LEAD_PROXY_ADDRESSES cannot be used: expected addresses or networks with "
                    "commas between, such as 10.0.0.5,10.1.0.0/16."
                ) from error


def _public(told: str) -> str:
    """Return scheme and host of the public address, as a browser writes an origin."""
    if not told:
        return ""
    parts = urlsplit(told)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.path.strip("/"):
        raise SettingsInvalid(
            "LEAD_PUBLIC_URL cannot be used: expected https://HOST or http://HOST, without a path."
        )
    return f"{parts.scheme}://{parts.netloc}".lower()
