"""Items, words and votes in the form the page and programs read."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from btfer_builder.catalog.agreement import Vote
from btfer_builder.catalog.review import CurrentDecision, ReviewItem
from btfer_builder.labels import EMOTIONS, Emotion
from btfer_builder.records import Kind
from btfer_builder.review.ordering import ReviewSignals


def word_json(word: CurrentDecision | None) -> dict[str, Any] | None:
    """Return a reviewer's word."""
    if word is None:
        return None
    decision = word.decision
    return {"verdict": decision.verdict, "emotion": decision.emotion, "reason": decision.reason}


def item_json(
    item: ReviewItem,
    kind: Kind,
    word: CurrentDecision | None,
    ballot: Sequence[Vote],
    found: Sequence[str],
    signs: ReviewSignals,
) -> dict[str, Any]:
    """Return an item with all that is known of it.

    Parameters
    ----------
    item, kind, word
        The item, its round, and what this reviewer says of it.
    ballot
        The votes on it, for those who adjudicate; they are proposed the leading answer.
    found
        All emotions it was found under, if they are more than one.
    signs
        What makes it suspicious.
    """
    labelled = word is not None and word.decision.emotion is not None
    opinion = signs.opinion(item)
    return {
        "item_id": item.item_id,
        "kind": kind,
        "emotion": leading(ballot) if ballot else item.proposed,
        "listed_under": item.listed_under,
        "conflict": item.conflict and not labelled,
        "found_under": list(found) or [item.listed_under],
        "query": item.query,
        "license": item.license,
        "confidence": item.confidence,
        "upscale": item.upscale,
        "sharpness": signs.sharpness.get(item.item_id),
        "duplicates": item.duplicates,
        "distance": item.distance,
        "model": opinion and {"says": opinion[0], "sure": opinion[1], "doubt": signs.doubt(item)},
        "votes": [
            {"reviewer": vote.reviewer, "answer": vote.answer, "reason": vote.reason} for vote in ballot
        ],
        "my": word_json(word),
    }


def blind_json(item: ReviewItem, kind: Kind, word: CurrentDecision | None) -> dict[str, Any]:
    """Return an item without anything that tells what was searched for; the form is that of `item_json`."""
    hidden = dict.fromkeys(("emotion", "listed_under", "query", "confidence", "upscale", "sharpness"))
    return {
        "item_id": item.item_id,
        "kind": kind,
        **hidden,
        "conflict": False,
        "found_under": [],
        "license": item.license,
        "duplicates": item.duplicates,
        "distance": item.distance,
        "model": None,
        "votes": [],
        "my": word_json(word),
    }


def leading(ballot: Sequence[Vote]) -> Emotion | None:
    """Return the emotion that more reviewers gave than any other answer; None if there is none."""
    counts = Counter(vote.answer for vote in ballot).most_common(2)
    if not counts or (len(counts) > 1 and counts[0][1] == counts[1][1]):
        return None
    return next((emotion for emotion in EMOTIONS if emotion == counts[0][0]), None)
