"""ExpW (Zhang et al. 2018, mmlab.ie.cuhk.edu.hk/projects/socialrelation): photos, and a list of faces in them."""

from collections.abc import Iterator
from pathlib import Path

from btfer_builder.datasets.readers.base import Item, by_name, find_file, name_key
from btfer_builder.errors import BtferError
from btfer_builder.images.files import list_images
from btfer_builder.io.limits import read_lines
from btfer_builder.labels import Emotion

#: Class numbers of the dataset's readme.
CLASSES: dict[str, Emotion] = {
    "0": "angry",
    "1": "disgust",
    "2": "fear",
    "3": "happy",
    "4": "sad",
    "5": "surprise",
    "6": "neutral",
}

LIST = "label.lst"


def read(source: Path) -> Iterator[Item]:
    """Yield the faces that `label.lst` lists, cut out of the photos of `origin/` by its boxes; all are train.

    A line is `image_name face_id top left right bottom confidence label`.

    Raises
    ------
    BtferError
        If there is no list, or a line of it has another form.
    """
    listing = find_file(source, LIST) if source.is_dir() else None
    if listing is None:
        raise BtferError(
            f"{source}: has no {LIST}; name the folder with ExpW's list and its photos (origin/)"
        )
    return _listed(source, listing)


def _listed(source: Path, listing: Path) -> Iterator[Item]:
    files = by_name(list_images(source).images)
    for number, line in enumerate(read_lines(listing), 1):
        cells = line.split()
        if not cells:
            continue
        edges = [edge.removesuffix(".0") for edge in cells[2:6]]
        if len(cells) != 8 or not all(edge.lstrip("-").isdecimal() and len(edge) < 8 for edge in edges):
            raise BtferError(
                f"{listing}, line {number}: found {line.strip()[:80]!r}, expected a line like "
                "`name.jpg 0 28 113 226 141 22.9 3`"
            )
        top, left, right, bottom = map(int, edges)
        path, emotion = files.get(name_key(cells[0])), CLASSES.get(cells[7])
        reason = "unknown_label" if emotion is None else None if path else "missing_file"
        name = f"{cells[0]} line {number}"  # the list has a photo's faces on several lines
        yield Item(name, "train", cells[7][:40], emotion, path or Path(), reason, (left, top, right, bottom))
