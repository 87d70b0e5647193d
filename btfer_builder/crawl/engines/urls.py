"""A list of URLs as an engine: a table with any usual names of its columns, or a plain list."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from btfer_builder.crawl.engines.folder import did_you_mean
from btfer_builder.errors import BtferError
from btfer_builder.io.csv import NotCsv, as_mapping, read_csv, refuse_repeated
from btfer_builder.io.json import parse_json
from btfer_builder.io.limits import MAX_TABLE, open_regular, read_lines
from btfer_builder.io.terminal import echo_stderr
from btfer_builder.labels import Emotion, emotion_of
from btfer_builder.records import Candidate, Search

#: Longest line of a list, in characters; servers refuse addresses of more than about 8,000.
_MAX_LINE = 1 << 16
#: Reasons of rows that are not taken that are counted one by one.
_REASONS = 10
#: Rows of a Parquet file that are read at a time.
_BATCH = 10_000

_SEARCH_COLUMNS = ("query", "language", "query_ethnicity", "query_gender", "query_age")
_CANDIDATE_COLUMNS = ("page_url", "title", "license", "license_url", "creator", "attribution")
#: What columns are called elsewhere, in lower case and without signs; the first name that a table has counts.
ALIASES: dict[str, tuple[str, ...]] = {
    "url": (
        "url", "imageurl", "contenturl", "downloadurl", "urlhighres", "originalurl", "imgurl", "fileurl", "imageuri",
    ),
    "emotion": ("emotion",),
    "page_url": ("pageurl", "foreignlandingurl", "originallandingurl", "landingurl", "urlsource", "descriptionurl"),
    "title": ("title", "caption", "text", "alttext", "description"),
    "license": ("license", "licence", "licensename", "licensetype"),
    "license_url": ("licenseurl", "licenceurl"),
    "creator": ("creator", "author", "ownername", "owner", "photographer", "artist", "creditto"),
    "attribution": ("attribution", "credit"),
    **{name: (name.replace("_", ""),) for name in _SEARCH_COLUMNS},
}  # fmt: skip

#: A row: where it is in the file, and its cells.
Row = tuple[str, Mapping[str, str]]


@dataclass(frozen=True)
class ListOptions:
    """How to read a list.

    Parameters
    ----------
    columns
        What columns are called in this list, by the names of `ALIASES`.
    where_caption
        Regular expression that the title or caption must match somewhere, in any case; empty: all rows.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    where_caption: str = ""


def read_urls(
    path: Path, emotions: tuple[Emotion, ...], options: ListOptions | None = None
) -> Iterator[tuple[Search, list[Candidate]]]:
    """Yield the URLs of the list, grouped by query and emotion, and print which rows are not taken.

    Parameters
    ----------
    path
        A table as CSV (any delimiter), Parquet or JSON Lines with a column of addresses, and any others of `ALIASES`;
        or a text file with one URL per line.
    emotions
        Rows of other emotions are not taken. A single emotion is the default of rows without one.
    options
        Names of columns, and a filter.

    Raises
    ------
    BtferError
        If the file cannot be read, or no row can be taken; the message names the line.
    """
    options = options or ListOptions()
    caption = _pattern(options.where_caption)
    searches: dict[tuple[str, Emotion], tuple[Search, list[Candidate]]] = {}
    captions: set[bool] = set()
    not_taken = _NotTaken()
    try:
        for place, row in _rows(path, options.columns):
            captions.add(bool(row.get("title")))
            if not row.get("url"):
                not_taken.add("no url", place)
            elif caption and not caption.search(row.get("title", "")):
                not_taken.add("another caption")
            elif (emotion := _emotion(place, row, emotions, not_taken)) is not None:
                _add(searches, path, place, row, emotion)
    except OSError as error:
        raise BtferError(f"{path}: cannot be read as a list of addresses: {error}") from None
    if caption and captions == {False}:
        raise BtferError(
            f"{path}: no row has a caption for --where-caption; name its column with --column title=NAME"
        )
    if not searches and not_taken.mistake:
        raise BtferError(f"{path}, {not_taken.mistake}")
    if not_taken.rows:
        echo_stderr(f"{path}: not taken: {not_taken}")
    yield from searches.values()


class _NotTaken:
    """Count the rows that are not taken, by reason."""

    def __init__(self) -> None:
        self.rows: Counter[str] = Counter()
        #: The first row that is a mistake in the list, and no choice of the user.
        self.mistake = ""

    def add(self, reason: str, place: str = "") -> None:
        """Count a row; with its place, it is a mistake in the list."""
        if place and not self.mistake:
            self.mistake = f"{place}: {reason}"
        known = len(self.rows) < _REASONS or reason in self.rows
        self.rows[reason if known else "other mistakes"] += 1

    def __str__(self) -> str:
        """Return the counts, and where the first mistake is."""
        counts = "; ".join(f"{reason} ({n:,} row{'s' * (n != 1)})" for reason, n in self.rows.most_common())
        return counts + (f"; the first mistake is on {self.mistake}" if self.mistake else "")


def _pattern(text: str) -> re.Pattern[str] | None:
    try:
        return re.compile(text, re.IGNORECASE) if text else None
    except re.error as error:
        raise BtferError(f"--where-caption: {text!r} is not a regular expression: {error}") from None


def _emotion(
    place: str, row: Mapping[str, str], emotions: Sequence[Emotion], not_taken: _NotTaken
) -> Emotion | None:
    """Return the emotion of a row, or None if the row is not taken."""
    word = row.get("emotion")
    if not word and len(emotions) == 1:
        return emotions[0]
    if not word:
        not_taken.add("no emotion; add a column emotion, or give one --emotion", place)
        return None
    emotion = emotion_of(word)
    if emotion is None:
        hint = did_you_mean(word)
        not_taken.add(f"{word[:60]!r} is not one of the seven emotions{f', {hint}' if hint else ''}", place)
    elif emotion not in emotions:
        not_taken.add(f"not among --emotion {', '.join(emotions)}")
        return None
    return emotion


