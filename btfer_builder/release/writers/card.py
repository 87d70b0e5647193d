"""Write the texts of a release: dataset card, datasheet and release.json."""

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from btfer_builder.io.json import write_json
from btfer_builder.labels import EMOTIONS
from btfer_builder.release import schema
from btfer_builder.release.statistics import ReleaseStatistics
from btfer_builder.release.writers.attribution import markdown
from btfer_builder.sample.provenance import LICENSES

if TYPE_CHECKING:
    from jinja2 import Environment

#: Size categories of Hugging Face.
_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))


def write_texts(folder: Path, stats: ReleaseStatistics) -> None:
    """Write README.md, DATASHEET.md and release.json."""
    for name in ("README.md", "DATASHEET.md"):
        (folder / name).write_text(render(name, stats), encoding="utf-8")
    write_json(folder / "release.json", stats.to_dict(), ensure_ascii=False)


def render(name: str, stats: ReleaseStatistics) -> str:
    """Render a template with the statistics of a release."""
    size = next((text for limit, text in _SIZES if stats.total < limit), "n>1M")
    return (
        _templates()
        .get_template(f"{name}.j2")
        .render(
            stats=stats,
            recipe=stats.recipe,
            emotions=EMOTIONS,
            license_names={**LICENSES, "unknown": "unknown"},
            columns=_columns(stats),
            size_category=size,
        )
    )


def _columns(stats: ReleaseStatistics) -> list[tuple[schema.Column, list[str]]]:
    """Return the columns of this release, each with the files that have it."""
    tables = (
        (schema.SOURCES, schema.LICENSES)
        if stats.recipe.urls_only
        else (schema.METADATA, schema.PARQUET, schema.LICENSES)
    )
    rows = [(column, [table for table in tables if table in column.files]) for column in schema.COLUMNS]
    return [(column, files) for column, files in rows if files]


@cache
def _templates() -> "Environment":
    from jinja2 import Environment, PackageLoader, StrictUndefined

    # The templates are Markdown: text from outside is escaped by the filter `text`.
    environment = Environment(
        loader=PackageLoader("btfer_builder.release.writers"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701
    )
    environment.filters["text"] = markdown
    environment.filters["percent"] = lambda share: f"{100 * share:.0f} %"
    environment.filters["number"] = lambda count: f"{count:,}"
    return environment
