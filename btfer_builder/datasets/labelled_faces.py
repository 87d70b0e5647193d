"""Labelled faces: those of a folder of class folders, or of a workspace's sample."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from btfer_builder.catalog.evaluate import sampled_attributes, sampled_origins, sampled_votes
from btfer_builder.catalog.sample import scored_faces
from btfer_builder.errors import BtferError
from btfer_builder.images.files import in_total, is_system, list_images, report_left_out
from btfer_builder.io.csv import as_mapping, read_csv, unescape_cell
from btfer_builder.io.json import parse_json
from btfer_builder.io.limits import read_lines
from btfer_builder.io.terminal import echo_stderr
from btfer_builder.labels import EMOTIONS, Emotion, parse_emotion, parse_split
from btfer_builder.next_step import no_sample
from btfer_builder.release.schema import LICENSES, METADATA, read_attributes, read_votes
from btfer_builder.workspace import RECIPE_NAME, Workspace


@dataclass(frozen=True, slots=True)
class LabelledFace:
    """A face with its label.

    Attributes
    ----------
    path
        Image file.
    emotion
        Label of the face.
    face_id
        Name of the face in predictions and in the signature of the set.
    attributes
        Attributes of its search (`query_ethnicity`, …, `language`, `engine`), as far as they are known.
    votes
        Number of reviewers for each emotion; empty if unknown.
    photo, creator
        The photo that it is cut from (its id, or the page it is on) and its creator; empty if unknown.
    """

    path: Path
    emotion: Emotion
    face_id: str
    attributes: Mapping[str, str] = field(default_factory=dict, hash=False)
    votes: Mapping[str, int] = field(default_factory=dict, hash=False)
    photo: str = ""
    creator: str = ""


def faces_in_folder(directory: Path) -> list[LabelledFace]:
    """List the images of a folder with one folder per class, always in the same order.

    Parameters
    ----------
    directory
        Folder with folders named after emotions or their synonyms (`anger` means `angry`; case is ignored), which
        may have subfolders. Images are recognised by their content. How many files are left out (hidden ones, those
        next to the class folders, …) is printed. A release whose only split contains the class folders is accepted,
        too; of several splits, name one. Of a workspace's sample, the classes that were drawn without a face are
        printed.

    Returns
    -------
    list of LabelledFace
        Sorted by relative path, which is also the `face_id`.

    Raises
    ------
    BtferError
        If the folder is missing or has no class folder, or a class folder is empty (unless it was drawn so) or not
        named after an emotion, or if the sample has no faces there.
    """
    if not directory.is_dir():
        raise BtferError(f"{directory}: no such folder; expected one with a folder for each emotion")
    folders = sorted(entry for entry in directory.iterdir() if entry.is_dir() and not is_system(entry))
    splits = [folder for folder in folders if not _is_class(folder) and _is_split(folder)]
    if splits and not any(_is_class(folder) for folder in folders):
        if len(splits) > 1:
            names = ", ".join(split.name for split in splits)
            raise BtferError(f"{directory}: has several splits ({names}); name one: {splits[0]}")
        return faces_in_folder(splits[0])
    undrawn = undrawn_classes(directory)
    if len(undrawn) == len(EMOTIONS):
        raise BtferError(f"{directory}: the sample was drawn without faces here; name another folder")
    if not folders:
        raise BtferError(
            f"{directory}: has no class folders; expected {', '.join(EMOTIONS)} with images in them"
        )
    searched, origins = read_metadata(directory), read_licences(directory)
    beside = list_images(directory, recursive=False)
    metadata = {"not_an_image": -(directory / METADATA).is_file()}  # it is read
    left_out: list[Mapping[str, int]] = [{"unlisted": len(beside.images)}, beside.left_out, metadata]
    faces = []
    for folder in folders:
        try:
            emotion = parse_emotion(folder.name)
        except BtferError as error:
            raise BtferError(f"{folder}: {error}; rename the folder or move it away") from None
        files = list_images(folder)
        if not files.images and emotion not in undrawn:
            raise BtferError(f"{folder}: has no images; put some in or remove the folder")
        left_out.append(files.left_out)
        for path in files.images:
            name = path.relative_to(directory).as_posix()
            row = searched.get(name, {})
            origin = origins.get(str(row.get("face_id")), {}) if row else {}
            faces.append(
                LabelledFace(
                    path,
                    emotion,
                    name,
                    read_attributes(row),
                    read_votes(row),
                    origin.get("source", ""),
                    origin.get("creator", ""),
                )
            )
    if undrawn:
        echo_stderr(f"{directory}: the sample has no faces of {', '.join(undrawn)}")
    report_left_out(directory, in_total(left_out))
    return sorted(faces, key=lambda face: face.face_id)


def undrawn_classes(directory: Path) -> list[Emotion]:
    """Return the classes without a face in a workspace's sample, or one of its splits; none of any other folder.

    They have empty folders, which the table of the sample tells from folders whose files are lost.
    """
    here = Path(os.path.abspath(directory))  # not resolved: the data of a workspace may be a link
    for root in here.parents[1:3]:
        folder = here.relative_to(root)
        if folder.parts[:2] != ("data", "sample") or not (root / RECIPE_NAME).is_file():
            continue
        try:
            columns, lines = read_csv(root / "manifests/sample.csv")
            drawn = {Path(as_mapping(columns, cells).get("path", "")).parent for _, cells in lines}
        except (OSError, BtferError):
            return []
        return [emotion for emotion in EMOTIONS if folder / emotion not in drawn]
    return []


def is_empty_split(folder: Path) -> bool:
    """Return whether a folder is a split of a workspace's sample that was drawn without faces."""
    return len(undrawn_classes(folder)) == len(EMOTIONS)


