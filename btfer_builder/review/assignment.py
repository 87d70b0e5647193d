"""Assign items to reviewers: by hashes of names and ids, so the result is the same on every machine."""

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import asdict

from btfer_builder.catalog import Catalog
from btfer_builder.catalog.agreement import ConsensusRule, rule, set_rule
from btfer_builder.catalog.review import ReviewItem, review_items
from btfer_builder.catalog.reviewed_work import count_work_on_faces
from btfer_builder.config import ReviewRecipe, changes
from btfer_builder.config.refuse_loss import refuse_loss
from btfer_builder.errors import BtferError
from btfer_builder.records import Kind


def check_assigned(reviewer: str, recipe: ReviewRecipe) -> None:
    """Refuse a reviewer to whom no items are assigned.

    Raises
    ------
    BtferError
        If `recipe.reviewers` names others only.
    """
    if recipe.reviewers and reviewer not in recipe.reviewers:
        raise BtferError(
            f"{reviewer} is not one of the reviewers who share the work ({', '.join(recipe.reviewers)}); "
            "name one of them with --reviewer, or all of them with --reviewers"
        )


def is_assigned(reviewer: str, item_id: str, recipe: ReviewRecipe) -> bool:
    """Whether an item is assigned to a reviewer.

    The items of the overlap are assigned to every reviewer. Each other item is assigned to the reviewer whose name,
    hashed with its id, is highest (rendezvous hashing): another reviewer takes over some items of each, and all others
    keep their reviewer. Without `recipe.reviewers`, every item is assigned to everyone.
    """
    if not recipe.reviewers or in_overlap(item_id, recipe):
        return True
    return reviewer == max(recipe.reviewers, key=lambda name: _hash(recipe.seed, "share", name, item_id))


def in_overlap(item_id: str, recipe: ReviewRecipe) -> bool:
    """Whether an item is assigned to all reviewers."""
    return _hash(recipe.seed, "overlap", item_id) < recipe.overlap * 2**256


def items_for(catalog: Catalog, kind: Kind, reviewer: str, recipe: ReviewRecipe) -> list[ReviewItem]:
    """Return the items of a round that are assigned to a reviewer: as found, or shuffled in a blind review."""
    items = review_items(catalog, kind)
    if recipe.reviewers:
        items = [item for item in items if is_assigned(reviewer, item.item_id, recipe)]
    return shuffled(items, reviewer, recipe.seed) if recipe.blind else items


def shuffled(items: Sequence[ReviewItem], reviewer: str, seed: int) -> list[ReviewItem]:
    """Return the items in an order that depends only on the seed, the reviewer and the ids."""
    return sorted(items, key=lambda item: _hash(seed, "order", reviewer, item.item_id))


def follow_rule(catalog: Catalog, recipe: ReviewRecipe, asked: Collection[str]) -> None:
    """Apply the recipe's rule of consensus; the catalog stores it.

    Parameters
    ----------
    catalog, recipe
        The catalog, and the settings with the rule.
    asked
        The settings that were given as flags.

    Raises
    ------
    BtferError
        If reviewed items would lose or change their verdict because of a setting that was not given as a flag.
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

    set_rule(catalog, now, check)


def _hash(*parts: object) -> int:
    # With their lengths, different lists of parts never give the same text.
    text = "".join(f"{len(part)}:{part}" for part in map(str, parts))
    return int.from_bytes(hashlib.sha256(text.encode()).digest(), "big")
