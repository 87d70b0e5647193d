"""The labelled faces a model is scored on, and how a folder of class folders becomes a list of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from btfer_builder.catalog.evaluate import sampled_attributes, sampled_votes
from btfer_builder.catalog.sample import sampled_faces
from btfer_builder.errors import BtferError
from btfer_builder.images.decode import IMAGE_SUFFIXES
from btfer_builder.labels import EMOTIONS, Emotion, parse_emotion
from btfer_builder.release.schema import METADATA, read_attributes, read_votes
from btfer_builder.workspace import Workspace


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
    attributes
        How it was searched for (`query_ethnicity`, …, `language`, `engine`), as far as that is known.
    votes
        How many reviewers gave it which emotion; empty where that is not known.
    """

    path: Path
    emotion: Emotion
    face_id: str
    attributes: Mapping[str, str] = field(default_factory=dict, hash=False)
    votes: Mapping[str, int] = field(default_factory=dict, hash=False)


def faces_in_folder(directory: Path) -> list[LabelledFace]:
    """List the images of a folder that has one folder a class, always in the same order.

    Parameters
    ----------
    directory
        Its folders are named after emotions or their synonyms (`anger` is `angry`, whatever the case); images
        may lie deeper in them. Hidden files and folders, and files beside the class folders, are left alone.
        A release, whose one split holds the class folders, is a set too; of several, name the split.

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
    splits = [folder for folder in folders if not _is_class(folder) and _has_classes(folder)]
    if splits and not any(_is_class(folder) for folder in folders):
        if len(splits) > 1:
            names = ", ".join(split.name for split in splits)
            raise BtferError(f"{directory}: has several splits ({names}); name one: {splits[0]}")
        return faces_in_folder(splits[0])
    searched = read_metadata(directory)
    faces = []
    for folder in folders:
        try:
            emotion = parse_emotion(folder.name)
        except BtferError as error:
            raise BtferError(f"{folder}: {error}; rename the folder or move it away") from None
        images = [path for path in folder.rglob("*") if _is_face(path, folder)]
        if not images:
            kinds = " ".join(sorted(IMAGE_SUFFIXES))
            raise BtferError(f"{folder}: has no images ({kinds}); put some in or remove the folder")
        for path in images:
            name = path.relative_to(directory).as_posix()
            row = searched.get(name, {})
            faces.append(LabelledFace(path, emotion, name, read_attributes(row), read_votes(row)))
    return sorted(faces, key=lambda face: face.face_id)


def faces_in_sample(workspace: Workspace) -> list[LabelledFace]:
    """List the faces of a workspace's sample, by class and in the order of the draw.

    Of a sample that is divided into splits only its `test`: the others are there to be trained on.

    Raises
    ------
    BtferError
        If no sample was drawn yet.
    """
    catalog = workspace.catalog
    rows = sampled_faces(catalog)
    divided = any(row["split"] == "test" for row in rows)
    attributes = {row["face_id"]: dict(row) for row in sampled_attributes(catalog)}
    votes: dict[str, dict[str, int]] = {}
    for row in sampled_votes(catalog):
        votes.setdefault(row["face_id"], {})[row["emotion"]] = row["votes"]
    faces = [
        LabelledFace(
            workspace.root / row["path"],
            row["emotion"],
            row["face_id"],
            attributes.get(row["face_id"], {}),
            votes.get(row["face_id"], {}),
        )
        for row in rows
        if row["split"] == "test" or not divided
    ]
    if not faces:
        raise BtferError(f"{workspace.root} has no sample yet: btfer sample, or name a folder with --data")
    return faces


def read_metadata(directory: Path) -> dict[str, dict[str, object]]:
    """Return the rows of the `metadata.jsonl` of a release, by the file's name relative to the folder.

    Empty if there is no such file.

    Raises
    ------
    BtferError
        If a line is no JSON object.
    """
    import msgspec

    path = directory / METADATA
    found = {}
    try:
        lines = path.read_bytes().splitlines()
    except (FileNotFoundError, NotADirectoryError):
        return {}
    for number, line in enumerate(lines, 1):
        try:
            row = msgspec.json.decode(line, type=dict[str, object])
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise BtferError(f"{path}: line {number} is no JSON object ({error}); write it again") from None
        found[str(row.get("file_name"))] = row
    return found


def _is_class(folder: Path) -> bool:
    try:
        parse_emotion(folder.name)
    except BtferError:
        return False
    return True


def _has_classes(folder: Path) -> bool:
    return any(entry.is_dir() and _is_class(entry) for entry in folder.iterdir())


def _is_face(path: Path, folder: Path) -> bool:
    hidden = any(_hidden(part) for part in path.relative_to(folder).parts)
    return path.suffix.lower() in IMAGE_SUFFIXES and not hidden and path.is_file()


def _hidden(name: str) -> bool:
    return name.startswith(".")
