"""Delete face files that the catalog does not name: those of other settings, or of a crop that was killed."""

import re
from collections.abc import Collection

from btfer_builder.catalog.takedown import face_paths
from btfer_builder.io.storage import files_below, thumb_path
from btfer_builder.workspace import Workspace

_FACE = re.compile(r"data/faces/[0-9a-f]{2}/([0-9a-f]{16})\.png")


def sweep_faces(workspace: Workspace, before: Collection[str] = ()) -> None:
    """Delete what nobody would find when a person is to be taken out.

    Where the catalog names none of the files that are there, they are not its own, and all of them stay. The caller
    holds the stage `crop`.

    Parameters
    ----------
    workspace
        Where.
    before
        Files that the catalog named until now.
    """
    named = {path for _, _, path in face_paths(workspace.catalog)}
    there = files_below(workspace.files, "data/faces")
    if not (named | set(before)) & set(there):
        return
    for path in there:
        if (face := _FACE.fullmatch(path)) and path not in named:
            (workspace.files / path).unlink(missing_ok=True)
            thumb_path(workspace.root, "face", face[1]).unlink(missing_ok=True)
