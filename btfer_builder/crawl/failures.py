"""Reasons of failed downloads: the only place that maps exceptions and statuses to the reasons of drops."""

import aiohttp

from btfer_builder.crawl.ssrf_guard import PrivateAddressError


class FetchError(Exception):
    """A failed download.

    Parameters
    ----------
    reason
        Reason of the drop.
    detail
        What happened, cut at 500 characters.
    pause
        Seconds that the host asks to wait, if any.
    malformed
        Whether the host sent something that is no HTTP response.
    """

    def __init__(
        self, reason: str, detail: str = "", pause: float | None = None, *, malformed: bool = False
    ) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = storable(detail[:500])
        self.pause = pause
        self.malformed = malformed


def storable(text: str) -> str:
    """Return a text without lone surrogates, which undecodable header bytes become and which no file can store."""
    return text.encode("utf-8", "replace").decode()


def to_fetch_error(error: Exception) -> FetchError:
    """Return the failure for an exception; every exception has a reason, so no address ends a batch.

    Parameters
    ----------
    error
        Exception of parsing an address, resolving or requesting its host, or reading its response. Errors of the
        local disk must not be passed.
    """
    if isinstance(error, FetchError):
        return error
    if isinstance(error, PrivateAddressError):
        return FetchError("private_address", str(error))
    if isinstance(error, aiohttp.TooManyRedirects):
        return FetchError("too_many_redirects", f"more than {len(error.history) - 1}")
    if isinstance(error, TimeoutError):
        return FetchError("timeout", str(error) or type(error).__name__)
    network = isinstance(error, aiohttp.ClientError | OSError) and not isinstance(error, aiohttp.InvalidURL)
    if isinstance(error, ValueError) and not network:  # a certificate error is both
        return FetchError("bad_url", str(error))
    malformed = isinstance(error, aiohttp.ClientResponseError)
    return FetchError("unreachable", f"{type(error).__name__}: {error}", malformed=malformed)


def status_reason(status: int) -> str:
    """Return the reason for an HTTP status other than success."""
    if status in {404, 410}:
        return "not_found"
    if status in {429, 503}:
        return "busy"
    if status in {401, 403, 451}:
        return "forbidden"
    return "server_error" if status >= 500 else "http_error"
