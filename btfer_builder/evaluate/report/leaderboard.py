"""Write a comparison down: CSV for programs, Markdown for papers and READMEs, HTML for people."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from btfer_builder.evaluate.report.compare import ALPHA, Leaderboard, Row
from btfer_builder.evaluate.report.html import between, counted, environment, percent, short
from btfer_builder.io.atomic import write_bytes
from btfer_builder.io.csv import write_csv
from btfer_builder.io.json import write_json

#: Says why there is more than one table.
APART = (
    "These models were scored on different sets of faces, so they stand in different tables: their numbers do "
    "not compare."
)

COLUMNS = (
    *("set", "n", "rank", "tied", "model", "accuracy", "accuracy_low", "accuracy_high", "macro_f1"),
    *("balanced_accuracy", "ece", "accuracy_lost", "file_bytes", "parameters", "latency_p50_ms"),
    *("images_per_second", "mean_rank", "signature", "path"),
)


def write_leaderboards(boards: Sequence[Leaderboard], folder: Path) -> Path:
    """Write `leaderboard.csv`, `.md`, `.html` and `comparison.json` and return the folder.

    Raises
    ------
    BtferError
        If they cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_csv(folder / "leaderboard.csv", COLUMNS, _csv_rows(boards))
    write_bytes(folder / "leaderboard.md", markdown(boards).encode())
    page = (
        environment()
        .get_template("compare.html.j2")
        .render(boards=boards, said=[said_of(board) for board in boards], apart=APART, alpha=ALPHA)
    )
    write_bytes(folder / "leaderboard.html", page.encode())
    result = {"leaderboards": [board.to_dict() for board in boards]}
    write_json(folder / "comparison.json", result)
    return folder


def _csv_rows(boards: Sequence[Leaderboard]) -> Iterator[dict[str, object]]:
    for board in boards:
        for row in board.rows:
            low, high = row.accuracy_interval_95
            values = {name: getattr(row, name) for name in COLUMNS if hasattr(row, name)}
            own = {"set": f"{board.set_name}#{board.set_hash}", "n": board.n, "tied": str(row.tied).lower()}
            yield values | own | {"accuracy_low": low, "accuracy_high": high}


def rank_of(row: Row) -> str:
    """Show a rank: `1`, or `1=` where others share it."""
    return f"{row.rank}{'=' if row.tied else ''}"


def cells_of(row: Row) -> list[str]:
    """Return the cells of a row for people, under the heads of `HEADS`."""
    return [
        rank_of(row),
        row.model,
        percent(row.accuracy),
        between(row.accuracy_interval_95),
        percent(row.macro_f1),
        f"{100 * row.accuracy_lost:.1f}" if row.accuracy_lost else "",
        short(row.file_bytes or None, "B"),
        f"{row.latency_p50_ms:.1f} ms" if row.latency_p50_ms else "–",
        short(row.images_per_second),
    ]


#: Heads of `cells_of`.
HEADS = ("rank", "model", "accuracy", "95%", "macro F1", "lost", "size", "latency", "images/s")


def markdown(boards: Sequence[Leaderboard]) -> str:
    """Return the leaderboards as Markdown."""
    lines = [f"{APART}\n"] if len(boards) > 1 else []
    for board in boards:
        lines += [f"**{_literal(board.set_name)}** `#{board.set_hash}`, {counted(board.n, 'face')}\n"]
        lines += [f"| {' | '.join(HEADS)} |", f"|{'---|' * len(HEADS)}"]
        lines += [f"| {' | '.join(map(_literal, cells_of(row)))} |" for row in board.rows]
        lines += ["", said_of(board), *[f"\n{_literal(note)}" for note in board.notes], ""]
        lines += [f"`{row.signature}` {_literal(row.model)}  " for row in board.rows] + [""]
    return "\n".join(lines)


def _literal(text: str) -> str:
    """Return text that Markdown, and HTML in it, takes for nothing but text."""
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_\[\]|~])", r"\\\1", text)


def said_of(board: Leaderboard) -> str:
    """Say in a sentence or two what the differences are worth, by the corrected tests of the pairs alone."""
    if len(board.rows) < 2:
        return "One model: nothing to compare it with."
    pairs, test = len(board.pairs), f"(McNemar's exact test, Holm-corrected, p < {ALPHA})"
    certain = sum(pair.p_holm < ALPHA for pair in board.pairs)
    if not certain:
        models = "these two models" if pairs == 1 else "any two of these models"
        said = f"These faces cannot tell {models} apart {test}: their order may be chance."
    elif pairs == 1:
        said = f"The two models differ beyond chance {test}."
    else:
        said = f"{certain} of {pairs} pairs {'differs' if certain == 1 else 'differ'} beyond chance {test}"
        others = {0: "", 1: "; these faces cannot tell the models of the other pair apart"}
        said += (
            others.get(pairs - certain, "; these faces cannot tell the models of the other pairs apart") + "."
        )
    if certain and any(row.tied for row in board.rows):
        said += " A rank is 1 and one more for each model that is better beyond chance; = marks a shared one."
    return said + (f" All together: Cochran's Q, p = {board.p_any:.2g}." if pairs > 1 else "")
