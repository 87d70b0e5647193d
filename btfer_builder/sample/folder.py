"""Write the folder of a sample, whole or not at all."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from btfer_builder.errors import BtferError
from btfer_builder.images.decode import is_whole_png
from btfer_builder.io.atomic import build_folder, restore_folder, sync_files
from btfer_builder.io.storage import File
from btfer_builder.labels import EMOTIONS, Emotion
from btfer_builder.reconcile import SAMPLE_LEFTOVERS
from btfer_builder.records import SampledFace


def sample_path(face_id: str, emotion: Emotion, split: str, splits: Sequence[str]) -> str:
    """Return the path of a face of the sample in the workspace; several splits have a folder each."""
    folder = f"{split}/{emotion}" if len(splits) > 1 else emotion
    return f"data/sample/{folder}/{face_id}.png"


def write_sample(
    root: Path, target: Path, sampled: Sequence[SampledFace], files: Mapping[str, File], splits: Sequence[str]
) -> list[SampledFace]:
    """Write the folder of a sample, and return the faces with the SHA-256 of their files.

    Parameters
    ----------
    root, target
        The workspace and the folder in it.
    sampled
        The faces and their paths in the folder.
    files
        The file of each face, by face id.
    splits
        The splits. Each has a folder for every class, also for an empty one: Keras numbers classes by their folders.

    Raises
    ------
    BtferError
        If a face file is missing or damaged, or the disk is full; an earlier sample stays.
    """
    written = []
    with build_folder(target, overwrite=True, leftovers=SAMPLE_LEFTOVERS) as building:
        for split in splits:
            for emotion in EMOTIONS:
                folder = root / sample_path("-", emotion, split, splits)
                (building / folder.parent.relative_to(target)).mkdir(parents=True)
        for face in sampled:
            source = files[face.face_id]
            try:
                content = source.read_bytes()
            except FileNotFoundError:
                raise BtferError(f"{source} is gone; make it again with: btfer crop") from None
            if not is_whole_png(content):
                raise BtferError(f"{source} is damaged; make it again with: btfer crop")
            (building / (root / face.path).relative_to(target)).write_bytes(content)
            written.append(replace(face, sha256=hashlib.sha256(content).hexdigest()))
        sync_files(path for path in building.rglob("*.png"))
    return written


def restore_sample(target: Path) -> None:
    """Undo what a killed `write_sample` left: put the earlier sample back if no new one replaced it."""
    restore_folder(target, SAMPLE_LEFTOVERS)
