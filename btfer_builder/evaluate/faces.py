"""The labelled faces a model is scored on, and how a folder of class folders becomes a list of them."""

from dataclasses import dataclass
from pathlib import Path

from btfer_builder.catalog.sample import sampled_faces
from btfer_builder.emotions import EMOTIONS, Emotion, parse_emotion
from btfer_builder.errors import BtferError
from btfer_builder.workspace import Workspace

#: Files in a class folder with another suffix are no faces (checksums, notes, thumbnails of the desktop).
SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp"})


@dataclass(frozen=True, slots=True)
class LabelledFace:
    """One face of the set.

    Attributes
    ----------
    path
        The image file.
    emotion
        What the face shows according to the set.
    face_id
        What the face is called in the predictions and in the signature of the set.
    """

    path: Path
    emotion: Emotion
    face_id: str


def faces_in_folder(directory: Path) -> list[LabelledFace]:
    """List the images of a folder that has one folder a class, always in the same order.

    Parameters
    ----------
    directory
        Its folders are named after emotions or their synonyms (`anger` is `angry`, whatever the case); images
        may lie deeper in them. Hidden files and folders, and files beside the class folders, are left alone.

    Returns
    -------
    list of LabelledFace
        Sorted by relative path, which is also the `face_id`.

    Raises
    ------
    BtferError
        If the folder is missing or has no class folder, a folder is named after no emotion, or one is empty.
    """
    if not directory.is_dir():
        raise BtferError(f"{directory}: no such folder; expected one with a folder for each emotion")
    folders = sorted(entry for entry in directory.iterdir() if entry.is_dir() and not _hidden(entry.name))
    if not folders:
        raise BtferError(
            f"{directory}: has no class folders; expected {', '.join(EMOTIONS)} with images in them"
        )
    faces = []
    for folder in folders:
        try:
            emotion = parse_emotion(folder.name)
        except BtferError as error:
            raise BtferError(f"{folder}: {error}; rename the folder or move it away") from None
        images = [path for path in folder.rglob("*") if _is_face(path, folder)]
        if not images:
            kinds = " ".join(sorted(SUFFIXES))
            raise BtferError(f"{folder}: has no images ({kinds}); put some in or remove the folder")
        faces += [LabelledFace(path, emotion, path.relative_to(directory).as_posix()) for path in images]
    return sorted(faces, key=lambda face: face.face_id)


def faces_in_sample(workspace: Workspace) -> list[LabelledFace]:
    """List the faces of a workspace's sample, by class and in the order of the draw.

    Raises
    ------
    BtferError
        If no sample was drawn yet.
    """
    faces = [
        LabelledFace(workspace.root / row["path"], row["emotion"], row["face_id"])
        for row in sampled_faces(workspace.catalog)
    ]
    if not faces:
        raise BtferError(f"{workspace.root} has no sample yet: btfer sample, or name a folder with --data")
    return faces


def _is_face(path: Path, folder: Path) -> bool:
    hidden = any(_hidden(part) for part in path.relative_to(folder).parts)
    return path.suffix.lower() in SUFFIXES and not hidden and path.is_file()


def _hidden(name: str) -> bool:
    return name.startswith(".")
