"""A labelled set on disk as its splits, and which faces choose the best epoch."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from btfer_builder.config import SplitName
from btfer_builder.datasets.labelled_faces import LabelledFace, faces_in_folder
from btfer_builder.errors import BtferError
from btfer_builder.labels import EMOTIONS

#: What folders of splits are called, in lower case.
SPLIT_NAMES: dict[str, SplitName] = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "test": "test",
    "testing": "test",
}


@dataclass(frozen=True, slots=True)
class Selection:
    """The faces a network learns from and those that choose its best epoch.

    Attributes
    ----------
    train, validation
        No face is in both.
    name
        Where the second ones are from, in words: `val`, `10 % of train` (what it came to), or `test, as the authors`.
    """

    train: tuple[LabelledFace, ...]
    validation: tuple[LabelledFace, ...]
    name: str


def read_splits(folder: Path) -> dict[SplitName, list[LabelledFace]]:
    """List the faces of a folder of class folders, or of train, val and test folders of class folders.

    Parameters
    ----------
    folder
        Class folders are named as `faces_in_folder` says; splits as in `SPLIT_NAMES`, whatever the case.

    Returns
    -------
    dict
        The splits there are, in the order train, val, test; class folders alone are `train`. A face's id is its
        path from the class folder on.

    Raises
    ------
    BtferError
        If the folder is missing, two folders are the same split, train is missing, or a class folder is none.
    """
    found: dict[SplitName, Path] = {}
    for entry in sorted(folder.iterdir()) if folder.is_dir() else []:
        split = SPLIT_NAMES.get(entry.name.casefold())
        if split is None or not entry.is_dir():
            continue
        if split in found:
            raise BtferError(f"{folder}: {found[split].name} and {entry.name} are both {split}; keep one")
        found[split] = entry
    if not found:
        return {"train": faces_in_folder(folder)}
    if "train" not in found:
        names = ", ".join(path.name for path in found.values())
        raise BtferError(f"{folder}: has {names} but no train folder to learn from")
    order: tuple[SplitName, ...] = ("train", "val", "test")
    return {split: faces_in_folder(found[split]) for split in order if split in found}


def select(
    splits: Mapping[SplitName, Sequence[LabelledFace]],
    *,
    share: float = 0.1,
    seed: int = 0,
    paper: bool = False,
) -> Selection:
    """Say which faces choose the best epoch: never those of test, unless the authors' way is asked for.

    Parameters
    ----------
    splits
        As `read_splits` gives them; `train` is among them.
    share
        Of each class in train that is set apart where there is no val split; 0–1.
    seed
        Of that draw.
    paper
        Take test if there is one: the authors' one held-out split chose the epoch and was then reported (§4.2).

    Raises
    ------
    BtferError
        If a class has too few faces to set any apart.
    """
    train = tuple(splits["train"])
    if paper and splits.get("test"):
        return Selection(train, tuple(splits["test"]), "test, as the authors")
    if splits.get("val"):
        return Selection(train, tuple(splits["val"]), "val")
    kept, apart = split_off(train, share, seed)
    return Selection(kept, apart, f"{len(apart) / len(train):.0%} of train".replace("%", " %"))


def split_off(
    faces: Sequence[LabelledFace], share: float, seed: int
) -> tuple[tuple[LabelledFace, ...], tuple[LabelledFace, ...]]:
    """Set a share of every class apart, at least one face, and keep the order in both parts.

    Which ones depends on the faces' ids and the seed, not on the order they come in.

    Raises
    ------
    BtferError
        If a class has a single face.
    """
    classes: dict[str, list[str]] = defaultdict(list)
    for face in faces:
        classes[face.emotion].append(face.face_id)
    apart: set[str] = set()
    for emotion, ids in classes.items():
        if len(ids) < 2:
            raise BtferError(f"{emotion}: a single face cannot be in two splits; add faces or a val folder")
        count = min(max(round(share * len(ids)), 1), len(ids) - 1)
        random = np.random.default_rng([seed, EMOTIONS.index(emotion)])
        apart.update(random.permutation(np.array(sorted(ids)))[:count].tolist())
    return (
        tuple(face for face in faces if face.face_id not in apart),
        tuple(face for face in faces if face.face_id in apart),
    )
