"""How a volume reaches a NIM: only while it is offered, only under its name, byte for byte."""

from __future__ import annotations

import os
import socket
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from workbench.domain.errors import ConfigurationError
from workbench.nim.exchange import ExchangeFolder, ExchangeUrl

CONTENT = bytes(range(256)) * 40


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    path = tmp_path / "Doe^John.nii.gz"
    path.write_bytes(CONTENT)
    return path


@pytest.fixture
def listener() -> Iterator[ExchangeUrl]:
    exchange = ExchangeUrl(listen="127.0.0.1:0")
    yield exchange
    exchange.close()


@pytest.fixture
def web() -> Iterator[httpx.Client]:
    with httpx.Client(trust_env=False, timeout=5) as client:
        yield client


def test_an_offered_file_is_served_as_often_as_asked_and_then_gone(
    listener: ExchangeUrl, volume: Path, web: httpx.Client
) -> None:
    with listener.offer(volume) as offer:
        assert offer.was_fetched() is False
        assert [web.get(offer.image).content for _ in range(3)] == [CONTENT] * 3
        head = web.head(offer.image)
        assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", str(len(CONTENT)))
        assert offer.was_fetched() is True
    assert web.get(offer.image).status_code == 404
    assert web.head(offer.image).status_code == 404


@pytest.mark.parametrize(
    ("asked", "status", "first", "after"),
    [
        ("bytes=0-9", 206, 0, 10),
        ("bytes=100-", 206, 100, len(CONTENT)),
        ("bytes=-7", 206, len(CONTENT) - 7, len(CONTENT)),
        ("bytes=10-999999999", 206, 10, len(CONTENT)),
        ("bytes=9-3", 200, 0, len(CONTENT)),
        ("bytes=0-1,5-6", 200, 0, len(CONTENT)),
        ("bytes=x-y", 200, 0, len(CONTENT)),
        ("lines=1-2", 200, 0, len(CONTENT)),
    ],
)
def test_a_part_of_the_file_may_be_asked_for(
    listener: ExchangeUrl, volume: Path, web: httpx.Client, asked: str, status: int, first: int, after: int
) -> None:
    with listener.offer(volume) as offer:
        reply = web.get(offer.image, headers={"Range": asked})
    assert reply.status_code == status
    assert reply.content == CONTENT[first:after]
    if status == 206:
        assert reply.headers["content-range"] == f"bytes {first}-{after - 1}/{len(CONTENT)}"


def test_a_part_behind_the_end_is_refused(listener: ExchangeUrl, volume: Path, web: httpx.Client) -> None:
    with listener.offer(volume) as offer:
        reply = web.get(offer.image, headers={"Range": f"bytes={len(CONTENT)}-"})
    assert reply.status_code == 416


def test_nothing_else_is_served(listener: ExchangeUrl, volume: Path, web: httpx.Client) -> None:
    with listener.offer(volume) as offer:
        base, _, name = offer.image.rpartition("/")
        for path in (
            "",
            name[:-1],
            f"{name}/",
            f"x/{name}",
            f"..%2f{name}",
            volume.name,
            "%2e%2e/etc/passwd",
            name[1:],
        ):
            reply = web.get(f"{base}/{path}")
            assert (reply.status_code, reply.content) == (404, b""), path
        for method in ("POST", "PUT", "DELETE", "OPTIONS", "PROPFIND"):
            assert web.request(method, offer.image).status_code == 404, method


def test_names_end_in_nii_gz_are_long_and_never_repeat(listener: ExchangeUrl, volume: Path) -> None:
    names = set()
    for _ in range(50):
        with listener.offer(volume) as offer:
            names.add(offer.image.rpartition("/")[2])
    assert len(names) == 50
    assert all(len(name) == 64 + len(".nii.gz") and name.endswith(".nii.gz") for name in names)
    assert not any("Doe" in name for name in names)


def test_the_server_says_nothing_of_itself(
    listener: ExchangeUrl, volume: Path, web: httpx.Client, capfd: pytest.CaptureFixture[str]
) -> None:
    with listener.offer(volume) as offer:
        headers = web.get(offer.image).headers
        web.get(offer.image + "x")
    assert headers["server"] == "exchange"
    assert headers["cache-control"] == "no-store"
    assert offer.secret not in "".join(capfd.readouterr())


def test_two_files_offered_at_once_do_not_mix(
    listener: ExchangeUrl, volume: Path, tmp_path: Path, web: httpx.Client
) -> None:
    other = tmp_path / "other.nii.gz"
    other.write_bytes(b"other")
    with listener.offer(volume) as one, listener.offer(other) as two:
        assert web.get(one.image).content == CONTENT
        assert web.get(two.image).content == b"other"