def _add(
    searches: dict[tuple[str, Emotion], tuple[Search, list[Candidate]]],
    path: Path,
    place: str,
    row: Mapping[str, str],
    emotion: Emotion,
) -> None:
    """Add a row to the search of its query and emotion."""
    attributes = {name: row.get(name, "") for name in _SEARCH_COLUMNS}
    # Rows without a query and with the same attributes are one search.
    attributes["query"] = attributes["query"] or " ".join(filter(None, [path.name, *attributes.values()]))
    search = Search(engine="urls", emotion=emotion, expression="", **attributes)
    first, candidates = searches.setdefault((search.query, emotion), (search, []))
    if first != search:
        raise BtferError(
            f"{path}, {place}: query {search.query!r} has another language or other query_* attributes "
            "than in an earlier row; use the same attributes, or another query"
        )
    known = {name: row[name] for name in _CANDIDATE_COLUMNS if row.get(name)}
    candidates.append(Candidate(rank=len(candidates), url=row["url"], **known))


def _rows(path: Path, given: Mapping[str, str]) -> Iterator[Row]:
    """Yield the rows of a list in any form, under the names of `ALIASES`."""
    with open_regular(path, MAX_TABLE) as file:
        start = file.read(4)
    if start == b"PAR1":
        yield from _parquet_rows(path, given)
    elif start.lstrip(b"\xef\xbb\xbf \r\n")[:1] == b"{":
        yield from _json_rows(path, given)
    else:
        yield from _text_rows(path, given)


def _text_rows(path: Path, given: Mapping[str, str]) -> Iterator[Row]:
    try:
        columns, rows = read_csv(path, max_line=_MAX_LINE)
    except NotCsv:  # the first line of a plain list need not be CSV
        columns, rows = [], iter(())
    names = _names(path, columns, given)
    if "url" in names:
        refuse_repeated(path, columns, names.values())
        for number, cells in rows:
            row = as_mapping(columns, cells)
            yield (
                f"line {number}",
                {name: row[column].replace("\r\n", "\n").strip() for name, column in names.items()},
            )
        return
    begun = False
    for number, line in enumerate(read_lines(path, max_line=_MAX_LINE), start=1):
        text = line.strip()
        if text and not text.startswith("#"):
            if not begun and not re.match(r"[a-z][a-z0-9+.-]*:", text, re.IGNORECASE):
                raise BtferError(
                    f"{path}, line {number}: neither an address nor names of columns with one of addresses; "
                    "name that with --column url=NAME"
                )
            begun = True
            yield f"line {number}", {"url": text}


def _json_rows(path: Path, given: Mapping[str, str]) -> Iterator[Row]:
    # An object may leave out what it has no value for, except the address; but not all may.
    missing = {name: column for name, column in given.items() if name != "url"}
    optional = tuple(missing.values())
    for number, line in enumerate(read_lines(path), start=1):
        if not line.strip():
            continue
        try:
            row = parse_json(line)
        except ValueError as error:
            raise BtferError(f"{path}, line {number}: not JSON: {error}") from None
        if not isinstance(row, dict):
            raise BtferError(f"{path}, line {number}: expected a JSON object")
        missing = {name: column for name, column in missing.items() if column not in row}
        columns = (*row, *optional)
        yield (
            f"line {number}",
            {name: _text(row.get(column)) for name, column in _names(path, columns, given).items()},
        )
    if missing:
        _names(path, row, missing)


def _parquet_rows(path: Path, given: Mapping[str, str]) -> Iterator[Row]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    number = 0
    try:
        with pq.ParquetFile(path) as file:
            names = _names(path, file.schema_arrow.names, given)
            if "url" not in names:
                raise BtferError(
                    f"{path}: no column of addresses among {', '.join(file.schema_arrow.names)[:500]}; name it with "
                    "--column url=NAME"
                )
            for batch in file.iter_batches(batch_size=_BATCH, columns=list(dict.fromkeys(names.values()))):
                for row in batch.to_pylist():
                    number += 1
                    yield f"row {number}", {name: _text(row[column]) for name, column in names.items()}
    except (pa.ArrowException, OSError, UnicodeError) as error:
        raise BtferError(f"{path}: not a usable Parquet file: {' '.join(str(error).split())[:300]}") from None


def _names(path: Path, columns: Iterable[str], given: Mapping[str, str]) -> dict[str, str]:
    """Return the column of the table for each name of `ALIASES` that it has.

    Raises
    ------
    BtferError
        If a column that the user names is missing, or is named as something that is not known.
    """
    known = list(columns)
    folded: dict[str, str] = {}
    for column in known:
        folded.setdefault(re.sub(r"[\W_]", "", column.lower()), column)
    names = {
        name: next((folded[alias] for alias in aliases if alias in folded), "")
        for name, aliases in ALIASES.items()
    }
    for name, column in given.items():
        if name not in ALIASES:
            raise BtferError(f"--column {name}={column}: {name} is not one of {', '.join(ALIASES)}")
        if column not in known:
            raise BtferError(
                f"{path}: no column {column!r} for --column {name}={column}, only {', '.join(known)[:500]}"
            )
        names[name] = column
    return {name: column for name, column in names.items() if column}


def _text(value: Any) -> str:  # noqa: ANN401 - any value of a table
    return str(value).strip() if isinstance(value, str | int | float) and not isinstance(value, bool) else ""
