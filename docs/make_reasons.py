"""Write docs/reasons.md and the table in docs/review.md out of `btfer_builder.reasons`: `make docs`."""

import re
from pathlib import Path

from btfer_builder.reasons import REASONS

PAGE = Path(__file__).with_name("review.md")
LIST = Path(__file__).with_name("reasons.md")

_HEAD = """# Reasons

Why an item is dropped, by stage, made by `make docs`. In every stage **in = kept + Σ dropped(reason)**: `btfer status`
prints it, and the column `reason` of [the tables](files.md) has the reason of each row.
"""
#: The page of each stage, and what else is in its tables under these reasons.
_STAGES = {
    "crawl": ("A search result. [Crawling](crawling.md#reasons) says which are tried again.", "Crawl"),
    "dedupe": ("A photo, and with `btfer dedupe --faces` a face ([duplicates](dedupe.md)).", "Dedupe"),
    "crop": ("A photo without a face to keep, or one of its faces ([cropping](crop.md)).", "Crop"),
    "review": ("A photo or a face that a reviewer rejected, with the key that does it after `x` ([review](review.md)).",
               "Review"),
    "sample": ("An accepted face that was not drawn ([drawing a sample](releasing.md#drawing-a-sample)).", "Sample"),
}  # fmt: skip

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


def reasons_page() -> str:
    """Return the page with the reasons of all stages."""
    parts = [_HEAD]
    for stage, reasons in REASONS.items():
        text, title = _STAGES[stage]
        keys = any(reason.key for reason in reasons.values())
        head = (
            ["| reason | key | meaning |", "|---|---|---|"] if keys else ["| reason | meaning |", "|---|---|"]
        )
        rows = [
            f"| `{reason.name}` | " + (f"`{reason.key}` | " if keys else "") + f"{reason.meaning} |"
            for reason in reasons.values()
        ]
        parts.append("\n".join([f"## {title}", "", text, "", *head, *rows, ""]))
    return "\n".join(parts)


if __name__ == "__main__":
    LIST.write_text(reasons_page(), encoding="utf-8")
    PAGE.write_text(with_reasons_table(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
