"""Read the splits of a dataset, and choose the faces that select the best epoch."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from btfer_builder.datasets.labelled_faces import LabelledFace, faces_in_folder, is_empty_split
from btfer_builder.errors import BtferError
from btfer_builder.io.terminal import echo_stderr
from btfer_builder.labels import EMOTIONS, SPLITS, SplitName, parse_split


@dataclass(frozen=True, slots=True)
class Selection:
    """The faces that a network is trained on and those that select its best epoch.

    Attributes
    ----------
    train, validation
        Disjoint sets of faces.
    name
        Origin of the validation faces: `val`, `10 % of train` (the actual share), or `test, as the authors`.
    """

    train: tuple[LabelledFace, ...]
    validation: tuple[LabelledFace, ...]
    name: str


def read_splits(folder: Path) -> dict[SplitName, list[LabelledFace]]:
    """List the faces of a folder with class folders, or with the folders train, val and test of class folders.

    Parameters
    ----------
    folder
        Class folders are named as in `faces_in_folder`, split folders as in `labels.parse_split`.

    Returns
    -------
    dict
        Faces of each split that exists, in the order of `SPLITS`; class folders without splits are `train`. The id
        of a face is its path from the class folder on. A split of a sample that was drawn without faces is left out.

    Raises
    ------
    BtferError
        If the folder is missing, two folders mean the same split, train is missing, or a folder is not named after
        an emotion.
    """
    folders: dict[SplitName, Path] = {}
    for entry in sorted(folder.iterdir()) if folder.is_dir() else []:
        split = parse_split(entry.name)
        if split is None or not entry.is_dir():
            continue
        if is_empty_split(entry):
            echo_stderr(f"{entry}: the sample has no faces here")
            continue
        if split in folders:
            raise BtferError(f"{folder}: {folders[split].name} and {entry.name} are both {split}; keep one")
        folders[split] = entry
    if not folders:
        return {"train": faces_in_folder(folder)}
    if "train" not in folders:
        names = ", ".join(path.name for path in folders.values())
        raise BtferError(f"{folder}: has {names} but no train folder to learn from")
    return {split: faces_in_folder(folders[split]) for split in SPLITS if split in folders}


def select(
    splits: Mapping[SplitName, Sequence[LabelledFace]],
    *,
    share: float = 0.1,
    seed: int = 0,
    paper: bool = False,
) -> Selection:
    """Choose the faces that select the best epoch. They are never those of test, except with `paper`.

    Parameters
    ----------
    splits
        Output of `read_splits`, with `train`.
    share
        Share of each class of train that is held out if there is no val split; 0–1.
    seed
        Seed of that draw.
    paper
        Use test if there is one: the authors' one held-out split selected the epoch and was then reported (§4.2).

    Raises
    ------
    BtferError
        If a class has too few faces to hold any out.
    """
    train = tuple(splits["train"])
    if paper and splits.get("test"):
        return Selection(train, tuple(splits["test"]), "test, as the authors")
    if splits.get("val"):
        return Selection(train, tuple(splits["val"]), "val")
    kept, held_out = split_off(train, share, seed)
    return Selection(kept, held_out, f"{len(held_out) / len(train):.0%} of train".replace("%", " %"))


def split_off(
    faces: Sequence[LabelledFace], share: float, seed: int
) -> tuple[tuple[LabelledFace, ...], tuple[LabelledFace, ...]]:
    """Hold out a share of every class, at least one face, and keep the order in both parts.

    The draw depends on the ids of the faces and the seed, not on the order of the faces.

    Raises
    ------
    BtferError
        If a class has only one face.
    """
    classes: dict[str, list[str]] = defaultdict(list)
    for face in faces:
        classes[face.emotion].append(face.face_id)
    held_out: set[str] = set()
    for emotion, ids in classes.items():
        if len(ids) < 2:
            raise BtferError(f"{emotion}: a single face cannot be in two splits; add faces or a val folder")
        count = min(max(round(share * len(ids)), 1), len(ids) - 1)
        random = np.random.default_rng([seed, EMOTIONS.index(emotion)])
        held_out.update(random.permutation(np.array(sorted(ids)))[:count].tolist())
    return (
        tuple(face for face in faces if face.face_id not in held_out),
        tuple(face for face in faces if face.face_id in held_out),
    )
