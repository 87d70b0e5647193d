"""Pictures to practise on, in a folder for each emotion: `python -m demo.folder photos NEW-FOLDER`."""

import sys
from pathlib import Path

import numpy as np
from skimage import data

from demo.pictures import LOOKS_LIKE, encode, web


def write_photos(folder: Path) -> int:
    """Write every file of the demo's web below the emotions it was found for, and return their number.

    Junk and copies are among them, as in a folder that was filled from a search.

    Parameters
    ----------
    folder
        A new folder.
    """
    files = {
        folder / emotion / Path(served.path).name: served.content
        for served in web()
        for emotion in served.emotions
        if served.status == 200
    }
    return _write(files)


def write_faces(folder: Path) -> int:
    """Write eight faces of each emotion, 25×25 grey pixels, to train a network on, and return their number.

    They are those of Labeled Faces in the Wild that scikit-image carries, sorted by what they look like to one person.

    Parameters
    ----------
    folder
        A new folder.
    """
    faces = (255 * data.lfw_subset()).astype(np.uint8)
    files = {
        folder / emotion / f"{number}.png": encode(faces[number], "PNG")
        for emotion, numbers in LOOKS_LIKE.items()
        for number in numbers
    }
    return _write(files)


def _write(files: dict[Path, bytes]) -> int:
    for path, content in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return len(files)


def main(arguments: list[str]) -> None:
    """Write the pictures that are asked for."""
    writers = {"photos": write_photos, "faces": write_faces}
    if len(arguments) != 2 or arguments[0] not in writers:
        sys.exit("usage: python -m demo.folder photos|faces NEW-FOLDER")
    if Path(arguments[1]).exists():
        sys.exit(f"{arguments[1]} exists already; name a new folder")
    print(f"{writers[arguments[0]](Path(arguments[1]))} files in {arguments[1]}")


if __name__ == "__main__":
    main(sys.argv[1:])
