"""A list of URLs in a CSV or text file, as an engine."""

from collections.abc import Iterator
from pathlib import Path

from btfer_builder.errors import BtferError
from btfer_builder.io.csv import NotCsv, as_mapping, read_csv
from btfer_builder.io.limits import read_lines
from btfer_builder.labels import Emotion, parse_emotion
from btfer_builder.records import Candidate, Search

#: Longest line of a list, in characters; servers refuse addresses of more than about 8,000.
_MAX_LINE = 1 << 16

_SEARCH_COLUMNS = ("query", "language", "query_ethnicity", "query_gender", "query_age")
_CANDIDATE_COLUMNS = ("page_url", "title", "license", "license_url", "creator", "attribution")


def read_urls(path: Path, emotions: tuple[Emotion, ...]) -> Iterator[tuple[Search, list[Candidate]]]:
    """Yield the URLs of the list, grouped by query and emotion.

    Parameters
    ----------
    path
        A CSV file with a column `url`, and any of `emotion`, `query`, `language`, `query_ethnicity`,
        `query_gender`, `query_age`, `page_url`, `title`, `license`, `license_url`, `creator`, `attribution`;
        or a text file with one URL per line.
    emotions
        Rows of other emotions are ignored. A single emotion is the default of rows without one.

    Raises
    ------
    BtferError
        If the file cannot be read, or a row has no URL or no emotion; the message names the line.
    """
    try:
        rows = list(_rows(path))
    except OSError as error:
        raise BtferError(f"{path}: cannot be read as a list of addresses: {error}") from None
    searches: dict[tuple[str, Emotion], tuple[Search, list[Candidate]]] = {}
    for line, row in rows:
        url = row.get("url", "")
        if not url:
            raise BtferError(f"{path}, line {line}: no url")
        if row.get("emotion"):
            try:
                emotion = parse_emotion(row["emotion"])
            except BtferError as error:
                raise BtferError(f"{path}, line {line}: {error}") from None
        elif len(emotions) == 1:
            emotion = emotions[0]
        else:
            raise BtferError(f"{path}, line {line}: no emotion; add a column emotion, or give one --emotion")
        if emotion in emotions:
            attributes = {name: row.get(name, "") for name in _SEARCH_COLUMNS}
            # Rows without a query and with the same attributes are one search.
            attributes["query"] = attributes["query"] or " ".join(
                filter(None, [path.name, *attributes.values()])
            )
            search = Search(engine="urls", emotion=emotion, expression="", **attributes)
            first, candidates = searches.setdefault((search.query, emotion), (search, []))
            if first != search:
                raise BtferError(
                    f"{path}, line {line}: query {search.query!r} has another language or other query_* attributes "
                    "than in an earlier row; use the same attributes, or another query"
                )
            known = {name: row[name] for name in _CANDIDATE_COLUMNS if row.get(name)}
            candidates.append(Candidate(rank=len(candidates), url=url, **known))
    yield from searches.values()


def _rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield (line number, cells) of a CSV file with the column `url`, or of a plain list."""
    try:
        columns, rows = read_csv(path, max_line=_MAX_LINE)
    except NotCsv:  # the first line of a plain list need not be CSV
        columns, rows = [], iter(())
    if "url" in columns:
        for number, cells in rows:
            row = as_mapping(columns, cells)
            yield number, {name: cell.replace("\r\n", "\n").strip() for name, cell in row.items()}
    else:
        for number, line in enumerate(read_lines(path, max_line=_MAX_LINE), start=1):
            if line.strip() and not line.lstrip().startswith("#"):
                yield number, {"url": line.strip()}
