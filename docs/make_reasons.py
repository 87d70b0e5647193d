"""Write the table of reasons in docs/review.md out of `btfer_builder.reasons`: `make docs`."""

import re
from pathlib import Path

from btfer_builder.reasons import REASONS

PAGE = Path(__file__).with_name("review.md")

_TABLE = re.compile(r"(?<=\n)\| key \| reason \| meaning \|\n(?:\|.*\n)+")


def with_reasons_table(page: str) -> str:
    """Return the page with the table of the reasons a reviewer may give for a rejection."""
    rows = [
        f"| `{reason.key}` | {reason.name.replace('_', ' ')} | {reason.meaning} |"
        for reason in REASONS["review"].values()
    ]
    table = "\n".join(["| key | reason | meaning |", "|---|---|---|", *rows, ""])
    text, count = _TABLE.subn(lambda _: table, page)
    if count != 1:
        raise ValueError(f"{PAGE.name} has {count} tables of reasons; expected 1")
    return text


if __name__ == "__main__":
    PAGE.write_text(with_reasons_table(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
