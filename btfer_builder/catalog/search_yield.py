"""The yield of engines, languages, words and cells: candidates, and what became of them."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from btfer_builder.catalog.catalog import Catalog

#: The groupings of the yield, and the columns that each is made of.
GROUPINGS: dict[str, tuple[str, ...]] = {
    "engine": ("engine",),
    "language": ("language",),
    "expression": ("emotion", "expression", "language"),
    "cell": ("emotion", "query_ethnicity", "query_gender", "query_age"),
}


@dataclass(frozen=True, slots=True)
class SearchYield:
    """Counts of one value: candidates, files, images that dedupe kept, images with an accepted face.

    An image counts for the search that found it first. `requests` are result pages; those of 0.1 are
    estimated.
    """

    by: str
    value: str
    found: int
    fetched: int
    kept: int
    accepted: int
    requests: int = 0

    @property
    def per_request(self) -> float | None:
        """Return the images with an accepted face per request; None without requests."""
        return self.accepted / self.requests if self.requests else None

    def to_dict(self) -> dict[str, object]:
        """Return the line as in `btfer status --yield --json`."""
        rate = self.per_request
        return asdict(self) | {"accepted_per_request": None if rate is None else round(rate, 4)}


@dataclass(frozen=True, slots=True)
class PhraseYield:
    """What the searches with one word, cell and language brought."""

    emotion: str
    language: str
    expression: str
    query_ethnicity: str
    query_gender: str
    query_age: str
    requests: int
    kept: int
    accepted: int


def phrase_yields(catalog: Catalog) -> list[PhraseYield]:
    """Count requests, images kept and images with an accepted face by word, cell and language."""
    columns = "emotion, language, expression, query_ethnicity, query_gender, query_age"
    rows = catalog.rows(
        f"""WITH accepted AS MATERIALIZED (
                SELECT DISTINCT image_id FROM face_rows WHERE state = 'kept' AND verdict = 'accept'),
            found AS MATERIALIZED (
                SELECT o.search_id, count(*) AS kept, sum(a.image_id IS NOT NULL) AS accepted
                FROM origins o LEFT JOIN dedupes d ON d.image_id = o.image_id
                LEFT JOIN accepted a ON a.image_id = o.image_id
                WHERE coalesce(d.state, 'kept') = 'kept' GROUP BY o.search_id)
            SELECT {columns}, sum(s.requests), coalesce(sum(f.kept), 0), coalesce(sum(f.accepted), 0)
            FROM searches s LEFT JOIN found f ON f.search_id = s.search_id GROUP BY {columns}"""
    )
    return [PhraseYield(*row) for row in rows]


def yields(catalog: Catalog, groupings: Sequence[str] = tuple(GROUPINGS)) -> list[SearchYield]:
    """Count the results of the searches by engine, language, expression word and cell.

    Before dedupe has run, all files with different bytes count as kept.
    """
    columns = sorted({column for grouping in groupings for column in GROUPINGS[grouping]})
    rows = catalog.rows(
        f"""WITH accepted AS MATERIALIZED (
                SELECT DISTINCT image_id FROM face_rows WHERE state = 'kept' AND verdict = 'accept')
            SELECT {", ".join(f"c.{column}" for column in columns)}, count(*) AS found,
                   sum(c.image_id IS NOT NULL) AS fetched,
                   sum(c.state = 'kept' AND coalesce(d.state, 'kept') = 'kept') AS kept,
                   sum(c.state = 'kept' AND a.image_id IS NOT NULL) AS accepted
            FROM candidate_fates c LEFT JOIN dedupes d ON d.image_id = c.image_id
            LEFT JOIN accepted a ON a.image_id = c.image_id
            GROUP BY {", ".join(f"c.{column}" for column in columns)}"""
    )
    asked = catalog.rows(
        f"SELECT {', '.join(columns)}, sum(requests) AS requests FROM searches GROUP BY {', '.join(columns)}"
    )
    found: dict[tuple[str, str], list[int]] = {}
    for row in (*rows, *asked):
        for grouping in groupings:
            value = " ".join(str(row[column]) for column in GROUPINGS[grouping] if row[column]) or "(none)"
            sums = found.setdefault((grouping, value), [0, 0, 0, 0, 0])
            for index, name in enumerate(("found", "fetched", "kept", "accepted", "requests")):
                sums[index] += row[name] if name in row.keys() else 0  # noqa: SIM118 - a sqlite3.Row
    order = {grouping: index for index, grouping in enumerate(groupings)}
    return [
        SearchYield(by, value, *sums)
        for (by, value), sums in sorted(found.items(), key=lambda item: (order[item[0][0]], item[0][1]))
    ]
