"""Delete face files that the catalog does not name: those of other settings or of an interrupted crop."""

import re
from collections.abc import Collection

from btfer_builder.catalog.takedown import face_paths
from btfer_builder.io.storage import files_below, thumb_path
from btfer_builder.workspace import Workspace

_FACE = re.compile(r"data/faces/[0-9a-f]{2}/([0-9a-f]{16})\.png")


def delete_orphaned_faces(workspace: Workspace, before: Collection[str] = ()) -> None:
    """Delete the face files that the catalog does not name, which a takedown would not find.

    If the catalog names none of the existing files, they belong to another catalog, and nothing is deleted. The caller
    holds the lock of the stage `crop`.

    Parameters
    ----------
    workspace
        The workspace.
    before
        Files that the catalog named until now.
    """
    named = {path for _, _, path in face_paths(workspace.catalog)}
    existing = files_below(workspace.files, "data/faces")
    if not (named | set(before)) & set(existing):
        return
    for path in existing:
        if (face := _FACE.fullmatch(path)) and path not in named:
            (workspace.files / path).unlink(missing_ok=True)
            thumb_path(workspace.root, "face", face[1]).unlink(missing_ok=True)
