"""Make the files of faces again that are missing or damaged, from their photos and rows of the catalog."""

from collections.abc import Collection
from itertools import groupby

from btfer_builder.catalog.crop import face_lengths, faces_to_render, is_whole, set_lengths
from btfer_builder.crop.render import render_crop
from btfer_builder.images.decode import Undecodable, decode_image
from btfer_builder.images.encode import png
from btfer_builder.io.atomic import sync_files, write_bytes
from btfer_builder.io.storage import sizes_below
from btfer_builder.workspace import Workspace


def repair_faces(workspace: Workspace, face_ids: Collection[str]) -> set[str]:
    """Cut out those of the faces again whose file is missing or has another length than was written.

    Returns
    -------
    set of str
        The faces that cannot be made again, because their photo is missing or damaged, too.

    Raises
    ------
    BtferError
        If there are no photos at all: their storage may not be mounted.
    """
    catalog, root = workspace.catalog, workspace.files
    sizes = sizes_below(root, "data/faces")
    damaged = [
        face_id
        for face_id, path, written in face_lengths(catalog, face_ids)
        if not is_whole(sizes.get(path), written)
    ]
    to_render = faces_to_render(catalog, damaged)
    if damaged:
        workspace.check_images()  # on a share that is not mounted, all files are missing
    lost, lengths = set(), {}
    for photo_path, rows in groupby(to_render, lambda row: row["photo"]):
        faces = list(rows)
        try:
            photo = decode_image(root / photo_path, workspace.recipe.crop.max_pixels)
        except Undecodable:
            lost |= {row["face_id"] for row in faces}
            continue
        for row in faces:
            content = png(render_crop(row, photo, row["size"] or workspace.recipe.crop.size))
            write_bytes(root / row["path"], content)
            lengths[row["face_id"]] = len(content)
    sync_files(root / row["path"] for row in to_render if row["face_id"] in lengths)
    set_lengths(catalog, lengths)
    return lost
