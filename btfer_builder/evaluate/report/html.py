"""The self-contained report page, and numbers formatted for people."""

import re
from functools import cache
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from btfer_builder.evaluate.metrics.groups import ATTRIBUTES, MIN_FACES, WORDING
from btfer_builder.evaluate.metrics.registry import METRICS, Metric
from btfer_builder.evaluate.metrics.scores import SMALLEST, Interval
from btfer_builder.evaluate.notes import NO_PROBABILITIES, lacking_faces
from btfer_builder.evaluate.report.face_thumbnails import cells, worst_errors
from btfer_builder.evaluate.report.links import NOT_COMPARED
from btfer_builder.evaluate.report.sentences import (
    groups_sentence,
    human_band,
    human_sentence,
    percent,
    power_sentence,
    summary,
    temperature_sentence,
)
from btfer_builder.evaluate.results import Evaluation
from btfer_builder.evaluate.robustness import MEANINGS, SEVERITIES
from btfer_builder.io.text import counted
from btfer_builder.labels import EMOTIONS

if TYPE_CHECKING:
    from jinja2 import Environment


def report_html(evaluation: Evaluation) -> bytes:
    """Return `report.html`: a single file that loads nothing from the network."""
    predictions = evaluation.predictions
    page = (
        environment()
        .get_template("report.html.j2")
        .render(
            e=evaluation,
            model=evaluation.title,
            scores=evaluation.scores,
            metrics=METRICS.values(),
            summary=summary(evaluation.scores, evaluation.detectable),
            limits=_limits(evaluation),
            fed=evaluation.preprocessing_dict(),
            no_probabilities=NO_PROBABILITIES,
            smallest=f"{SMALLEST:.0e}",
            lacking=lacking_faces(evaluation.scores, evaluation.labels),
            emotions=EMOTIONS,
            cells=cells(evaluation.faces, predictions),
            errors=worst_errors(evaluation.faces, predictions),
            min_faces=MIN_FACES,
            wording=WORDING,
            meanings=MEANINGS,
            severities=SEVERITIES,
        )
    )
    return page.encode("utf-8")


def report_summary_html(evaluation: Evaluation) -> str:
    """Return the scores for a notebook: the main numbers, the confusion matrix, the notes and the signature.

    It shows no faces: notebooks are passed on more easily than reports.
    """
    metrics = [metric for metric in METRICS.values() if "headline" in metric.text.sections]
    page = environment().get_template("notebook.html.j2").module
    said = [*summary(evaluation.scores, evaluation.detectable), *_limits(evaluation)]
    return str(page.report(evaluation, metrics, said, EMOTIONS))  # type: ignore[attr-defined]


def _limits(evaluation: Evaluation) -> list[str]:
    """Return what people and the set itself allow to say."""
    return list(filter(None, [human_sentence(evaluation.human), power_sentence(evaluation.detectable)]))


@cache
def environment() -> "Environment":
    """Return the templates with their filters; autoescaping is on."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    from btfer_builder.evaluate.report import charts

    pages = Environment(
        loader=PackageLoader("btfer_builder.evaluate.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    pages.filters |= {"percent": percent, "between": between, "short": short, "points": points}
    pages.filters |= {"counted": counted, "value_of": value_of, "interval_of": interval_of}
    pages.filters["literal"] = lambda text: Markup(literal(text))  # noqa: S704 - for Markdown, and escaped
    pages.globals |= {
        "charts": charts,
        "attributes": ATTRIBUTES,
        "groups_sentence": groups_sentence,
        "human_band": human_band,
        "not_compared": Markup(NOT_COMPARED),  # noqa: S704 - of the links
        "temperature_sentence": temperature_sentence,
    }
    return pages


def value_of(metric: Metric, value: float | None) -> str:
    """Show a value of a metric: `61.9%`, `1.023 nats`; a dash for None."""
    if value is None or metric.text.unit == "percent":
        return percent(value)
    return f"{value:.3f} {metric.text.unit}".rstrip().replace("-", "−")


def interval_of(metric: Metric, interval: Interval | None) -> str:
    """Show an interval of a metric: `59.8–63.9%`, `0.981–1.065`; nothing for None."""
    if interval is None or metric.text.unit == "percent":
        return between(interval)
    return f"{interval[0]:.3f}–{interval[1]:.3f}".replace("-", "−")


def literal(text: str) -> str:
    """Escape Markdown and HTML."""
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_\[\]|~])", r"\\\1", text)


def between(interval: Interval | None) -> str:
    """Show an interval of shares: `59.8–63.9%`; nothing for None."""
    return "" if interval is None else f"{100 * interval[0]:.1f}–{100 * interval[1]:.1f}%".replace("-", "−")


def points(share: float, sign: str = "+") -> str:
    """Show a difference of shares in percentage points: `−3.2`, `+0.4`; `0.4` with an empty sign."""
    value = round(100 * share, 1) or 0.0  # never −0.0
    return f"{value:{sign}.1f}".replace("-", "−")


def short(number: Any, unit: str = "") -> str:  # noqa: ANN401 - any number or None
    """Show a number with a decimal prefix and its unit: `1.37 M`, `873 kB`, `12 B`; a dash for None."""
    if number is None:
        return "–"
    for limit, prefix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(number) >= 0.9995 * limit:  # what is rounded to 1000 of a unit is 1 of the next
            return f"{number / limit:.3g} {prefix}{unit}"
    return f"{number:.3g} {unit}".rstrip()
