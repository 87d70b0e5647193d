"""Private addresses are not contacted, however they are written and whatever name leads to them."""

import asyncio
import socket

import httpcore
import pytest

from btfer_builder.crawl import addresses
from btfer_builder.crawl.addresses import GuardedBackend, PrivateAddressError, is_public


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
    async def open_and_close() -> None:
        stream = await GuardedBackend().connect_tcp(host, port, timeout=2)
        await stream.aclose()

    asyncio.run(open_and_close())


def resolve_to(monkeypatch, *found: list[str]) -> list[str]:
    """Have the resolver give these answers one after the other; return the list of names it is asked for."""
    answers, asked = list(found), []

    async def resolve(_self, host: str, _port: int) -> list[str]:
        asked.append(host)
        return answers.pop(0)

    monkeypatch.setattr(GuardedBackend, "resolve", resolve)
    return asked


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "::1", "0x7f000001", "2130706433", "127.1", "0177.0.0.1", "::ffff:127.0.0.1", "0"],
)  # fmt: skip
def test_every_spelling_of_loopback_is_refused_before_it_is_contacted(web, host):
    with pytest.raises(PrivateAddressError):
        connect(host, int(web.url.rpartition(":")[2]))
    assert web.connections == 0


def test_a_real_name_is_resolved():
    found = asyncio.run(GuardedBackend().resolve("localhost", 80))
    assert found
    assert set(found) <= {"127.0.0.1", "::1"}


def test_one_private_address_among_public_ones_is_enough_to_refuse(web, monkeypatch):
    resolve_to(monkeypatch, ["93.184.216.34", "127.0.0.1"])
    with pytest.raises(PrivateAddressError, match=r"photos\.example is 127\.0\.0\.1"):
        connect("photos.example", int(web.url.rpartition(":")[2]))
    assert web.connections == 0


def test_a_name_is_resolved_once_so_it_cannot_be_rebound_between_check_and_connection(web, monkeypatch):
    monkeypatch.setattr(addresses, "is_public", lambda _address: True)  # the test has no public server
    asked = resolve_to(monkeypatch, ["127.0.0.1"])
    connect(
        "photos.example", int(web.url.rpartition(":")[2])
    )  # no such name: only the checked address is there
    assert asked == ["photos.example"]
    assert web.accepted(1)


def test_the_next_address_is_tried_when_the_first_does_not_answer(web, monkeypatch):
    monkeypatch.setattr(addresses, "is_public", lambda _address: True)
    resolve_to(monkeypatch, ["::1", "127.0.0.1"])  # the server listens on IPv4 only
    connect("photos.example", int(web.url.rpartition(":")[2]))
    assert web.accepted(1)


def test_a_host_none_of_whose_addresses_answers_is_a_connection_error(monkeypatch):
    monkeypatch.setattr(addresses, "is_public", lambda _address: True)
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound, not listening
        for found in (["127.0.0.1"], ["::1", "127.0.0.1"], []):
            resolve_to(monkeypatch, found)
            with pytest.raises(httpcore.ConnectError):
                connect("photos.example", unused.getsockname()[1])


def test_a_name_that_does_not_exist_is_a_connection_error():
    with pytest.raises(httpcore.ConnectError):
        connect("nothing.invalid", 80)
