"""Private addresses are not contacted, however they are written and whatever name leads to them."""

import asyncio
import socket
import threading
import time

import aiohttp
import pytest

from btfer_builder.crawl import ssrf_guard
from btfer_builder.crawl.ssrf_guard import (
    GuardedResolver,
    PrivateAddressError,
    guarded_sockets,
    is_loopback,
    is_public,
    resolves_publicly,
)


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "93.184.216.34", "2606:4700:4700::1111", "64:ff9b::808:808", "2002:808:808::1"]
)
def test_addresses_of_the_internet_are_public(address):
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.255.255.254", "0.0.0.0", "10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.1.1",
        "169.254.169.254", "100.64.0.1", "198.18.0.1", "192.0.2.1", "224.0.0.1", "239.1.1.1", "240.0.0.1",
        "255.255.255.255", "::", "::1", "fe80::1", "fe80::1%eth0", "fec0::1", "fc00::1", "fd00:ec2::254", "ff02::1",
        "ff0e::1", "2001:db8::1", "100::1", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "::ffff:10.0.0.1",
        "::127.0.0.1", "64:ff9b::127.0.0.1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::7f00:1", "2002:7f00:1::",
        "2002:a9fe:a9fe::1", "2001:0:7f00:1::", "4000::1",
    ],
)  # fmt: skip
def test_all_others_are_not(address):
    assert not is_public(address)


def connect(host: str, port: int) -> None:
    """Ask for robots.txt, which is not there, over the connector the fetcher has."""

    async def ask() -> None:
        connector = aiohttp.TCPConnector(
            resolver=GuardedResolver(allow_private=False),
            socket_factory=guarded_sockets(allow_private=False),
            happy_eyeballs_delay=None,
        )
        host_part = f"[{host}]" if ":" in host else host
        async with (
            aiohttp.ClientSession(connector=connector) as session,
            session.get(f"http://{host_part}:{port}/robots.txt") as answer,
        ):
            assert answer.status == 404

    asyncio.run(ask())


def resolve_to(monkeypatch, *found: list[str]) -> list[str]:
    """Have the resolver give these answers one after the other; return the list of names it is asked for."""
    answers, asked = list(found), []

    async def lookup(_self, host: str, _family: int = 0) -> list[str]:
        asked.append(host)
        return answers.pop(0)

    monkeypatch.setattr(GuardedResolver, "lookup", lookup)
    return asked


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "::1", "0x7f000001", "2130706433", "127.1", "0177.0.0.1", "::ffff:127.0.0.1", "0"],
)  # fmt: skip
def test_every_spelling_of_loopback_is_refused_before_it_is_contacted(web, host):
    # aiohttp itself refuses an IPv4 address that is not written as four numbers.
    with pytest.raises((PrivateAddressError, aiohttp.InvalidURL)):
        connect(host, int(web.url.rpartition(":")[2]))
    assert web.connections == 0


@pytest.mark.parametrize("address", ["127.0.0.1", "2130706433", "127.1", "::1", "", "x", "169.254.169.254"])
def test_no_socket_is_opened_for_a_private_address_or_one_that_cannot_be_judged(address):
    info = (socket.AF_INET, socket.SOCK_STREAM, 0, "", (address, 80))
    with pytest.raises(PrivateAddressError):
        guarded_sockets(allow_private=False)(info)
    guarded_sockets(allow_private=True)(info).close()


def test_a_real_name_is_resolved():
    found = asyncio.run(GuardedResolver(allow_private=True).resolve("localhost", 80))
    assert found
    assert {entry["host"] for entry in found} <= {"127.0.0.1", "::1"}
    assert {entry["port"] for entry in found} == {80}


def test_only_this_machine_is_loopback():
    for host in ("127.0.0.1", "127.3.2.1", "::1", "[::1]", "localhost", "LOCALHOST"):
        assert is_loopback(host), host
    for host in (
        "10.0.0.1",
        "192.168.1.1",
        "localhost.example",
        "127.0.0.1.example",
        "example",
        "",
        "169.254.169.254",
    ):
        assert not is_loopback(host), host


def test_a_host_of_a_redirect_is_public_or_not():
    assert resolves_publicly("93.184.216.34")
    for host in ("127.0.0.1", "localhost", "10.0.0.1", "nothing.invalid", "", "a" * 300):
        assert not resolves_publicly(host), host


def test_lookups_that_hang_hold_up_nobody_and_not_the_end(monkeypatch):
    """The system's resolver hangs for half a minute when a name server is silent, and cannot be stopped."""
    hanging, release = threading.Semaphore(0), threading.Event()

    def getaddrinfo(host: str, *_: object, **__: object) -> list[tuple]:
        if host.startswith("hanging"):
            hanging.release()
            release.wait(20)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 0))]

    monkeypatch.setattr(ssrf_guard.socket, "getaddrinfo", getaddrinfo)

    async def lookups() -> list[str]:
        resolver = GuardedResolver(allow_private=True)
        stuck = [asyncio.create_task(resolver.lookup(f"hanging{n}.example")) for n in range(80)]
        async with asyncio.timeout(5):
            await asyncio.sleep(0.01)
            found = await resolver.lookup("good.example")
        for task in stuck:
            task.cancel()
        return found

    started = time.monotonic()
    assert asyncio.run(lookups()) == ["127.0.0.1"]
    assert time.monotonic() - started < 5, "the end of the loop waits for no lookup"
    assert hanging.acquire(timeout=5)
    release.set()


def test_one_private_address_among_public_ones_is_enough_to_refuse(web, monkeypatch):
    resolve_to(monkeypatch, ["93.184.216.34", "127.0.0.1"])
    with pytest.raises(PrivateAddressError, match=r"photos\.example is 127\.0\.0\.1"):
        connect("photos.example", int(web.url.rpartition(":")[2]))
    assert web.connections == 0


def test_a_name_is_resolved_once_so_it_cannot_be_rebound_between_check_and_connection(web, monkeypatch):
    monkeypatch.setattr(ssrf_guard, "is_public", lambda _address: True)  # the test has no public server
    asked = resolve_to(monkeypatch, ["127.0.0.1"])
    connect(
        "photos.example", int(web.url.rpartition(":")[2])
    )  # no such name: only the checked address is there
    assert asked == ["photos.example"]
    assert web.accepted(1)


def test_the_next_address_is_tried_when_the_first_does_not_answer(web, monkeypatch):
    monkeypatch.setattr(ssrf_guard, "is_public", lambda _address: True)
    resolve_to(monkeypatch, ["::1", "127.0.0.1"])  # the server listens on IPv4 only
    connect("photos.example", int(web.url.rpartition(":")[2]))
    assert web.accepted(1)


def test_a_host_none_of_whose_addresses_answers_is_a_connection_error(monkeypatch):
    monkeypatch.setattr(ssrf_guard, "is_public", lambda _address: True)
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound, not listening
        for found in (["127.0.0.1"], ["::1", "127.0.0.1"], []):
            resolve_to(monkeypatch, found)
            with pytest.raises(aiohttp.ClientConnectorError):
                connect("photos.example", unused.getsockname()[1])


def test_a_name_that_does_not_exist_is_a_connection_error():
    with pytest.raises(aiohttp.ClientConnectorError):
        connect("nothing.invalid", 80)
