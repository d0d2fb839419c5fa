"""Whether a request comes from this machine itself."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from fastapi import Request

_FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip", "via")
_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})


def is_from_here(request: Request) -> bool:
    """True for a request that this machine sent to a loopback name, with no sign of a proxy or tunnel between.

    A tunnel's requests come from a process on this machine too; what tells them apart is the public name that they
    were sent to, and what the tunnel's server says it forwarded.
    """
    if any(name in request.headers for name in _FORWARDED):
        return False
    host = (urlsplit(f"//{request.headers.get('host', '')}").hostname or "").lower()
    return host in _NAMES and _is_loopback(request.client.host if request.client else "")


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address.split("%")[0]).is_loopback
    except ValueError:
        return False
