"""Find and hash the faces in the pictures of a training set: a face of ours may be one of several in a photo."""

import json
import multiprocessing
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from btfer_builder.catalog.crop import stored_settings
from btfer_builder.catalog.leakage import forget_faces, known_faces, remember_faces
from btfer_builder.config import CropRecipe, HashesRecipe, outcome_settings, override
from btfer_builder.config.changes import stored_settings as with_defaults
from btfer_builder.io.json import json_text
from btfer_builder.io.terminal import bar
from btfer_builder.parallel import Crashed, Runner
from btfer_builder.records import ReferencePicture
from btfer_builder.workspace import Workspace

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: Pictures are reduced to this longest side, which bounds the time of a search to a tenth of a second.
SIDE = 1000

#: Pictures with a shorter side than this are crops of a face, which are compared as they are.
SMALLEST = 96

#: Faces narrower than this, in pixels of the reduced picture, say nothing, and a crowd has enough larger ones.
SMALLEST_FACE, MOST_FACES = 24, 32

_SHARD_SIZE = 16


@dataclass(frozen=True, slots=True)
class ReferenceFace:
    """A face in a picture of a training set, with the box of its crop in the reduced picture and its two pHashes."""

    name: str
    crop_x: int
    crop_y: int
    crop_width: int
    crop_height: int
    crop_angle: float
    phash: str
    fine: str


def find_reference_faces(
    workspace: Workspace, source: str, paths: Mapping[str, Path], hashing: HashesRecipe
) -> tuple[list[ReferenceFace], list[str]]:
    """Find the faces in the pictures of a training set, and cut and hash them as those of the workspace.

    What is found is kept in the catalog, shard by shard: a picture that did not change is not searched again, and of
    one that is no longer there nothing is kept.

    Parameters
    ----------
    workspace
        The workspace, whose latest crop settings are used.
    source
        The training set.
    paths
        Its readable pictures by name. They are only read.
    hashing
        Limits and workers.

    Returns
    -------
    faces : list of ReferenceFace
    unsearched : list of str
        Pictures that could not be searched.
    """
    recipe = crop_recipe(workspace)
    settings = json_text(msgspec.to_builtins(recipe), sort_keys=True)
    stamps = {name: _stamp(path) for name, path in paths.items()}
    known = known_faces(workspace.catalog, source, settings)
    rows = {name: known[name].faces for name in paths if name in known and known[name].stamp == stamps[name]}
    forget_faces(workspace.catalog, source, except_for=rows)
    todo = [name for name in paths if name not in rows]
    unsearched: list[str] = []
    runner: Runner[tuple[str, Path], str] = Runner(hashing.workers, _SHARD_SIZE)
    function = partial(_search_pictures, recipe=recipe, max_pixels=hashing.max_pixels)
    with bar(len(todo), "leakage faces", "pictures") as progress:
        for shard in runner.map(function, [(name, paths[name]) for name in todo]):
            done = {name: result for (name, _), result in shard if not isinstance(result, Crashed) and result}
            unsearched += [name for (name, _), _ in shard if name not in done]
            found = [ReferencePicture(source, name, stamps[name], done[name]) for name in done]
            remember_faces(workspace.catalog, found, settings)
            rows |= done
            progress.update(len(shard))
    faces = [ReferenceFace(name, **face) for name in paths if name in rows for face in json.loads(rows[name])]
    return faces, sorted(unsearched)


def crop_recipe(workspace: Workspace) -> CropRecipe:
    """Return the settings with which most faces of a workspace were cropped, for all faces of a picture."""
    stored = stored_settings(workspace.catalog)
    recipe = workspace.recipe.crop
    if stored:
        settings = with_defaults(CropRecipe, json.loads(stored[0]))  # of any version
        recipe = override(CropRecipe(), **{name: settings[name] for name in outcome_settings(CropRecipe())})
    return override(
        recipe, faces="all", min_face_size=SMALLEST_FACE, already_cropped=False, blur_others=False, max_upscale=0.0,
        max_padding=1.0, second_search=False, workers=0, scheduler="",
    )  # fmt: skip


def reduced(path: Path, max_pixels: int) -> "NDArray[np.uint8]":
    """Return a picture as it is searched: RGB, at most `SIDE` pixels wide and high.

    Raises
    ------
    Undecodable
        If it cannot be decoded.
    """
    import numpy as np
    from PIL import Image

    from btfer_builder.images.decode import open_image, upright_rgb

    with open_image(path, max_pixels) as image:
        image.draft(
            "RGB", (SIDE, SIDE)
        )  # a JPEG is decoded at a half or a quarter; of others nothing changes
        picture = upright_rgb(image)
        if max(picture.size) > SIDE:
            picture.thumbnail((SIDE, SIDE), Image.Resampling.BOX)
        return np.asarray(picture)


def face_grey(face: ReferenceFace, path: Path) -> "NDArray[np.float32] | None":
    """Return a face as the small grey image that `alignment.likeness` compares; None if it cannot be decoded."""
    from btfer_builder.images.alignment import grey
    from btfer_builder.images.decode import MAX_PIXELS, Undecodable

    try:
        return grey(cut_face(face, reduced(path, MAX_PIXELS), 256))
    except Undecodable:
        return None


def cut_face(face: ReferenceFace, picture: "NDArray[np.uint8]", size: int) -> "NDArray[np.uint8]":
    """Cut a face out of its reduced picture."""
    from btfer_builder.crop.geometry import PixelBox, cut

    box = PixelBox(face.crop_x, face.crop_y, face.crop_width, face.crop_height)
    return cut(picture, box, size, face.crop_angle)


def _stamp(path: Path) -> str:
    status = path.stat()
    return f"{status.st_size}-{status.st_mtime_ns}"


def _search_pictures(items: Sequence[tuple[str, Path]], recipe: CropRecipe, max_pixels: int) -> list[str]:
    """Return the faces of each picture as JSON; empty for one that cannot be decoded."""
    import cv2

    if multiprocessing.parent_process() is not None:
        cv2.setNumThreads(1)  # every core has its own worker
    return [_search(name, path, recipe, max_pixels) for name, path in items]


def _search(name: str, path: Path, recipe: CropRecipe, max_pixels: int) -> str:
    from btfer_builder.crop.cropping import place_faces
    from btfer_builder.crop.detectors.base import Search, detect_faces
    from btfer_builder.images.decode import Undecodable

    try:
        picture = reduced(path, max_pixels)
    except Undecodable:
        return ""
    height, width = picture.shape[:2]
    if min(height, width) < SMALLEST:
        return "[]"
    placed = place_faces(
        "", detect_faces(picture, Search(recipe.detector, device=recipe.device)), width, height, recipe
    )
    kept = [face for face in placed if face.state == "kept"][:MOST_FACES]
    faces = [
        ReferenceFace(
            name, face.crop_x, face.crop_y, face.crop_width, face.crop_height, face.crop_angle or 0.0, "", ""
        )
        for face in kept
    ]
    return json_text([_hashed(face, picture, recipe.size) for face in faces])


def _hashed(face: ReferenceFace, picture: "NDArray[np.uint8]", size: int) -> dict[str, Any]:
    from PIL import Image

    from btfer_builder.images.face_hashing import coarse_and_fine

    phash, fine = coarse_and_fine(Image.fromarray(cut_face(face, picture, size)).convert("L"))
    row = asdict(face) | {"phash": phash, "fine": fine}
    del row["name"]
    return row
