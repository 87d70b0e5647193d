"""The sample stage: draw, write the chosen faces into class folders, and put them in place all at once."""

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from btfer_builder.catalog.manifests import write_manifests
from btfer_builder.catalog.sample import accepted_faces, replace_sample
from btfer_builder.emotions import EMOTIONS, Emotion
from btfer_builder.errors import BtferError
from btfer_builder.recipe import SampleRecipe
from btfer_builder.records import Chosen
from btfer_builder.sample.choose import choose
from btfer_builder.workspace import Workspace

#: Ends the name of the earlier sample while the new one takes its place.
_OLD = ".old"


@dataclass(frozen=True, slots=True)
class SampleResult:
    """What was accepted, drawn and missing of each class, and where it was written (None if it was not)."""

    accepted: dict[Emotion, int]
    per_class: dict[Emotion, int]
    short: dict[Emotion, int]
    path: Path | None

    def to_dict(self) -> dict[str, object]:
        """Return the form of `btfer sample --json`."""
        return {"per_class": self.per_class, "short": self.short, "path": self.path and str(self.path)}


def sample(workspace: Workspace, recipe: SampleRecipe) -> SampleResult:
    """Draw the sample into `data/sample/<emotion>/<face_id>.png` (§2, stage 4).

    When a class is short, nothing is written and an earlier sample stays as it was, unless `allow_short`.

    Raises
    ------
    BtferError
        If a face file is gone or the disk is full; an earlier sample stays as it was.
    """
    catalog, target = workspace.catalog, workspace.data / "sample"
    with workspace.stage("sample"), catalog.run("sample", recipe) as counts:
        _tidy(target)
        faces = {row["face_id"]: row for row in accepted_faces(catalog)}
        draw = choose(
            ((row["face_id"], row["emotion"]) for row in faces.values()), recipe.per_class, recipe.seed
        )
        accepted = {emotion: sum(row["emotion"] == emotion for row in faces.values()) for emotion in EMOTIONS}
        per_class = {emotion: len(draw.chosen[emotion]) for emotion in EMOTIONS}
        counts |= {"per_class": per_class, "short": draw.short}
        if draw.short and not recipe.allow_short:
            return SampleResult(accepted, per_class, draw.short, None)
        chosen = [
            Chosen(face_id, emotion, rank, f"data/sample/{emotion}/{face_id}.png")
            for emotion in EMOTIONS
            for rank, face_id in enumerate(draw.chosen[emotion])
        ]
        sources = {face_id: workspace.root / row["path"] for face_id, row in faces.items()}
        _write(target, chosen, sources)
        replace_sample(catalog, chosen)
        write_manifests(catalog, workspace.manifests, "sample", "faces", "decisions")
        return SampleResult(accepted, per_class, draw.short, target)


def _write(target: Path, chosen: list[Chosen], sources: dict[str, Path]) -> None:
    """Build the folder aside and swap it in."""
    try:
        aside = Path(tempfile.mkdtemp(dir=target.parent, prefix=".sample."))
        for emotion in EMOTIONS:
            (aside / emotion).mkdir()
        for face in chosen:
            source = sources[face.face_id]
            if not source.is_file():
                raise BtferError(f"{source} is gone; make it again with: btfer crop")
            shutil.copyfile(source, aside / face.emotion / source.name)
        aside.chmod(0o755)
        if target.exists():
            target.rename(f"{aside}{_OLD}")
        aside.rename(target)
    except OSError as error:
        raise BtferError(f"{target}: cannot be written: {error.strerror}") from None
    finally:
        _tidy(target)


def _tidy(target: Path) -> None:
    """Put the earlier sample back if none took its place, and clear away what a run, even a killed one, left."""
    for old in target.parent.glob(f".sample.*{_OLD}"):
        if not target.exists():
            old.rename(target)
    for leftover in target.parent.glob(".sample.*"):
        shutil.rmtree(leftover, ignore_errors=True)
