"""The command that chooses among scored models: recommend."""

from pathlib import Path

import click

from btfer_builder.cli.options import common_options
from btfer_builder.cli.output import emit_json, paragraph, table
from btfer_builder.cli.reports import report_paths
from btfer_builder.io.terminal import echo_stderr


@click.command()
@click.argument("reports", nargs=-1, type=click.Path(path_type=Path, exists=True), metavar="[REPORT]...")
@click.option("--max-megabytes", type=float, metavar="MB", help="Largest file, in millions of bytes.")
@click.option("--max-parameters", type=float, metavar="N", help="Largest number of weights, such as 5e6.")
@click.option(
    "--max-latency-ms", type=float, metavar="MS", help="Longest median time for one image, in milliseconds."
)
@click.option("--min-accuracy", type=float, metavar="SHARE", help="Lowest accuracy, 0 to 1.")
@common_options
def recommend(
    directory: Path | None,
    as_json: bool,
    reports: tuple[Path, ...],
    max_megabytes: float | None,
    max_parameters: float | None,
    max_latency_ms: float | None,
    min_accuracy: float | None,
) -> None:
    """Choose among scored models within limits.

    Lists every model with a verdict. All models within the limits are recommended that no other one is significantly
    better than. Latency is known of models that were scored with btfer eval --efficiency, on the machine that scored
    them. Without REPORT, chooses among all reports of the workspace.

    \b
    Examples:
      btfer recommend --max-megabytes 10 --max-latency-ms 20
      btfer recommend reports/* --min-accuracy 0.6 --json
    """
    from btfer_builder.evaluate.recommend import Limits, recommend_models
    from btfer_builder.evaluate.report.collect import collect_reports
    from btfer_builder.evaluate.report.leaderboard import SEPARATE_SETS
    from btfer_builder.io.text import counted

    limits = Limits(
        max_megabytes=max_megabytes,
        max_parameters=max_parameters,
        max_latency_ms=max_latency_ms,
        min_accuracy=min_accuracy,
    )
    paths, _ = report_paths(reports, directory)
    read, lines = collect_reports(paths, paired=True, named=bool(reports))
    for line in lines:
        echo_stderr(line)
    found = recommend_models(read, limits)
    if as_json:
        emit_json(found.to_dict())
        return
    if len(found.choices) > 1:
        paragraph(SEPARATE_SETS)
    for choice in found.choices:
        rows = [
            (
                item.verdict,
                item.model,
                item.accuracy,
                "–".join(f"{bound:.3f}" for bound in item.accuracy_interval_95),
                f"{item.file_bytes / 1e6:.3g}" if item.file_bytes else "unknown",
                f"{item.parameters:,}" if item.parameters else "unknown",
                f"{item.latency_p50_ms:.3g}" if item.latency_p50_ms else "unknown",
                "; ".join(item.reasons),
            )
            for item in choice.candidates
        ]
        heads = ["verdict", "model", "accuracy", "95%", "MB", "parameters", "ms", "because"]
        table(f"{choice.set_name} #{choice.set_hash}, {counted(choice.n, 'face')}", heads, rows)
        paragraph("\n".join([choice.answer, *choice.notes]))
