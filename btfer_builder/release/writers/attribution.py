"""Write the licence and attribution of each image: LICENSES.csv for programs, ATTRIBUTION.md for people."""

from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from btfer_builder.io.csv import write_csv
from btfer_builder.io.text import one_line
from btfer_builder.release import schema
from btfer_builder.release.released_faces import ReleasedFace
from btfer_builder.sample.provenance import LICENSES


def write_attribution(folder: Path, faces: Sequence[ReleasedFace]) -> None:
    """Write LICENSES.csv and ATTRIBUTION.md."""
    rows = list(schema.rows(faces, schema.LICENSES))
    write_csv(folder / schema.LICENSES, schema.names(schema.LICENSES), rows)
    lines = [
        "# Attribution",
        "",
        "Each image is one face, cropped from a photo and scaled; nothing else is changed unless the dataset card",
        "says so. Titles are left out on purpose: they often name the person shown.",
    ]
    if restricted := sum(bool(row["restrictions"]) for row in rows):
        lines += [
            "",
            f"Sources of {restricted} images state rights other than copyright, such as personality rights.",
            "The licence does not cover these. They are named at each image.",
        ]
    for code in reversed([*LICENSES]):
        own = [row for row in rows if row["license"] == code]
        if own:
            lines += ["", f"## {LICENSES[code]}", ""]
            lines += [_line(row) for row in own]
    if unlicensed := sum(row["license"] not in LICENSES for row in rows):
        lines += [
            "",
            "## Without a known licence",
            "",
            f"{unlicensed} images. They may not be redistributed.",
        ]
    (folder / "ATTRIBUTION.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _line(row: dict[str, str]) -> str:
    parts = [f"`{row['face_id']}`"]
    if row["creator"]:
        parts.append(f"by {markdown(row['creator'])}")
    if row["attribution"]:
        parts.append(markdown(row["attribution"]))
    if row["source"]:
        parts.append(f"[source](<{safe_url(row['source'])}>)")
    parts.append(f"[licence](<{safe_url(row['license_url'])}>)")
    if row["restrictions"]:
        parts.append(f"other rights: {markdown(row['restrictions'].replace('|', ', '))}")
    return "- " + ", ".join(parts)


def markdown(text: str) -> str:
    """Escape text from outside for Markdown and HTML."""
    text = one_line(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return "".join(f"\\{char}" if char in "\\`*_{}[]()#|!~" else char for char in text)


def safe_url(url: str) -> str:
    """Quote an address for a Markdown link."""
    return quote(url, safe=":/?#[]@!$&'*+,;=%~-._")
