"""A public link to the running app, through Gradio's tunnel."""

from __future__ import annotations

import secrets
from urllib.parse import urlsplit

import httpx
from gradio.networking import setup_tunnel

from workbench.domain.errors import ConfigurationError


def open_tunnel(host: str, port: int) -> tuple[str, str]:
    """Open the link; returns its URL and host name.

    `setup_tunnel` on our own server keeps the page's scripts local, which Gradio's `share=True` does not.

    Raises:
        ConfigurationError: the tunnel's server or its helper program cannot be had.
    """
    try:
        url = setup_tunnel(host, port, secrets.token_urlsafe(32), None, None)
    except (RuntimeError, OSError, httpx.HTTPError, ValueError) as error:
        raise ConfigurationError(
            "No share link could be opened; the workbench runs on this machine only.",
            hint="A share link needs the internet: api.gradio.app and its tunnel program.",
        ) from error
    return url, urlsplit(url).hostname or ""
