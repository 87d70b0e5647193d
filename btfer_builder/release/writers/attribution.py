"""Who is to be named for which picture: LICENSES.csv for programs, ATTRIBUTION.md for people."""

import re
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from btfer_builder.crawl.licenses import page_code
from btfer_builder.io.csv import write_csv
from btfer_builder.release.released_faces import ReleasedFace, is_web
from btfer_builder.sample.provenance import LICENSES

#: Licences that ask for no name: naming nobody tells less of people.
UNNAMED = ("cc0", "pdm", "unknown")

#: Where a licence can be read when its engine did not say which version it is.
_DEEDS = {
    "cc0": "https://creativecommons.org/publicdomain/zero/1.0/",
    "pdm": "https://creativecommons.org/publicdomain/mark/1.0/",
}
_OTHER_DEEDS = "https://creativecommons.org/share-your-work/cclicenses/"

_COLUMNS = ("face_id", "file_name", "license", "license_url", "creator", "source")


def license_rows(faces: Sequence[ReleasedFace]) -> list[dict[str, str]]:
    """Return for every face its licence and, where the licence asks for it, its creator and source."""
    rows = []
    for face in faces:
        named = face.license not in UNNAMED
        page = next((url for url in (face.source.page_url, face.source.url) if is_web(url)), "")
        rows.append(
            {
                "face_id": face.face_id,
                "file_name": f"{face.split}/{face.file_name}",
                "license": face.license,
                "license_url": license_url(face),
                "creator": one_line(face.source.creator) if named else "",
                # A known licence can be checked by everybody at its source.
                "source": page if face.license in LICENSES else "",
            }
        )
    return rows


def license_url(face: ReleasedFace) -> str:
    """Return where the licence of a face can be read; empty if it has none."""
    given = face.source.license_url.strip()
    if face.license not in LICENSES:
        return ""
    if page_code(given) == face.license:
        return given
    version = re.search(r"\b[1-4]\.[05]\b", face.source.license)
    if version and face.license not in _DEEDS:
        return f"https://creativecommons.org/licenses/{face.license}/{version[0]}/"
    return _DEEDS.get(face.license, _OTHER_DEEDS)


def write_attribution(folder: Path, faces: Sequence[ReleasedFace]) -> None:
    """Write LICENSES.csv and ATTRIBUTION.md."""
    rows = license_rows(faces)
    write_csv(folder / "LICENSES.csv", _COLUMNS, rows)
    lines = [
        "# Attribution",
        "",
        "Every picture is one face cut out of a photograph and scaled; nothing else was changed unless the dataset",
        "card says so. Titles are left out on purpose: they often name the person shown.",
    ]
    for code in reversed([*LICENSES]):
        own = [row for row in rows if row["license"] == code]
        if own:
            lines += ["", f"## {LICENSES[code]}", ""]
            lines += [_line(row) for row in own]
    if unlicensed := sum(row["license"] not in LICENSES for row in rows):
        lines += ["", "## Without a known licence", "", f"{unlicensed} pictures. They may not be passed on."]
    (folder / "ATTRIBUTION.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _line(row: dict[str, str]) -> str:
    parts = [f"`{row['face_id']}`"]
    if row["creator"]:
        parts.append(f"by {markdown(row['creator'])}")
    if row["source"]:
        parts.append(f"[source](<{safe_url(row['source'])}>)")
    parts.append(f"[licence](<{safe_url(row['license_url'])}>)")
    return "- " + ", ".join(parts)


def one_line(text: str) -> str:
    """Return text from the network without line breaks and control characters."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())


def markdown(text: str) -> str:
    """Return text from the network so that Markdown and HTML take it for text."""
    text = one_line(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return "".join(f"\\{char}" if char in "\\`*_{}[]()#|!~" else char for char in text)


def safe_url(url: str) -> str:
    """Return an address in which nothing ends a Markdown link early."""
    return quote(url, safe=":/?#[]@!$&'*+,;=%~-._")
