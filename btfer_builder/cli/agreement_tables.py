"""Print how far reviewers agree, as tables people can read."""

import math

import click

from btfer_builder.cli.output import table
from btfer_builder.review.agreement import ANSWERS, Agreement
from btfer_builder.review.kappa import Kappa


def show_agreement(found: Agreement) -> None:
    """Print the measures on stdout."""
    answered = ", ".join(f"{name} {n}" for name, n in found.answered.items())
    click.echo(f"{found.round} answered: {answered}")
    click.echo(
        f"{found.shared} with two answers or more, {found.disputed} of them answered differently; "
        f"{found.open} still open under the rule: at least {found.min_votes} answers, "
        f"{found.agreement:.0%} of them alike"
    )
    classes = [name for name in ANSWERS if name in found.fleiss_per_class]
    names = [" and ".join(pair.reviewers) for pair in found.pairs]
    if found.fleiss is not None:
        table(
            f"Fleiss' kappa of all {len(found.fleiss_reviewers)}, on the {found.fleiss_items} items all answered",
            ["kappa", *classes],
            [(_text(found.fleiss), *(_text(found.fleiss_per_class[name]) for name in classes))],
        )
    seen = [name for name in ANSWERS if any(name in pair.per_class for pair in found.pairs)]
    table(
        "Cohen's kappa of every two",
        ["reviewers", "items", "kappa", *seen],
        [
            (name, pair.items, _text(pair.kappa), *(_text(pair.per_class.get(each)) for each in seen))
            for name, pair in zip(names, found.pairs, strict=True)
        ],
    )
    table(
        "Each against the consensus (items that somebody else answered, too)",
        ["reviewer", "items", "alike", "kappa", *seen],
        [
            (
                one.reviewer,
                one.items,
                _share(one.agreement),
                _text(one.kappa),
                *(_share(one.per_class.get(each)) for each in seen),
            )
            for one in found.against
        ],
    )
    confusion = found.confusion
    places = [place for place, name in enumerate(ANSWERS) if confusion[place].any()]
    table(
        "Who says one thing where another says another (every two reviewers, both ways)",
        ["", *(ANSWERS[place] for place in places)],
        [(ANSWERS[row], *(int(confusion[row, column]) for column in places)) for row in places],
    )


def _text(kappa: Kappa | None) -> str:
    if kappa is None or math.isnan(kappa.value):
        return "–"
    interval = "" if math.isnan(kappa.low) else f" [{kappa.low:.2f}, {kappa.high:.2f}]"
    return f"{kappa.value:.2f}{interval}"


def _share(share: float | None) -> str:
    return "–" if share is None else f"{share:.0%}"
