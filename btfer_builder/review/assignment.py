"""Who sees which items, and in which order: the same on every machine, by hashes of names and ids."""

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import asdict

from btfer_builder.catalog import Catalog
from btfer_builder.catalog.agreement import ConsensusRule, choose_rule, rule
from btfer_builder.catalog.review import ReviewItem, review_items
from btfer_builder.catalog.reviewed_work import count_work_on_faces
from btfer_builder.config import ReviewRecipe, changes
from btfer_builder.config.refuse_loss import refuse_loss
from btfer_builder.errors import BtferError
from btfer_builder.records import Kind


def check_sharing(reviewer: str, recipe: ReviewRecipe) -> None:
    """Refuse a reviewer who has no share of the work.

    Raises
    ------
    BtferError
        If reviewers are named and this is none of them.
    """
    if recipe.reviewers and reviewer not in recipe.reviewers:
        raise BtferError(
            f"{reviewer} is none of the reviewers who share the work ({', '.join(recipe.reviewers)}); "
            "name one of them with --reviewer, or all with --reviewers"
        )


def is_assigned(reviewer: str, item_id: str, recipe: ReviewRecipe) -> bool:
    """Whether an item is this reviewer's to look at.

    Where reviewers share the work, everyone sees the overlap, and each other item belongs to the one of them
    whose name and its id hash highest. So another reviewer takes over a few items of everyone, and all else
    stays where it was.
    """
    if not recipe.reviewers or in_overlap(item_id, recipe):
        return True
    return reviewer == max(recipe.reviewers, key=lambda name: _hash(recipe.seed, "share", name, item_id))


def in_overlap(item_id: str, recipe: ReviewRecipe) -> bool:
    """Whether an item is one of those that all who share the work see."""
    return _hash(recipe.seed, "overlap", item_id) < recipe.overlap * 2**256


def items_for(catalog: Catalog, kind: Kind, reviewer: str, recipe: ReviewRecipe) -> list[ReviewItem]:
    """Return the items of a round that are this reviewer's: as found, or shuffled for those who review blind."""
    items = [item for item in review_items(catalog, kind) if is_assigned(reviewer, item.item_id, recipe)]
    return shuffled(items, reviewer, recipe.seed) if recipe.blind else items


def shuffled(items: Sequence[ReviewItem], reviewer: str, seed: int) -> list[ReviewItem]:
    """Return the items in an order that depends on the seed, the reviewer and the ids only."""
    return sorted(items, key=lambda item: _hash(seed, "order", reviewer, item.item_id))


def follow_rule(catalog: Catalog, recipe: ReviewRecipe, asked: Collection[str]) -> None:
    """Put the recipe's rule of consensus in force; the catalog keeps it until another one is.

    Parameters
    ----------
    catalog, recipe
        Where, and the rule.
    asked
        The settings that were given as flags.

    Raises
    ------
    BtferError
        If reviewed items would lose their verdict or get another because of a setting that was not.
    """
    now = ConsensusRule(recipe.min_votes, recipe.agreement)
    forgotten = [
        change
        for change in changes(asdict(rule(catalog)), recipe, ("min_votes", "agreement"))
        if change.name not in asked
    ]

    def check(unsettled: set[str]) -> None:
        refuse_loss(
            "review",
            forgotten,
            lost="items",
            reviewed=len(unsettled),
            sampled=count_work_on_faces(catalog, unsettled)[1],
            go_on=f"give --min-votes {now.min_votes} --agreement {now.agreement}",
            would="lose their verdict",
        )

    choose_rule(catalog, now, check)


def _hash(*parts: object) -> int:
    # Lengths in front: no two lists of parts are the same text.
    text = "".join(f"{len(word)}:{word}" for word in map(str, parts))
    return int.from_bytes(hashlib.sha256(text.encode()).digest(), "big")
