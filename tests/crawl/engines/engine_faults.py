"""What can be wrong with a result page: each fault answers for the page that should have come."""

import contextlib
import json
from collections.abc import Callable
from typing import Any

from tests.crawl.crawl_pictures import HTML

#: The handler of crawl_web.
Handler = Any


def _drip_page(handler: Handler, page: bytes) -> None:
    handler.head(200, "text/html")
    handler.drip(page * 100)


def _half_page(handler: Handler, page: bytes) -> None:
    handler.head(200, "text/html", content_length=str(len(page)))
    handler.wfile.write(page[: len(page) // 2])
    handler.close_connection = True


def _endless_page(handler: Handler, page: bytes) -> None:
    handler.head(200, "text/html")
    with contextlib.suppress(OSError):
        while not handler.web.closing.is_set():
            handler.web.sent_endlessly += handler.connection.send(page)


def _in_parts(handler: Handler, page: bytes) -> None:
    """Send the properties of ten files of a Wikimedia answer at a time."""
    answer, asked = json.loads(page), handler.web.parameters[-1]
    first = int(asked.get("iicontinue", 0))
    files = answer["query"]["pages"]
    for number, file in enumerate(files):
        if not first <= number < first + 10:
            del file["imageinfo"]
    if first + 10 < len(files):
        del answer["batchcomplete"]
        answer["continue"] = {"iicontinue": str(first + 10), "continue": "||"}
    handler.answer(200, json.dumps(answer).encode(), "application/json")


#: What can be wrong with a result page.
ENGINE_FAULTS: dict[str, Callable[[Handler, bytes], None]] = {
    "in-parts": _in_parts,
    "503": lambda h, page: h.answer(503, page, "text/html"),
    "429": lambda h, page: h.answer(429, page, "text/html"),
    "429-for-an-hour": lambda h, page: h.answer(429, page, "text/html", Retry_After="3600"),
    "429-for-a-moment": lambda h, page: h.answer(429, page, "text/html", Retry_After="0"),
    "close": lambda h, _: setattr(h, "close_connection", True),
    "reset": lambda h, _: h.reset(),
    "hang": lambda h, _: h.hang(),
    "drip": _drip_page,
    "half": _half_page,
    "endless": _endless_page,
    "form": lambda h, page: h.answer(200, page.replace(b"<a ", b"<x7 "), "text/html"),
    "attribute": lambda h, page: h.answer(200, page.replace(b" m=", b" data-m="), "text/html"),
    "key": lambda h, page: h.answer(200, page.replace(b"murl", b"mediaUrl"), "text/html"),
    "sign-in": lambda h, _: h.answer(200, HTML, "text/html"),
    "captcha": lambda h, _: h.answer(200, HTML.replace(b"Sign in", b"Solve the CAPTCHA"), "text/html"),
    "binary": lambda h, _: h.answer(200, bytes(range(256)) * 9, "text/html"),
    "empty": lambda h, _: h.answer(200, b"", "text/html"),
}
