"""The command status: the funnel, what the sample still needs, and what the searches brought."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from btfer_builder.cli.next_line import show_next
from btfer_builder.cli.options import common_options
from btfer_builder.cli.output import echo, emit_json, table
from btfer_builder.io.text import counted
from btfer_builder.labels import EMOTIONS
from btfer_builder.workspace import Workspace, open_workspace

if TYPE_CHECKING:
    from btfer_builder.catalog.drop_rates import DropRates
    from btfer_builder.catalog.forecast import Forecast
    from btfer_builder.catalog.item_counts import ItemCounts


@click.command()
@click.option(
    "--yield", "by_search", is_flag=True, help="Show the yield of the searches instead of the funnel."
)
@common_options
def status(directory: Path | None, as_json: bool, by_search: bool) -> None:
    """Show the funnel.

    For every stage: the items that came in, were kept, and were dropped, with reasons, and the share dropped of each
    emotion, with a note where it differs beyond chance. Then, for each emotion, what the sample still needs: requests,
    days and hours of review, with an interval. Last, the next step. With --yield: images found, downloaded, kept and
    accepted, and accepted per request, by engine, language, expression and cell (emotion, ethnicity, gender, age).

    \b
    Examples:
      btfer status --json
      btfer status --yield
    """
    workspace = open_workspace(directory)
    if by_search:
        _show_yield(workspace, as_json)
    else:
        show_stages(workspace, as_json)


def _show_yield(workspace: Workspace, as_json: bool) -> None:
    from btfer_builder.catalog.search_yield import GROUPINGS, yields

    lines = yields(workspace.catalog)
    if as_json:
        emit_json({"yield": [line.to_dict() for line in lines]})
        return
    tried = [line for line in lines if line.found or line.requests]  # a search is planned before it is asked
    if not tried:
        echo("nothing has been searched for yet: btfer crawl")
        return
    for grouping in GROUPINGS:
        own = sorted(
            (line for line in tried if line.by == grouping),
            key=lambda line: (-(line.per_request or 0), -line.kept, line.value),
        )
        rows = [
            (y.value, y.found, y.fetched, y.kept, y.accepted, y.requests or "–", _number(y.per_request))
            for y in own
        ]
        columns = [grouping, "found", "fetched", "kept", "accepted", "requests", "accepted per request"]
        table(f"by {grouping}, the most fruitful first", columns, rows)


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _interval(values: tuple[float | None, float | None, float | None]) -> str:
    """Return an expected value with its interval."""
    expected, low, high = (
        None if value is None else round(value, 1 if value < 10 else None) for value in values
    )
    if expected is None:
        return "–"
    return f"{expected:g}" if low == high else f"{expected:g} ({_bound(low)} to {_bound(high)})"


def _bound(value: float | None) -> str:
    return "?" if value is None else f"{value:g}"


def _forecasts(workspace: Workspace, counts: "ItemCounts") -> "list[Forecast]":
    from btfer_builder.catalog.forecast import forecasts
    from btfer_builder.crawl.plan import requests_per_day

    recipe = workspace.recipe
    per_day = requests_per_day(workspace.catalog, recipe.crawl)
    return forecasts(workspace.catalog, recipe.sample.faces_per_class, per_day or 1.0, counts)


def _show_forecasts(lines: "list[Forecast]") -> None:
    rows = [
        (
            line.emotion, line.accepted, line.waiting, line.short, _interval(line.requests), _interval(line.days),
            _interval(line.review_hours),
        )
        for line in lines
    ]  # fmt: skip
    table(
        f"to {lines[0].wanted} faces a class, from the yields so far (with 95 % intervals)",
        ["emotion", "accepted", "to review", "short", "requests", "days", "hours of review"],
        rows,
    )


def _show_drop_rates(rates: "list[DropRates]") -> None:
    if rates:
        shares = [[each.rates.get(emotion) for emotion in EMOTIONS] for each in rates]
        rows = [
            (each.stage, *("" if share is None else f"{100 * share:.0f} %" for share in own))
            for each, own in zip(rates, shares, strict=True)
        ]
        table("share dropped, by emotion", ["stage", *EMOTIONS], rows)
    for each in rates:
        if each.differs:
            echo(each.sentence)


def show_stages(workspace: Workspace, as_json: bool, *only: str, failed: bool = False) -> None:
    """Print the funnel with what the sample still needs, or the stages that are named, and the next step.

    Of a stage that `failed`, the error that follows says what to do next.
    """
    from btfer_builder.catalog.drop_rates import drop_rates
    from btfer_builder.catalog.funnel import funnel
    from btfer_builder.catalog.item_counts import ItemCounts
    from btfer_builder.catalog.purge import count_purged
    from btfer_builder.next_step import next_step
    from btfer_builder.sample.stale import warn_if_stale

    warn_if_stale(workspace.catalog)
    counts = ItemCounts(workspace.catalog)
    whole = funnel(workspace.catalog, (), counts)
    step = next_step(workspace, whole, counts=counts)
    stages = [stage for stage in whole if not only or stage.stage in only]
    rates = [] if only else drop_rates(stages)
    purged = None if only else count_purged(workspace.catalog)
    if as_json:
        forecast = {} if only else {"forecast": [line.to_dict() for line in _forecasts(workspace, counts)]}
        drops = {} if only else {"drop_rates": [line.to_dict() for line in rates]}
        gone = {"purged": asdict(purged)} if purged else {}
        emit_json(
            {
                "stages": [stage.to_dict() for stage in stages],
                **forecast,
                **drops,
                **gone,
                "next": step.to_dict(),
            }
        )
        return
    table(
        f"{workspace.root.name}: {only[0] if only else 'the funnel'}",
        ["stage", "in", "kept", "dropped", "waiting", "of", "dropped because"],
        [
            (
                stage.stage,
                stage.came_in,
                stage.kept,
                sum(stage.dropped.values()),
                stage.waiting,
                stage.unit,
                ", ".join(f"{n} {reason}" for reason, n in stage.dropped.items()),
            )
            for stage in stages
        ],
    )
    table(
        "kept, by emotion",
        ["stage", *EMOTIONS],
        [(stage.stage, *(stage.per_emotion.get(emotion, 0) for emotion in EMOTIONS)) for stage in stages],
    )
    _show_drop_rates(rates)
    if purged:
        days = " to ".join(purged.days)
        echo(
            f"purged on {days}: the files of {counted(purged.photos, 'photo')} and "
            f"{counted(purged.faces, 'face')}; their rows stay"
        )
    if not only and stages[0].came_in + stages[0].waiting:
        _show_forecasts(_forecasts(workspace, counts))
    if not failed:
        show_next(workspace, step)
