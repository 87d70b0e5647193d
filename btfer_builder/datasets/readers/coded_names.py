"""JAFFE (Lyons et al. 1998) and KDEF (Lundqvist et al. 1998), whose file names say person and emotion."""

import re
from collections.abc import Iterator
from pathlib import Path

from btfer_builder.datasets.readers.base import Item
from btfer_builder.errors import BtferError
from btfer_builder.images.files import list_images
from btfer_builder.labels import Emotion

#: `KA.AN1.39.tiff`: person, emotion and number of the pose, number of the picture.
JAFFE = re.compile(r"(?P<person>[A-Z]{2})[.-](?P<code>[A-Z]{2})\d?[.-]\d+", re.IGNORECASE)
JAFFE_CODES: dict[str, Emotion] = {
    "AN": "angry",
    "DI": "disgust",
    "FE": "fear",
    "HA": "happy",
    "NE": "neutral",
    "SA": "sad",
    "SU": "surprise",
}

#: `AF01ANS.JPG`: session, sex and number of the person, emotion, angle. A person is in both sessions.
KDEF = re.compile(r"[AB](?P<person>[FM]\d{2})(?P<code>[A-Z]{2})(?:S|HL|HR|FL|FR)", re.IGNORECASE)
KDEF_CODES: dict[str, Emotion] = {
    "AF": "fear",
    "AN": "angry",
    "DI": "disgust",
    "HA": "happy",
    "NE": "neutral",
    "SA": "sad",
    "SU": "surprise",
}


def read_jaffe(source: Path) -> Iterator[Item]:
    """Yield the pictures of JAFFE, all of them train.

    Raises
    ------
    BtferError
        If no file is named like `KA.AN1.39.tiff`.
    """
    return _read(source, "JAFFE", JAFFE, JAFFE_CODES, "KA.AN1.39.tiff")


def read_kdef(source: Path) -> Iterator[Item]:
    """Yield the pictures of KDEF from all five angles, all of them train.

    Raises
    ------
    BtferError
        If no file is named like `AF01ANS.JPG`.
    """
    return _read(source, "KDEF", KDEF, KDEF_CODES, "AF01ANS.JPG")


def _read(
    source: Path, dataset: str, form: re.Pattern[str], codes: dict[str, Emotion], example: str
) -> Iterator[Item]:
    files = [(path, form.fullmatch(path.stem)) for path in list_images(source).images]
    if not any(match for _, match in files):
        raise BtferError(
            f"{source}: has no file named like {example}; name the folder of {dataset}'s pictures"
        )
    for path, match in files:
        name = path.relative_to(source).as_posix()
        code = match["code"].upper() if match else ""
        emotion = codes.get(code)
        person = match["person"].upper() if match else ""
        reason = None if emotion else "unknown_label"
        yield Item(name, "train", code or path.name[:40], emotion, path, reason, person=person)
