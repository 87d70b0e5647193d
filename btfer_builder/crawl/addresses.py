"""Which addresses may be contacted: checked after the name is resolved, at every connection."""

import ipaddress
import socket
from collections.abc import Iterable
from typing import Any

import anyio
import httpcore


class PrivateAddressError(Exception):
    """A host whose address is not a public one."""


def is_public(address: str) -> bool:
    """Return whether an IP address is reachable from anywhere: not loopback, private, link-local, multicast..."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped:
        ip = ip.ipv4_mapped
    return ip.is_global and not ip.is_multicast


class GuardedBackend(httpcore.AnyIOBackend):
    """Connects to the address it has checked, so a name cannot point elsewhere a moment later (rebinding)."""

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Resolve, refuse a private address, connect."""
        try:
            found = await anyio.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError(str(error)) from None
        addresses = [str(entry[4][0]) for entry in found]
        for address in addresses:
            if not is_public(address):
                raise PrivateAddressError(f"{host} is {address}")
        return await super().connect_tcp(addresses[0], port, timeout, local_address, socket_options)
