"""Why an address gave nothing: the one place that turns what goes wrong on the way into a reason of a drop."""

import aiohttp

from btfer_builder.crawl.ssrf_guard import PrivateAddressError


class FetchError(Exception):
    """A file that is dropped, with its reason, and the seconds its host asks to be left alone, if it does."""

    def __init__(self, reason: str, detail: str = "", pause: float | None = None) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = storable(detail[:500])
        self.pause = pause


def storable(text: str) -> str:
    """Return a text without half characters, which are what other bytes of a header become, and no file can hold."""
    return text.encode("utf-8", "replace").decode()


def failed(error: Exception) -> FetchError:
    """Return the reason why an address failed; every exception has one, so that no address ends a batch.

    Parameters
    ----------
    error
        What was raised while an address was read, its host looked up or asked, or its answer taken apart. Errors of
        this machine's disk must not come here.
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
    if isinstance(error, ValueError) and not network:  # that of a certificate is both
        return FetchError("bad_url", str(error))
    return FetchError("unreachable", f"{type(error).__name__}: {error}")