def faces_in_sample(workspace: Workspace) -> list[LabelledFace]:
    """List the faces of a workspace's sample, by class and in the order in which they were drawn.

    Of a sample with splits, only `test` is listed; the other splits are for training.

    Raises
    ------
    BtferError
        If the workspace has no sample.
    """
    catalog = workspace.catalog
    attributes = {row["face_id"]: dict(row) for row in sampled_attributes(catalog)}
    votes: dict[str, dict[str, int]] = {}
    for row in sampled_votes(catalog):
        votes.setdefault(row["face_id"], {})[row["emotion"]] = row["votes"]
    origins = {row["face_id"]: (row["image_id"], row["creator"] or "") for row in sampled_origins(catalog)}
    faces = [
        LabelledFace(
            workspace.root / row["path"],
            row["emotion"],
            row["face_id"],
            attributes.get(row["face_id"], {}),
            votes.get(row["face_id"], {}),
            *origins.get(row["face_id"], ("", "")),
        )
        for row in scored_faces(catalog)
    ]
    if not faces:
        raise no_sample(workspace, otherwise=", or name a folder with --data")
    return faces


def read_metadata(directory: Path) -> dict[str, dict[str, object]]:
    """Return the rows of the `metadata.jsonl` of a release, by the file's name relative to the folder.

    Empty if there is no such file.

    Raises
    ------
    BtferError
        If a line is not a JSON object.
    """
    import msgspec

    path = directory / METADATA
    found = {}
    try:
        for number, line in enumerate(read_lines(path), 1):
            try:
                row = msgspec.convert(parse_json(line), dict[str, object])
            except ValueError as error:
                raise BtferError(
                    f"{path}: line {number} is not a JSON object ({error}); write it again"
                ) from None
            found[str(row.get("file_name"))] = row
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise BtferError(f"{path}: cannot be read: {error.strerror}") from None
    return found


def read_licences(directory: Path) -> dict[str, dict[str, str]]:
    """Return the rows of the table of licences of a release, or of one of its splits, by face; empty without one."""
    here = directory.resolve()
    for folder in (here, here.parent):
        try:
            columns, lines = read_csv(folder / LICENSES)
            rows = [as_mapping(columns, cells) for _, cells in lines]
        except OSError:
            continue
        return {
            row.get("face_id", ""): {name: unescape_cell(cell) for name, cell in row.items()} for row in rows
        }
    return {}


def _is_class(folder: Path) -> bool:
    try:
        parse_emotion(folder.name)
    except BtferError:
        return False
    return True


def _is_split(folder: Path) -> bool:
    """Return whether a folder has class folders, or is an empty one with the name of a split."""
    entries = list(folder.iterdir())
    if not entries:
        return parse_split(folder.name) is not None
    return any(entry.is_dir() and _is_class(entry) for entry in entries)
