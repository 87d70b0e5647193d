"""A model card: the scores as a `model-index` block, which the Hugging Face Hub reads, and in words."""

import re
from pathlib import Path
from typing import Any

import yaml

from btfer_builder.errors import BtferError
from btfer_builder.evaluate.metrics.registry import METRICS
from btfer_builder.evaluate.report.html import environment, interval_of, value_of
from btfer_builder.evaluate.report.sentences import summary
from btfer_builder.evaluate.results import Evaluation
from btfer_builder.io.atomic import write_bytes
from btfer_builder.io.text import printable

FILE = "model_card.md"

#: Names of metrics on the Hub with their arguments. All others keep their name, which the Hub accepts, too.
#: See https://github.com/huggingface/hub-docs/blob/main/modelcard.md and https://huggingface.co/metrics.
_HUB: dict[str, tuple[str, dict[str, str]]] = {
    "macro_f1": ("f1", {"average": "macro"}),
    "macro_precision": ("precision", {"average": "macro"}),
    "macro_recall": ("recall", {"average": "macro"}),
    "roc_auc": ("roc_auc", {"average": "macro", "multi_class": "ovr"}),
}


def model_index(evaluation: Evaluation) -> list[dict[str, Any]]:
    """Return the scores in the form of a `model-index`: a model with the metrics of one set.

    Undefined metrics are left out. The revision of the set is its hash. Intervals and the signature are arguments,
    whose form is free.
    """
    name = printable(evaluation.set_name)
    metrics = []
    for key, metric in METRICS.items():
        value = evaluation.values[key]
        if value is None:
            continue
        kind, arguments = _HUB.get(key, (key, {}))
        interval = evaluation.intervals.get(key)
        args: dict[str, Any] = dict(arguments)
        if interval is not None:
            args["interval_95"] = [float(end) for end in interval]
        entry: dict[str, Any] = {"type": kind, "value": float(value), "name": metric.text.label}
        metrics.append(entry | ({"args": args} if args else {}))
    return [
        {
            "name": printable(evaluation.title),
            "results": [
                {
                    "task": {"type": "image-classification", "name": "Facial expression recognition"},
                    "dataset": {
                        "type": re.sub(r"[^a-z0-9._-]+", "-", name.lower()).strip("-.") or "faces",
                        "name": name,
                        "split": "test",
                        "revision": evaluation.set_digest,
                        "args": {"faces": evaluation.scores.n, "signature": printable(evaluation.signature)},
                    },
                    "metrics": metrics,
                }
            ],
        }
    ]


def model_card(evaluation: Evaluation) -> str:
    """Return the card as Markdown with a YAML head. It shows and names no face."""
    head = yaml.safe_dump(
        {"pipeline_tag": "image-classification", "tags": ["facial-expression-recognition"]}
        | {"model-index": model_index(evaluation)},
        sort_keys=False,
        allow_unicode=True,
        width=1000,
    )
    shown = [
        (metric.text.label, value_of(metric, value), interval_of(metric, evaluation.intervals.get(name)))
        for name, metric in METRICS.items()
        if (value := evaluation.values[name]) is not None and metric.text.sections
    ]
    body = (
        environment()
        .get_template("model_card.md.j2")
        .render(
            e=evaluation,
            summary=summary(evaluation.scores, evaluation.detectable),
            shown=shown,
            fed=evaluation.preprocessing_dict(),
        )
    )
    return f"---\n{head}---\n\n{body}"


def write_model_card(evaluation: Evaluation, folder: Path) -> Path:
    """Write `model_card.md` into the folder of a report and return its path.

    Raises
    ------
    BtferError
        If it cannot be written.
    """
    path = folder / FILE
    try:
        write_bytes(path, model_card(evaluation).encode())
    except OSError as error:
        raise BtferError(f"{path}: cannot be written: {error.strerror}") from None
    return path
