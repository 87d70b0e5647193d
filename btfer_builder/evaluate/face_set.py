"""A set of labelled faces with what its signature needs: its name and its known leakage."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from btfer_builder.datasets.labelled_faces import LabelledFace, faces_in_folder, faces_in_sample
from btfer_builder.evaluate.signature import check_sums, known_leakage, set_name
from btfer_builder.images.face_cache import MEMORY, FaceCache
from btfer_builder.io.text import counted
from btfer_builder.sample.cached_faces import SampleCache
from btfer_builder.sample.stale import warn_if_stale
from btfer_builder.workspace import Workspace

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class FaceSet(Sequence[LabelledFace]):
    """Labelled faces in a fixed order.

    Attributes
    ----------
    faces
        The faces.
    name
        Name of the set in signatures and reports.
    leak
        How many of the faces are known to be in a training set, and what was compared; None if not checked.
    cache
        Where the resized faces are kept for the next scoring.
    """

    faces: tuple[LabelledFace, ...]
    name: str = "faces"
    leak: str | None = None
    cache: FaceCache = field(default=MEMORY, repr=False, compare=False)

    def __len__(self) -> int:
        """Return the number of faces."""
        return len(self.faces)

    def __iter__(self) -> Iterator[LabelledFace]:
        """Iterate over the faces."""
        return iter(self.faces)

    @overload
    def __getitem__(self, index: int) -> LabelledFace: ...
    @overload
    def __getitem__(self, index: slice) -> "FaceSet": ...
    def __getitem__(self, index: int | slice) -> "LabelledFace | FaceSet":
        """Return a face, or a part of the set, whose leakage is unknown."""
        if isinstance(index, slice):
            return replace(self, faces=self.faces[index], leak=None, cache=MEMORY)
        return self.faces[index]

    def to_frame(self) -> "pd.DataFrame":
        """Return a row for each face: `face_id`, `emotion`, `path` and the known attributes of its search."""
        import pandas as pd

        rows: list[dict[str, Any]] = [
            {"face_id": face.face_id, "emotion": face.emotion, "path": str(face.path), **face.attributes}
            for face in self.faces
        ]
        return pd.DataFrame(rows, columns=None if rows else ["face_id", "emotion", "path"])

    def __repr__(self) -> str:
        return f"<FaceSet {self.name!r}: {counted(len(self), 'face')}>"

    def _repr_html_(self) -> str:
        """Show the number of faces of each emotion in a notebook."""
        counts = self.to_frame()["emotion"].value_counts().sort_index().rename("faces")
        return f"<p><b>{escape(self.name)}</b>: {counted(len(self), 'face')}</p>{counts.to_frame().T.to_html(border=0)}"


def faces_of_sample(workspace: Workspace) -> FaceSet:
    """Return the sample of a workspace; prints a warning if it no longer matches the catalog.

    Raises
    ------
    BtferError
        If there is no sample.
    """
    warn_if_stale(workspace.catalog)
    faces = tuple(faces_in_sample(workspace))
    return FaceSet(faces, workspace.root.name, known_leakage(workspace), SampleCache(workspace))


def faces_of_folder(folder: Path) -> FaceSet:
    """Return the faces of a folder of class folders, checked against the checksums of its release.

    Raises
    ------
    BtferError
        As `faces_in_folder`, or if a face is not the one of the release.
    """
    faces = faces_in_folder(folder)
    check_sums(folder, faces)
    return FaceSet(tuple(faces), set_name(folder))
