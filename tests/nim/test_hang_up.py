"""Hanging up on a call reaches the socket that is in use, also below TLS."""

from __future__ import annotations

import socket
from types import SimpleNamespace

import pytest

from workbench.nim.http import Connection


def opened(sock: socket.socket) -> dict[str, object]:
    """What httpcore's `trace` extension tells of a new stream."""
    return {"return_value": SimpleNamespace(get_extra_info={"socket": sock}.get)}


@pytest.mark.parametrize("order", ["hang up after", "hang up before"])
def test_the_socket_that_tls_put_in_place_of_the_first_is_the_one_shut(order: str) -> None:
    plain, _ = socket.socketpair()
    secure, peer = socket.socketpair()
    with plain, _, secure, peer:
        connection = Connection()
        if order == "hang up before":
            connection.hang_up()
        connection.trace("connection.connect_tcp.complete", opened(plain))
        plain.detach()  # wrapping a socket in TLS leaves the first one empty
        connection.trace("connection.start_tls.complete", opened(secure))
        if order == "hang up after":
            connection.hang_up()
        peer.settimeout(30)
        assert peer.recv(1) == b"", "the other end was never told"


def test_other_events_change_nothing() -> None:
    first, peer = socket.socketpair()
    with first, peer:
        connection = Connection()
        connection.trace("connection.connect_tcp.complete", opened(first))
        connection.trace("connection.connect_tcp.started", {})
        connection.trace("http11.send_request_headers.complete", {"return_value": None})
        connection.hang_up()
        peer.settimeout(30)
        assert peer.recv(1) == b""
