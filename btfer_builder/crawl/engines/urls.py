"""A list of URLs in a CSV or text file, as an engine."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path

from btfer_builder.errors import BtferError
from btfer_builder.labels import Emotion, parse_emotion
from btfer_builder.records import Candidate, Search

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
        text = path.read_text(encoding="utf-8-sig")
        rows = list(_rows(text))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
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


def _rows(text: str) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield (line number, cells) of a CSV file with the column `url`, or of a plain list."""
    header = next(csv.reader(io.StringIO(text)), [])
    if "url" in [name.strip() for name in header]:
        reader = csv.DictReader(io.StringIO(text))
        for cells in reader:
            yield (
                reader.line_num,
                {k.strip(): v.strip() for k, v in cells.items() if k and isinstance(v, str)},
            )
    else:
        for number, line in enumerate(text.splitlines(), start=1):
            if line.strip() and not line.lstrip().startswith("#"):
                yield number, {"url": line.strip()}
