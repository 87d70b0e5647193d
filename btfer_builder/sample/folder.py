"""The folder of a sample: built aside out of the face files, and put in place all at once."""

import hashlib
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from btfer_builder.errors import BtferError
from btfer_builder.io.storage import File
from btfer_builder.labels import EMOTIONS, Emotion
from btfer_builder.records import SampledFace

#: Ends the name of the earlier sample while the new one takes its place.
_OLD = ".old"


def sample_path(face_id: str, emotion: Emotion, split: str, splits: Sequence[str]) -> str:
    """Return where a face of the sample is, relative to the workspace: a folder a split, if there are several."""
    folder = f"{split}/{emotion}" if len(splits) > 1 else emotion
    return f"data/sample/{folder}/{face_id}.png"


def write_sample(
    root: Path, target: Path, chosen: Sequence[SampledFace], files: Mapping[str, File], splits: Sequence[str]
) -> list[SampledFace]:
    """Build the folder aside, swap it in, and return the faces with the SHA-256 of their files.

    Parameters
    ----------
    root, target
        The workspace and the folder in it.
    chosen
        The faces and their paths in the folder.
    files
        The file of each face, by face id.
    splits
        The splits; each class has its folder in each, also an empty one.

    Raises
    ------
    BtferError
        If a face file is gone or the disk is full; what was there stays as it was.
    """
    written = []
    try:
        aside = Path(tempfile.mkdtemp(dir=target.parent, prefix=".sample."))
        for split in splits:
            for emotion in EMOTIONS:
                folder = root / sample_path("-", emotion, split, splits)
                (aside / folder.parent.relative_to(target)).mkdir(parents=True)
        for face in chosen:
            source = files[face.face_id]
            try:
                content = source.read_bytes()
            except FileNotFoundError:
                raise BtferError(f"{source} is gone; make it again with: btfer crop") from None
            (aside / (root / face.path).relative_to(target)).write_bytes(content)
            written.append(replace(face, sha256=hashlib.sha256(content).hexdigest()))
        aside.chmod(0o755)
        if target.exists():
            target.rename(f"{aside}{_OLD}")
        aside.rename(target)
    except OSError as error:
        raise BtferError(f"{target}: cannot be written: {error.strerror}") from None
    finally:
        clean_up(target)
    return written


def clean_up(target: Path) -> None:
    """Put the earlier sample back if none took its place, and clear away what a run, even a killed one, left."""
    for old in target.parent.glob(f".sample.*{_OLD}"):
        if not target.exists():
            old.rename(target)
    for leftover in target.parent.glob(".sample.*"):
        shutil.rmtree(leftover, ignore_errors=True)
