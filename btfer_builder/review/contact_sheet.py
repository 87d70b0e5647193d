"""Write contact sheets: HTML pages with the pictures of an exported table, which need no server and no network."""

import base64
import io
from collections.abc import Mapping, Sequence
from functools import cache
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from btfer_builder.images.thumbnails import thumbnail
from btfer_builder.io.atomic import write_bytes
from btfer_builder.io.storage import Root
from btfer_builder.io.terminal import bar
from btfer_builder.records import Kind

if TYPE_CHECKING:
    from jinja2 import Template

Row = TypeVar("Row", bound=Mapping[str, object])

#: Items on each page: a page is a few megabytes.
PER_PAGE = 500
#: Most items in all pages: making a picture takes milliseconds, and nobody reads more pages.
MOST = 10_000
#: Longest side of a picture in pixels.
_SIDE = 128


def page_name(table: Path, number: int) -> str:
    """Return the name of the page with an item, by its number in the table from 0: `faces.sheet.html`."""
    page = number // PER_PAGE
    return f"{table.stem}.sheet.html" if not page else f"{table.stem}.sheet-{page + 1}.html"


def pictured(rows: Sequence[Row]) -> Sequence[Row]:
    """Return the rows that go into a contact sheet: all, or of more than `MOST` the first without a verdict."""
    if len(rows) <= MOST:
        return rows
    return list(islice((row for row in rows if not row["verdict"]), MOST))


def write_contact_sheet(root: Root, table: Path, rows: Sequence[Mapping[str, object]]) -> None:
    """Write the pages beside a table.

    Parameters
    ----------
    root
        The workspace's files.
    table
        The CSV file.
    rows
        Its rows, with `item_id`, `kind`, `path`, `emotion`, `verdict`, `reason` and `query`.

    Raises
    ------
    BtferError
        If a page cannot be written.
    """
    pages = max(1, -(-len(rows) // PER_PAGE))
    with bar(len(rows), "contact sheet", "pictures") as progress:
        for page in range(pages):
            items = []
            for row in rows[page * PER_PAGE : (page + 1) * PER_PAGE]:
                items.append({**row, "picture": _picture(root, row)})
                progress.update(1)
            html = _template().render(
                title=table.name,
                items=items,
                page=page + 1,
                pages=pages,
                before=page_name(table, (page - 1) * PER_PAGE) if page else "",
                after=page_name(table, (page + 1) * PER_PAGE) if page + 1 < pages else "",
            )
            write_bytes(table.with_name(page_name(table, page * PER_PAGE)), html.encode())


def _picture(root: Root, row: Mapping[str, Any]) -> str:
    """Return an item's thumbnail as base64; empty if it cannot be decoded."""
    from PIL import Image

    content = thumbnail(root, cast(Kind, row["kind"]), str(row["item_id"]), str(row["path"]))
    if content is None:
        return ""
    small = io.BytesIO()
    with Image.open(io.BytesIO(content)) as image:
        image.thumbnail((_SIDE, _SIDE))
        image.save(small, "JPEG", quality=82)
    return base64.b64encode(small.getvalue()).decode()


@cache
def _template() -> "Template":
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("btfer_builder.review"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=True,
    )
    return environment.get_template("contact_sheet.html.j2")
