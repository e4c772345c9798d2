"""Who types the commands."""

from __future__ import annotations

import getpass

__all__ = ["account_name"]


def account_name() -> str:
    """Return this machine's name for who runs the program; a container's user often has none."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "command line"
