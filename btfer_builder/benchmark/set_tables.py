"""The paper's Table 1 of labelled sets, and the page with its figures."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from btfer_builder.benchmark.labelled_sets import LabelledSet, read_sets
from btfer_builder.benchmark.latex import latex_table
from btfer_builder.benchmark.set_figures import chosen_samples, write_set_figures
from btfer_builder.benchmark.table import Table
from btfer_builder.benchmark.tables import write_tables
from btfer_builder.crawl.licenses import license_code
from btfer_builder.io.atomic import write_bytes
from btfer_builder.io.text import printable
from btfer_builder.labels import EMOTIONS
from btfer_builder.sample.provenance import LICENSES

#: Heads of the columns of emotions where there is little room.
SHORT = ("ang", "dis", "fea", "hap", "neu", "sad", "sur")


@dataclass(frozen=True, slots=True)
class SetTables:
    """Table 1 and its files: the rows, one a set and split, and those of the whole sets first."""

    rows: tuple[dict[str, Any], ...]
    not_shown: tuple[str, ...]
    files: tuple[Path, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the output of `btfer dataset table --json`."""
        return {
            "sets": list(self.rows),
            "not_shown": list(self.not_shown),
            "files": [str(path) for path in self.files],
        }


def tabulate_sets(folders: Sequence[Path], out: Path) -> SetTables:
    """Write Table 1 (Markdown, CSV, LaTeX) and Figs. 1 and 9–13 (PNG, SVG) of labelled sets.

    Parameters
    ----------
    folders
        Sets as `btfer dataset import` and `btfer release` write them, or workspaces; they are only read. Files among
        them are left out.
    out
        The folder for the tables. Files of an earlier call are replaced.

    Raises
    ------
    BtferError
        If a folder has no class folders, two sets have the same name, or `out` cannot be written.
    """
    sets = read_sets(folders)
    rows = tuple(_row(one, split) for one in sets for split in ("", *_several(one)))
    hidden = tuple(one.name for one in sets if not one.shown)
    table = set_table(sets, rows)
    files = write_tables(out, [table])
    columns = ["set", *EMOTIONS, "all", "pixels", "colour", "largest / smallest"]
    caption = "Datasets used in this work: pictures of each class."
    write_bytes(out / "table-1.tex", latex_table(columns, table.rows, caption, "tab:datasets").encode())
    files += [out / "table-1.tex", *write_set_figures(out, sets)]
    if len(hidden) < len(sets):
        write_bytes(out / "figure-1-credits.md", credits_page(sets).encode())
        files.append(out / "figure-1-credits.md")
    return SetTables(rows, hidden, tuple(files))


def set_table(sets: Sequence[LabelledSet], rows: Sequence[dict[str, Any]]) -> Table:
    """Return Table 1; its CSV has a row for each split, too."""
    whole = [row for row in rows if row["split"] == "all"]
    cells = tuple(
        (
            printable(row["set"]),
            *(f"{row[emotion]:,}" for emotion in EMOTIONS),
            f"{row['all']:,}",
            row["pixels"],
            row["colour"],
            "–" if row["imbalance"] is None else f"{row['imbalance']:.2f}",
        )
        for row in whole
    )
    unread = [f"{one.unreadable} pictures of {one.name} cannot be read." for one in sets if one.unreadable]
    return Table(
        name="table-1",
        title="Table 1: datasets",
        columns=("set", *EMOTIONS, "all", "pixels", "colour", "largest / smallest class"),
        rows=cells,
        facts=tuple(rows),
        notes=tuple(unread),
    )


def credits_page(sets: Sequence[LabelledSet]) -> str:
    """Return whom to name for the faces of Fig. 1, as their licences require."""
    lines = ["# Credits of Fig. 1", ""]
    for one in sets:
        for credit in chosen_samples(one) if one.shown else []:
            creator = f" by {printable(credit.creator)}" if credit.creator else ""
            source = f", {printable(credit.source)}" if credit.source else ""
            lines.append(
                f"* {one.name}, {credit.face.emotion}: {LICENSES[license_code(credit.license)]}{creator}{source}"
            )
    return "\n".join(lines) + "\n"


def _several(one: LabelledSet) -> list[str]:
    """Return the splits of a set; none if the whole set is all it has."""
    return [split for split in one.splits if split != "all"]


def _row(one: LabelledSet, split: str) -> dict[str, Any]:
    counts = one.counts(split)
    present = [count for count in counts.values() if count]
    return {
        "set": one.name,
        "kind": one.kind,
        "split": split or "all",
        **{str(emotion): count for emotion, count in counts.items()},
        "all": sum(counts.values()),
        "imbalance": round(max(present) / min(present), 4) if present else None,
        "pixels": one.size,
        "colour": one.color,
    }
