"""Draw the splits a labelled set does not have out of its train, class by class, twins together."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace

from btfer_builder.config import DatasetKind, DatasetRecipe, SplitName, override
from btfer_builder.datasets.convert import Converted
from btfer_builder.datasets.duplicates import DuplicatePair
from btfer_builder.datasets.readers.base import Item
from btfer_builder.images.same_picture import connected_groups

#: What the authors drew for val out of the pooled sets: 4,606 of 15,339 and 5,545 of 27,766 pictures.
POOLED: dict[DatasetKind, float] = {"rafdb": 0.3, "affectnet": 0.2}


def as_the_authors(
    kind: DatasetKind, items: Sequence[Item], recipe: DatasetRecipe
) -> tuple[list[Item], DatasetRecipe]:
    """Return the items and the recipe with the splits the authors used, who had no test apart from val (§4.3).

    Twins are kept together all the same: the authors' own draw is not known, and chance alone would make leaks.
    """
    if kind in POOLED:
        pooled = [replace(item, split="train") for item in items]
        return pooled, override(recipe, val_share=POOLED[kind], test_share=0.0)
    moved = [replace(item, split="val") if item.split == "test" else item for item in items]
    return moved, override(recipe, test_share=0.0)


def draw_splits(
    pictures: Sequence[Converted], twins: Sequence[DuplicatePair], recipe: DatasetRecipe
) -> list[Converted]:
    """Return the pictures with those drawn for val and test in these splits, in the same order.

    A split that has pictures already is left as it is. Twins always come together, so that drawing makes no leak;
    what is drawn depends on the seed and the pixels alone, not on names or order.

    Parameters
    ----------
    pictures, twins
        As `find_twins` takes and gives them.
    recipe
        `val_share` and `test_share` of the pictures of train, and the seed.
    """
    there = {picture.item.split for picture in pictures}
    shares: dict[SplitName, float] = {"test": recipe.test_share, "val": recipe.val_share}
    wanted = {split: share for split, share in shares.items() if split not in there and share > 0}
    if not wanted:
        return list(pictures)
    group = connected_groups(len(pictures), ((pair.first, pair.second) for pair in twins))
    members: dict[int, list[int]] = defaultdict(list)
    for place in range(len(pictures)):
        members[group[place]].append(place)
    # A group that reaches into another split already stays where it is.
    free = {
        key: places
        for key, places in members.items()
        if all(pictures[place].item.split == "train" for place in places)
    }
    size = Counter(picture.item.emotion for picture in pictures if picture.item.split == "train")
    missing = {
        (split, emotion): round(share * count)
        for split, share in wanted.items()
        for emotion, count in size.items()
    }
    drawn: dict[int, SplitName] = {}
    for key in sorted(free, key=lambda key: _rank(recipe.seed, [pictures[p].pixels for p in free[key]])):
        classes = Counter(pictures[place].item.emotion for place in free[key])
        for split in wanted:
            if all(missing[split, emotion] >= count for emotion, count in classes.items()):
                for emotion, count in classes.items():
                    missing[split, emotion] -= count
                drawn |= dict.fromkeys(free[key], split)
                break
    return [
        replace(picture, item=replace(picture.item, split=drawn.get(place, picture.item.split)))
        for place, picture in enumerate(pictures)
    ]


def _rank(seed: int, pixels: Sequence[str]) -> str:
    return hashlib.sha256(f"{seed} {' '.join(sorted(pixels))}".encode()).hexdigest()
