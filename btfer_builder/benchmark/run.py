"""One run of the grid: train a network, or resume its training, then score it on both sets."""

import math
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from btfer_builder.benchmark.gpus import acquire_gpu
from btfer_builder.benchmark.grid import PlannedRun
from btfer_builder.benchmark.results import (
    Failure,
    Result,
    Score,
    of_report,
    scoring_digest,
    write_result,
)
from btfer_builder.config import EvalRecipe
from btfer_builder.errors import BtferError
from btfer_builder.io.atomic import write_bytes
from btfer_builder.io.tensorflow_import import import_tensorflow
from btfer_builder.io.terminal import echo_stderr

if TYPE_CHECKING:
    from btfer_builder.evaluate.face_set import FaceSet
    from btfer_builder.training.loop import TrainingProgress
    from btfer_builder.training.results import Run

#: A worker with several threads works on one run at a time: TensorFlow's settings are global.
_one_at_a_time = threading.Lock()


@dataclass(frozen=True, slots=True)
class RunContext:
    """Settings that all runs of a grid share.

    Attributes
    ----------
    out
        The benchmark's folder.
    btfer
        Folder of class folders, or workspace, of the cross-domain score; empty for none.
    evaluation
        Settings of the scoring.
    one_gpu
        Whether each worker process uses one GPU; otherwise a run uses all.
    verbose
        Whether to report the progress of a run on stderr.
    mark
        File that exists while the command runs; a run on another machine ends when it is gone. None: a run ends with
        the process of the command.
    """

    out: Path
    btfer: str
    evaluation: EvalRecipe
    one_gpu: bool = False
    verbose: bool = False
    mark: Path | None = None


class _CommandEnded(Exception):
    """The command that started the run has ended, by Ctrl-C for example."""


def run_all(runs: Sequence[PlannedRun], shared: RunContext) -> list[Result | Failure]:
    """Execute runs one after the other; a run that fails gives a `Failure` and the others continue."""
    with _one_at_a_time:
        return [_guarded(run, shared) for run in runs]


def _guarded(run: PlannedRun, shared: RunContext) -> Result | Failure:
    folder = shared.out / "runs" / run.run_id
    try:
        result = run_one(run, shared)
    except _CommandEnded:
        return Failure(run_id=run.run_id, error="the command that started it has ended")
    except BtferError as error:
        failure = Failure(run_id=run.run_id, error=str(error))
    except Exception as error:  # out of memory or an error of a library: the other runs continue
        text = str(error).strip().splitlines() or [""]
        failure = Failure(run_id=run.run_id, error=f"{type(error).__name__}: {text[0][:300]}")
    else:
        (folder / "error.txt").unlink(missing_ok=True)
        return result
    write_bytes(folder / "error.txt", failure.error.encode() + b"\n")
    return failure


def run_one(run: PlannedRun, shared: RunContext) -> Result:
    """Train a network and score it. An interrupted training is resumed; a finished one is only scored.

    Raises
    ------
    BtferError
        If it cannot be trained or scored.
    """
    if shared.one_gpu:
        acquire_gpu()
    import_tensorflow().get_logger().setLevel("ERROR")  # it warns about many networks
    import keras

    from btfer_builder.datasets.splits import read_splits, select
    from btfer_builder.evaluate.face_set import FaceSet
    from btfer_builder.training.train import train

    folder = shared.out / "runs" / run.run_id
    splits = read_splits(run.data)
    chosen = select(splits, share=run.train.validation_share, seed=run.train.seed, paper=run.train.paper)
    try:
        trained = train(
            chosen.train,
            chosen.validation,
            run.train,
            folder,
            selection=chosen.name,
            watch=_Watch(run.setting.words if shared.verbose else "", shared.mark),
        )
        own = FaceSet(tuple(splits.get("test") or chosen.validation))
        selected = not splits.get("test") or run.train.paper
        name = "test" if splits.get("test") else "val"
        # The sidecar of train() declares the preprocessing of the training.
        scores = [_score(trained, own, name, folder, shared.evaluation)]
        if shared.btfer:
            cross = cross_domain_faces(Path(shared.btfer))
            scores.append(_score(trained, cross, "btfer", folder, shared.evaluation))
    finally:
        keras.backend.clear_session()
    setting = run.setting
    result = Result(
        run_id=run.run_id,
        dataset=setting.dataset,
        size=setting.size,
        network=setting.network,
        pretraining=setting.pretraining,
        balancing=setting.balancing,
        seed=setting.seed,
        params=trained.params,
        own=scores[0],
        selected_on_own=selected,
        btfer=scores[1] if len(scores) > 1 else None,
        epochs=trained.epochs,
        seconds=round(trained.seconds, 1),
        note="as the authors (paper)" if run.train.paper else "",
        scoring=scoring_digest(shared.evaluation),
    )
    write_result(folder, result)
    return result


def cross_domain_faces(path: Path) -> "FaceSet":
    """Return the faces of a folder of class folders, or of the sample of a workspace.

    Raises
    ------
    BtferError
        If the path is neither.
    """
    from btfer_builder.datasets.labelled_faces import faces_in_folder, faces_in_sample
    from btfer_builder.evaluate.face_set import FaceSet
    from btfer_builder.sample.cached_faces import SampleCache
    from btfer_builder.workspace import RECIPE_NAME, open_workspace

    if (path / RECIPE_NAME).is_file():
        workspace = open_workspace(path)
        return FaceSet(tuple(faces_in_sample(workspace)), cache=SampleCache(workspace))
    return FaceSet(tuple(faces_in_folder(path)))


def _score(trained: "Run", faces: "FaceSet", name: str, folder: Path, recipe: EvalRecipe) -> Score:
    from btfer_builder.evaluate import evaluate_model

    report = evaluate_model(
        trained.model, faces.faces, recipe, folder / name, set_name=name, cache=faces.cache
    )
    scores = report.scores
    return Score(
        name=name,
        set_hash=report.evaluation.set_digest,
        n=scores.n,
        accuracy=scores.accuracy,
        precision=scores.macro_precision,
        recall=scores.macro_recall,
        f1=scores.macro_f1,
        report=report.path.relative_to(folder).as_posix(),
        **of_report(report.to_dict()),
    )


class _Watch:
    """Looks at a run after every step: prints its progress on stderr, and ends it when the command has ended.

    Progress is printed after the first epoch, then once a minute; the mark is looked for once a second.
    """

    def __init__(self, name: str, mark: Path | None) -> None:
        self.name, self.mark = name, mark
        self.printed = self.looked = -math.inf

    def __call__(self, progress: "TrainingProgress") -> None:
        now = time.monotonic()
        if self.mark is not None and now - self.looked > 1:
            self.looked = now
            if not self.mark.exists():
                raise _CommandEnded
        epoch = progress.finished
        if not self.name or epoch is None or now - self.printed < 60:
            return
        self.printed = now
        echo_stderr(
            f"{self.name}: epoch {epoch.epoch}, loss {epoch.loss:.3f}, "
            f"validation loss {epoch.val_loss:.3f}, accuracy {epoch.val_accuracy:.3f}"
        )
