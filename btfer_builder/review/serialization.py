"""Items, decisions and votes as the JSON of the page and its API."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from btfer_builder.catalog.agreement import Vote
from btfer_builder.catalog.review import CurrentDecision, ItemOrigin, ReviewItem
from btfer_builder.labels import EMOTIONS, Emotion
from btfer_builder.records import Kind
from btfer_builder.review.ordering import ReviewSignals


def decision_json(current: CurrentDecision | None) -> dict[str, Any] | None:
    """Return a reviewer's current decision; None if the item is undecided."""
    if current is None:
        return None
    decision = current.decision
    return {"verdict": decision.verdict, "emotion": decision.emotion, "reason": decision.reason}


def item_json(
    item: ReviewItem,
    kind: Kind,
    current: CurrentDecision | None,
    ballot: Sequence[Vote],
    found_under: Sequence[str],
    signals: ReviewSignals,
    origin: ItemOrigin,
) -> dict[str, Any]:
    """Return an item with everything known about it.

    Parameters
    ----------
    item, kind, current
        The item, its round, and this reviewer's current decision on it.
    ballot
        The votes on it, for an adjudicator, who is proposed the leading answer.
    found_under
        All emotions it was found under, if there are several.
    signals
        What makes it suspicious.
    origin
        How it was found.
    """
    labelled = current is not None and current.decision.emotion is not None
    opinion = signals.opinion(item)
    return {
        "item_id": item.item_id,
        "kind": kind,
        "emotion": leading(ballot) if ballot else item.proposed,
        "listed_under": item.listed_under,
        "conflict": bool(item.conflict) and not labelled,
        "found_under": list(found_under) or [item.listed_under],
        "query": origin.query,
        "license": origin.license,
        "restrictions": [word for word in origin.restrictions.split("|") if word],
        "confidence": item.confidence,
        "upscale": item.upscale,
        "padding": item.padding,
        "found_by": item.found_by,
        "sharpness": signals.sharpness.get(item.item_id),
        "duplicates": item.duplicates,
        "distance": item.distance,
        "disagreement": signals.disagreement.get(item.item_id),
        "model": opinion and {"says": opinion[0], "sure": opinion[1], "doubt": signals.doubt(item)},
        "votes": [
            {"reviewer": vote.reviewer, "answer": vote.answer, "reason": vote.reason} for vote in ballot
        ],
        "my": decision_json(current),
    }


def blind_json(
    item: ReviewItem, kind: Kind, current: CurrentDecision | None, origin: ItemOrigin
) -> dict[str, Any]:
    """Return an item in the form of `item_json`, without anything that reveals what was searched for."""
    hidden = dict.fromkeys(
        ("emotion", "listed_under", "query", "confidence", "upscale", "padding", "sharpness")
    )
    hidden["found_by"] = ""
    return {
        "item_id": item.item_id,
        "kind": kind,
        **hidden,
        "conflict": False,
        "found_under": [],
        "license": origin.license,
        "restrictions": [word for word in origin.restrictions.split("|") if word],
        "duplicates": item.duplicates,
        "distance": item.distance,
        "disagreement": None,
        "model": None,
        "votes": [],
        "my": decision_json(current),
    }


def leading(ballot: Sequence[Vote]) -> Emotion | None:
    """Return the emotion with more votes than any other answer; None if there is none."""
    counts = Counter(vote.answer for vote in ballot).most_common(2)
    if not counts or (len(counts) > 1 and counts[0][1] == counts[1][1]):
        return None
    return next((emotion for emotion in EMOTIONS if emotion == counts[0][0]), None)
