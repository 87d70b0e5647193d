"""Write leaderboards as CSV, Markdown, HTML and JSON."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from btfer_builder.errors import BtferError
from btfer_builder.evaluate.metrics.registry import METRICS, Metric, metrics_in
from btfer_builder.evaluate.report.board import ALPHA, Leaderboard, Row
from btfer_builder.evaluate.report.html import between, environment, literal, points, short, value_of
from btfer_builder.evaluate.report.links import link_reports, report_link, unlink_reports
from btfer_builder.evaluate.report.pair_page import remove_pair_pages, write_pair_pages
from btfer_builder.evaluate.report.sentences import order_sentences, significance_summary
from btfer_builder.io.atomic import write_bytes
from btfer_builder.io.csv import write_csv
from btfer_builder.io.json import write_json
from btfer_builder.io.text import counted

#: Shown above several leaderboards.
SEPARATE_SETS = (
    "These models were scored on different sets of faces. Each set has its own table, because scores on different "
    "sets are not comparable."
)


def csv_columns() -> tuple[str, ...]:
    """Return the columns of `leaderboard.csv`."""
    scores = [metric.name for metric in metrics_in("file") if metric.name != "accuracy"]
    return (
        *("set", "n", "rank", "tied", "model", "accuracy", "accuracy_low", "accuracy_high", *scores),
        *("accuracy_lost", "file_bytes", "parameters", "latency_p50_ms", "images_per_second"),
        *("mean_rank", "signature", "path"),
    )


def write_leaderboards(boards: Sequence[Leaderboard], folder: Path) -> Path:
    """Write `leaderboard.csv`, `.md`, `.html`, `comparison.json` and pages of pairs and return the folder.

    Reports beside the folder get links to `leaderboard.html` and their pages of pairs.

    Raises
    ------
    BtferError
        If they cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BtferError(f"{folder}: cannot be written: {error.strerror}") from None
    rows = (row | {"tied": str(row["tied"]).lower()} for row in csv_rows(boards))
    write_csv(folder / "leaderboard.csv", csv_columns(), rows)
    write_bytes(folder / "leaderboard.md", markdown(boards).encode())
    pages = [write_pair_pages(board, folder) for board in boards]
    remove_pair_pages(folder, [name for names in pages for name in names.values()])
    page = (
        environment()
        .get_template("compare.html.j2")
        .render(
            boards=boards,
            pages=pages,
            links=[
                {row.model: report_link(Path(row.path) if row.path else None, folder) for row in rows}
                for rows in ((*board.rows, *board.unpaired) for board in boards)
            ],
            summaries=[significance_summary(board) for board in boards],
            orders=[order_sentences(board) for board in boards],
            separate_sets=SEPARATE_SETS,
            scores=_shown_scores(),
            alpha=ALPHA,
        )
    )
    write_bytes(folder / "leaderboard.html", page.encode())
    for board, of_board in zip(boards, pages, strict=True):
        link_reports(board.reports, folder / "leaderboard.html", of_board)
    unlink_reports((report for board in boards for report in board.reports), folder / "leaderboard.html")
    result = {"leaderboards": [board.to_dict() for board in boards]}
    write_json(folder / "comparison.json", result)
    return folder


def csv_rows(boards: Sequence[Leaderboard]) -> Iterator[dict[str, object]]:
    """Yield the rows of `leaderboard.csv`."""
    for board in boards:
        for row in (*board.rows, *board.unpaired):
            low, high = row.accuracy_interval_95
            values = row.to_dict()
            values |= {"set": f"{board.set_name}#{board.set_hash}", "n": board.n}
            values |= {"tied": row.tied, "accuracy_low": low, "accuracy_high": high}
            yield {name: values[name] for name in csv_columns()}


def boards_html(boards: Sequence[Leaderboard]) -> str:
    """Return the tables of the leaderboards for a notebook."""
    page = environment().get_template("notebook.html.j2").module
    shown = [
        (
            board,
            heads(),
            shown_cells(board),
            " ".join([significance_summary(board), *order_sentences(board)]),
        )
        for board in boards
    ]
    return str(page.leaderboards(shown, SEPARATE_SETS if len(boards) > 1 else ""))  # type: ignore[attr-defined]


def _shown_scores() -> list[Metric]:
    """Return the metrics of the shown tables that follow the accuracy."""
    return [metric for metric in metrics_in("table") if metric.name != "accuracy"]


def heads() -> list[str]:
    """Return the heads of the shown tables."""
    labels = [metric.text.label for metric in _shown_scores()]
    scores = [label[0].lower() + label[1:] if label[1:2].islower() else label for label in labels]
    return ["rank", "model", "accuracy", "95%", *scores, "difference to best", "size", "latency", "images/s"]


def cells_of(row: Row) -> list[str]:
    """Return the cells of a row, under `heads()`. A rank that several models share is marked: `2=`."""
    return [
        "–" if row.rank is None else f"{row.rank}{'=' if row.tied else ''}",
        row.model,
        value_of(METRICS["accuracy"], row.accuracy),
        between(row.accuracy_interval_95),
        *(value_of(metric, row.scores.get(metric.name)) for metric in _shown_scores()),
        points(-row.accuracy_lost) if row.accuracy_lost else "",
        short(row.file_bytes or None, "B"),
        f"{row.latency_p50_ms:.1f} ms" if row.latency_p50_ms else "–",
        short(row.images_per_second),
    ]


def shown_cells(board: Leaderboard) -> list[list[str]]:
    """Return the cells of all models, those without a rank last."""
    return [cells_of(row) for row in (*board.rows, *board.unpaired)]


def markdown(boards: Sequence[Leaderboard]) -> str:
    """Return the leaderboards as Markdown."""
    lines = [f"{SEPARATE_SETS}\n"] if len(boards) > 1 else []
    for board in boards:
        lines += [f"**{literal(board.set_name)}** `#{board.set_hash}`, {counted(board.n, 'face')}\n"]
        lines += [f"| {' | '.join(heads())} |", f"|{'---|' * len(heads())}"]
        lines += [f"| {' | '.join(map(literal, cells))} |" for cells in shown_cells(board)]
        said = [*order_sentences(board), *board.notes]
        lines += ["", significance_summary(board), *[f"\n{literal(text)}" for text in said], ""]
        lines += [f"`{row.signature}` {literal(row.model)}  " for row in (*board.rows, *board.unpaired)]
        lines += [""]
    return "\n".join(lines)