def test_a_base_url_is_given_in_place_of_the_address_and_its_path_is_served(volume: Path, web: httpx.Client) -> None:
    plain = ExchangeUrl(listen="127.0.0.1:0")
    own = plain.url()
    plain.close()
    exchange = ExchangeUrl(listen=own.removeprefix("http://"), base_url="http://host.docker.internal:8526/volumes/")
    try:
        with exchange.offer(volume) as offer:
            assert offer.image.startswith("http://host.docker.internal:8526/volumes/")
            name = offer.image.rpartition("/")[2]
            assert web.get(f"{own}/volumes/{name}").content == CONTENT
            assert web.get(f"{own}/{name}").content == CONTENT
    finally:
        exchange.close()


def test_closing_lets_go_of_the_port(volume: Path) -> None:
    exchange = ExchangeUrl(listen="127.0.0.1:0")
    port = int(exchange.url().rpartition(":")[2])
    exchange.close()
    with socket.socket() as line:
        assert line.connect_ex(("127.0.0.1", port)) != 0
    exchange.close()


def test_nothing_listens_before_the_first_offer() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        exchange = ExchangeUrl(listen=f"127.0.0.1:{taken.getsockname()[1]}")
        with pytest.raises(ConfigurationError, match="in use") as raised:
            exchange.url()
    assert "IMAGING_NIM_EXCHANGE_LISTEN" in (raised.value.hint or "")


@pytest.mark.parametrize("listen", ["", "8526", "127.0.0.1", "127.0.0.1:port", "127.0.0.1:70000"])
def test_an_address_to_listen_on_that_is_none_is_a_configuration_error(listen: str) -> None:
    with pytest.raises(ConfigurationError, match="EXCHANGE_LISTEN"):
        ExchangeUrl(listen=listen)


@pytest.mark.parametrize(
    ("nim", "listen", "base", "warned"),
    [
        ("http://gpu.hospital.local:8530", "127.0.0.1:0", "", True),
        ("http://gpu.hospital.local:8530", "0.0.0.0:8526", "http://localhost:8526", True),
        ("http://gpu.hospital.local:8530", "0.0.0.0:8526", "", False),
        ("http://gpu.hospital.local:8530", "127.0.0.1:0", "http://workbench.hospital.local", False),
        ("http://localhost:8530", "127.0.0.1:0", "", False),
        ("", "127.0.0.1:0", "", False),
    ],
)
def test_a_nim_elsewhere_that_would_be_sent_to_itself_is_warned_of(
    nim: str, listen: str, base: str, warned: bool
) -> None:
    assert (ExchangeUrl(listen=listen, base_url=base, nim_url=nim).warning() is not None) is warned


def test_a_folder_holds_a_readable_copy_under_a_new_name_while_it_is_offered(volume: Path, tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    volume.chmod(0o600)
    with ExchangeFolder(folder=shared, mount="/exchange").offer(volume) as offer:
        (copy,) = shared.iterdir()
        assert offer.image == f"/exchange/{copy.name}"
        assert copy.read_bytes() == CONTENT
        assert stat.S_IMODE(copy.stat().st_mode) == 0o644
        assert copy.stat().st_ino != volume.stat().st_ino
        assert offer.was_fetched() is None
    assert list(shared.iterdir()) == []
    assert stat.S_IMODE(volume.stat().st_mode) == 0o600


def test_a_folder_is_cleaned_after_an_error(volume: Path, tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    with pytest.raises(RuntimeError), ExchangeFolder(folder=shared, mount="/exchange").offer(volume):
        raise RuntimeError
    assert list(shared.iterdir()) == []


def test_a_copy_left_by_a_crash_is_removed_and_nothing_else(volume: Path, tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    left, young, foreign = shared / f"{'a' * 64}.nii.gz", shared / f"{'b' * 64}.nii.gz", shared / "someone.nii.gz"
    for path in (left, young, foreign):
        path.write_bytes(b"x")
    old = time.time() - 2 * 24 * 3600
    os.utime(left, (old, old))
    os.utime(foreign, (old, old))
    with ExchangeFolder(folder=shared, mount="/exchange").offer(volume):
        pass
    assert sorted(shared.iterdir()) == sorted([young, foreign])


def test_a_missing_folder_names_its_setting(volume: Path, tmp_path: Path) -> None:
    folder = ExchangeFolder(folder=tmp_path / "absent", mount="/exchange")
    with pytest.raises(ConfigurationError, match="IMAGING_NIM_EXCHANGE_DIR") as raised, folder.offer(volume):
        pass
    assert str(tmp_path) not in str(raised.value)
