"""What is true of your own pictures: licence, creator, attribution and consent, for all of them or for each file."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from os.path import isabs, normpath
from pathlib import Path

from btfer_builder.config import SourceRecipe
from btfer_builder.crawl.licenses import UNKNOWN, license_code
from btfer_builder.errors import BtferError
from btfer_builder.io.csv import as_mapping, read_csv, refuse_repeated, unescape_cell
from btfer_builder.records import Candidate

#: The file beside the pictures, and its columns.
SOURCES_CSV = "sources.csv"
_FILE = ("file", "path", "filename", "file_name")
_VALUES = ("license", "license_url", "creator", "attribution", "consent", "page_url")
_CONSENT = {"yes": "yes", "no": "no", "unknown": "", "": ""}


@dataclass(frozen=True, slots=True)
class OwnSource:
    """What is true of pictures; empty where nothing is stated."""

    license: str = ""
    license_url: str = ""
    creator: str = ""
    attribution: str = ""
    consent: str = ""
    page_url: str = ""


@dataclass(frozen=True, slots=True)
class Sources:
    """The statements for each file, by its path, and for all others."""

    path: Path
    by_file: Mapping[Path, tuple[int, OwnSource]]
    default: OwnSource
    used: set[Path] = field(default_factory=set)

    def apply(self, file: Path, candidate: Candidate) -> Candidate:
        """Return the candidate of a file with what is stated about it."""
        resolved = file.resolve()
        self.used.add(resolved)
        _, own = self.by_file.get(resolved, (0, self.default))
        stated = {name: value for name in _VALUES if (value := getattr(own, name))}
        return replace(candidate, **stated)

    def check_all_used(self) -> None:
        """Raise an error if a row names a file that is not among the pictures."""
        for file, (line, _) in self.by_file.items():
            if file not in self.used and not file.is_file():
                raise BtferError(f"{self.path}, line {line}: {file} does not exist; remove the line")


def own_source(recipe: SourceRecipe) -> OwnSource:
    """Return the statements of the recipe.

    Raises
    ------
    BtferError
        If the licence is not known.
    """
    _check_license(recipe.license, "", "source.license")
    return OwnSource(
        license=recipe.license,
        creator=recipe.creator,
        attribution=recipe.attribution,
        consent=_CONSENT[recipe.consent],
    )


def read_sources(folder: Path, default: OwnSource) -> Sources:
    """Read the `sources.csv` of a folder, if it has one.

    It has a column `file` (a path from the folder on) and any of `license`, `license_url`, `creator`, `attribution`,
    `consent` (yes, no, unknown) and `page_url`. An empty cell is what holds for all pictures.

    Raises
    ------
    BtferError
        If it cannot be read, or a row is invalid; the message names the line.
    """
    path = folder / SOURCES_CSV
    by_file: dict[Path, tuple[int, OwnSource]] = {}
    try:
        columns, rows = read_csv(path)
        columns = [re.sub("^licence", "license", re.sub(r"\s+", "_", name)) for name in columns]
        name = next((name for name in _FILE if name in columns), None)
        if name is None:
            raise BtferError(f"{path}: has no column file; expected file, {', '.join(_VALUES)}")
        refuse_repeated(path, columns, (name, *_VALUES))
        for line, cells in rows:
            row = {key: unescape_cell(cell).strip() for key, cell in as_mapping(columns, cells).items()}
            inside = normpath(row[name].replace("\\", "/"))
            if not row[name] or isabs(inside) or inside.split("/")[0] == "..":
                raise BtferError(f"{path}, line {line}: {row[name][:80]!r} is not a file in {folder}")
            file = (folder / inside).resolve()  # a link may lead elsewhere
            if file in by_file:
                raise BtferError(f"{path}, line {line}: {row[name][:80]} is listed twice")
            by_file[file] = line, _read_row(row, default, f"{path}, line {line}")
    except (FileNotFoundError, NotADirectoryError):
        return Sources(path, {}, default)
    except OSError as error:
        raise BtferError(f"{path}: cannot be read: {error.strerror}") from None
    return Sources(path, by_file, default)


def _read_row(row: Mapping[str, str], default: OwnSource, where: str) -> OwnSource:
    stated = {name: row[name] for name in _VALUES if row.get(name)}
    if "consent" in stated:
        if stated["consent"].lower() not in _CONSENT:
            raise BtferError(f"{where}: consent is {stated['consent'][:40]!r}; expected yes, no or unknown")
        stated["consent"] = _CONSENT[stated["consent"].lower()]
    if "page_url" in stated and not re.match("https?://", stated["page_url"], re.I):
        raise BtferError(
            f"{where}: page_url is {stated['page_url'][:80]!r}; expected an http or https address"
        )
    _check_license(stated.get("license", ""), stated.get("license_url", ""), where)
    return replace(default, **({"license_url": ""} if "license" in stated else {}), **stated)


def _check_license(text: str, url: str, where: str) -> None:
    if text.lower() not in {"", UNKNOWN} and license_code(text, url) == UNKNOWN:
        raise BtferError(
            f"{where}: {text[:80]!r} is not a licence that can be released; expected cc0, pdm, by, by-sa, by-nd, "
            "by-nc, by-nc-sa, by-nc-nd, their full names, or unknown"
        )
