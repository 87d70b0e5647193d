"""Print the measures of agreement as tables."""

import math

from btfer_builder.cli.output import echo, table
from btfer_builder.io.text import counted
from btfer_builder.review.agreement import ANSWERS, Agreement
from btfer_builder.review.kappa import Kappa


def show_agreement(result: Agreement) -> None:
    """Print the measures on stdout."""
    answered = ", ".join(f"{name} {n}" for name, n in result.answered.items())
    echo(f"{result.round} answered: {answered}")
    echo(
        f"{result.shared} with two answers or more, {result.disputed} of them answered differently; "
        f"{result.open} without a verdict under the rule: at least {result.min_votes} answers, "
        f"{result.agreement:.0%} of them alike"
    )
    classes = [name for name in ANSWERS if name in result.fleiss_per_class]
    names = [" and ".join(pair.reviewers) for pair in result.pairs]
    if result.fleiss is not None:
        table(
            f"Fleiss' kappa of all {counted(len(result.fleiss_reviewers), 'reviewer')}, on "
            f"{result.fleiss_items} shared items",
            ["kappa", *classes],
            [(_text(result.fleiss), *(_text(result.fleiss_per_class[name]) for name in classes))],
        )
    echo(
        f"Krippendorff's alpha, on all {result.krippendorff_items} items with two answers or more: "
        f"{_text(result.krippendorff)}"
    )
    seen = [name for name in ANSWERS if any(name in pair.per_class for pair in result.pairs)]
    table(
        "Cohen's kappa of each pair",
        ["reviewers", "items", "kappa", *seen],
        [
            (name, pair.items, _text(pair.kappa), *(_text(pair.per_class.get(answer)) for answer in seen))
            for name, pair in zip(names, result.pairs, strict=True)
        ],
    )
    table(
        "Each reviewer against the consensus of the others",
        ["reviewer", "items", "agreement", "kappa", *seen],
        [
            (
                against.reviewer,
                against.items,
                _share(against.agreement),
                _text(against.kappa),
                *(_share(against.per_class.get(name)) for name in seen),
            )
            for against in result.against
        ],
    )
    confusion = result.confusion
    codes = [code for code in range(len(ANSWERS)) if confusion[code].any()]
    table(
        "Confusion matrix (sum over all pairs, both ways)",
        ["", *(ANSWERS[code] for code in codes)],
        [(ANSWERS[row], *(int(confusion[row, column]) for column in codes)) for row in codes],
    )


def _text(kappa: Kappa | None) -> str:
    if kappa is None or math.isnan(kappa.value):
        return "–"
    interval = "" if math.isnan(kappa.low) else f" [{kappa.low:.2f}, {kappa.high:.2f}]"
    return f"{kappa.value:.2f}{interval}"


def _share(share: float | None) -> str:
    return "–" if share is None else f"{share:.0%}"
