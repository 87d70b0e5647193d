"""Draw the splits that a dataset lacks out of train, class by class; duplicates stay in one split."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain

from btfer_builder.config import DatasetRecipe, override
from btfer_builder.datasets.convert import ConvertedItem
from btfer_builder.datasets.duplicates import DuplicatePair
from btfer_builder.datasets.readers import Layout
from btfer_builder.datasets.readers.base import Item
from btfer_builder.images.same_picture import connected_groups
from btfer_builder.labels import SplitName


def apply_paper_splits(
    layout: Layout, items: Sequence[Item], recipe: DatasetRecipe
) -> tuple[list[Item], DatasetRecipe]:
    """Return the items and the recipe with the authors' splits, who had no test apart from val (§4.3).

    Duplicates still stay in one split: the authors' own draw is not known, and a draw by chance would leak.
    """
    if layout.paper_val_share is not None:
        pooled = [replace(item, split="train") for item in items]
        return pooled, override(recipe, val_share=layout.paper_val_share, test_share=0.0)
    moved = [replace(item, split="val") if item.split == "test" else item for item in items]
    return moved, override(recipe, test_share=0.0)


def draw_splits(
    pictures: Sequence[ConvertedItem], duplicates: Sequence[DuplicatePair], recipe: DatasetRecipe
) -> list[ConvertedItem]:
    """Return the pictures in the same order, with those that are drawn for val and test moved to these splits.

    A split that already has pictures does not change. Duplicates, and the pictures of a person whom the dataset
    names, are drawn together, so the draw adds no leakage. It depends on the seed and the pixels only, not on names
    or order.

    Parameters
    ----------
    pictures, duplicates
        Input and output of `find_duplicates`.
    recipe
        `val_share` and `test_share` of the pictures of train, and the seed.
    """
    present = {picture.item.split for picture in pictures}
    shares: dict[SplitName, float] = {"test": recipe.test_share, "val": recipe.val_share}
    wanted = {split: share for split, share in shares.items() if split not in present and share > 0}
    if not wanted:
        return list(pictures)
    copies = ((pair.first, pair.second) for pair in duplicates)
    linked = connected_groups(len(pictures), chain(copies, _persons(pictures)))
    groups: dict[int, list[int]] = defaultdict(list)
    for index, group in enumerate(linked):
        groups[group].append(index)
    # A group with a picture in another split stays where it is.
    free = {
        group: indexes
        for group, indexes in groups.items()
        if all(pictures[index].item.split == "train" for index in indexes)
    }
    class_sizes = Counter(picture.item.emotion for picture in pictures if picture.item.split == "train")
    missing = {
        (split, emotion): round(share * count)
        for split, share in wanted.items()
        for emotion, count in class_sizes.items()
    }
    drawn: dict[int, SplitName] = {}
    for indexes in sorted(
        free.values(), key=lambda group: _rank(recipe.seed, [pictures[i].pixels for i in group])
    ):
        counts = Counter(pictures[index].item.emotion for index in indexes)
        for split in wanted:
            if all(missing[split, emotion] >= count for emotion, count in counts.items()):
                for emotion, count in counts.items():
                    missing[split, emotion] -= count
                drawn |= dict.fromkeys(indexes, split)
                break
    return [
        replace(picture, item=replace(picture.item, split=drawn.get(index, picture.item.split)))
        for index, picture in enumerate(pictures)
    ]


def _persons(pictures: Sequence[ConvertedItem]) -> Iterator[tuple[int, int]]:
    """Yield pairs that connect the pictures of each person."""
    first: dict[str, int] = {}
    for index, picture in enumerate(pictures):
        if picture.item.person:
            yield first.setdefault(picture.item.person, index), index


def _rank(seed: int, pixels: Sequence[str]) -> str:
    return hashlib.sha256(f"{seed} {' '.join(sorted(pixels))}".encode()).hexdigest()
