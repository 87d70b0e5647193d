"""Score and compare models, train and convert them."""

from collections.abc import Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from btfer_builder.api.keywords import guarded, one_of, path_of, takes
from btfer_builder.api.scoring import rank, score
from btfer_builder.config import EvalRecipe, TrainRecipe, given_names, with_keywords
from btfer_builder.errors import BtferError
from btfer_builder.evaluate.preprocessing.resolve import DECLARED
from btfer_builder.io.terminal import progress_shown, track

if TYPE_CHECKING:
    from os import PathLike

    from btfer_builder.api.report import Comparison, Report
    from btfer_builder.api.workspace import Workspace
    from btfer_builder.datasets.labelled_faces import LabelledFace
    from btfer_builder.evaluate.face_set import FaceSet
    from btfer_builder.training.results import Run


#: The settings that `convert` uses: how a model is fed, and whether its code may run.
_FEEDING = (*DECLARED, "preset", "trust_model")


@guarded
def load_faces(source: "str | PathLike[str] | Workspace") -> "FaceSet":
    """Load labelled faces: a folder of class folders, a release, or the sample of a workspace.

    Parameters
    ----------
    source
        A folder with a folder for each emotion (`anger` means `angry`), or a release, whose checksums are checked (of
        one with splits, the folder of a split); or a `Workspace`, or its folder.

    Returns
    -------
    FaceSet
        The faces in a fixed order. It has a length, can be sliced, and `to_frame()` lists it. Images are decoded when
        a model is scored on them.

    Raises
    ------
    BtferError
        If the folder is missing, has no class folders, or differs from its checksums.

    Examples
    --------
    >>> import btfer_builder as bt
    >>> faces = bt.load_faces("photos")
    >>> len(faces), faces[0].emotion
    (14, 'angry')
    """
    from btfer_builder.api.workspace import Workspace
    from btfer_builder.evaluate.face_set import faces_of_folder, faces_of_sample
    from btfer_builder.workspace import RECIPE_NAME, open_workspace

    if isinstance(source, Workspace):
        return source.load_faces()
    folder = path_of(source)
    if (folder / RECIPE_NAME).is_file():
        return faces_of_sample(open_workspace(folder))
    return faces_of_folder(folder)


@takes(EvalRecipe)
def evaluate(
    model: Any,  # noqa: ANN401 - a path, a Keras model or a function
    faces: "FaceSet | Sequence[LabelledFace] | str | PathLike[str] | Workspace",
    *,
    name: str = "",
    training_data: "str | PathLike[str] | None" = None,
    calibration_data: "str | PathLike[str] | None" = None,
    **settings: Any,  # noqa: ANN401
) -> "Report":
    """Score a model on every face.

    Parameters
    ----------
    model
        The path of a model file or folder (`.keras`, `.h5`, `.tflite`, `.onnx`, a SavedModel, a transformers folder,
        weights of PyTorch with `architecture`), a Keras model or a PyTorch module in memory,
        `package.module:callable`, or a function. A function gets a uint8 RGB batch of shape (n, h, w, 3), 0–255,
        resized to `size` (256 by default), and returns scores of shape (n, classes) in the order of `labels`:
        probabilities, or what `activation` says. It does its own preprocessing, so it takes no `scale`, `color`,
        `mean`, `std` or `preset`. Also what `train` returns; or None with a `preset` that has a model of its own.
    faces
        What `load_faces` returns or takes.
    name
        Name of a model in memory in reports; by default that of the function or of the Keras model.
    training_data
        Folder of class folders from the training domain of the model: common kinds of preprocessing are scored on it,
        and a note says whether the declared one looks wrong.
    calibration_data
        Folder of class folders outside the set, on which the temperature of the probabilities is fitted.

    Returns
    -------
    Report
        The scores with 95 % intervals.

    Raises
    ------
    BtferError
        If the model cannot be used with these settings, its outputs do not match the labels, or a face cannot be read.

    Examples
    --------
    >>> import btfer_builder as bt
    >>> import numpy as np
    >>> def happy(batch):
    ...     return np.tile([0.1, 0.8, 0.1], (len(batch), 1))
    >>> report = bt.evaluate(happy, "photos", labels=["anger", "joy", "neutral"])
    >>> report
    <Report of 'happy': accuracy 0.143 on 14 faces>
    >>> report.signature
    'BTFER|set:photos#...|n:14|in:256rgb/raw,...|labels:3|leak:unknown|btfer:...'
    """
    return score(
        model,
        face_set(faces),
        EvalRecipe(),
        settings,
        name=name,
        training_data=training_data,
        calibration_data=calibration_data,
    )


def face_set(faces: Any) -> "FaceSet":  # noqa: ANN401 - what `evaluate` takes
    """Return the faces that a public function is given; see `evaluate`."""
    from btfer_builder.datasets.labelled_faces import LabelledFace
    from btfer_builder.evaluate.face_set import FaceSet

    if isinstance(faces, FaceSet):
        return faces
    if not isinstance(faces, list | tuple):
        return load_faces(faces)
    if strange := [face for face in faces if not isinstance(face, LabelledFace)]:
        raise BtferError(
            f"a list of faces has an object of the type {type(strange[0]).__name__}; give what load_faces returns, "
            "or a part of it"
        )
    return FaceSet(tuple(faces))


@takes(EvalRecipe, only=("resamples", "seed"))
def compare(reports: "Sequence[Report | str | PathLike[str]]", **settings: Any) -> "Comparison":  # noqa: ANN401
    """Rank models that were scored on the same faces, with paired tests.

    Parameters
    ----------
    reports
        What `evaluate` returns, or folders of saved reports, or folders with reports at any depth. Reports on different
        sets get a leaderboard each: the hash of a set decides. A `metrics.json` without `predictions.csv` has no rank.

    Returns
    -------
    Comparison
        A rank is 1 plus the number of models that are significantly better (McNemar's exact test, Holm's correction).

    Raises
    ------
    BtferError
        If there are no reports, or a folder is not a report.

    Examples
    --------
    >>> import btfer_builder as bt
    >>> bt.compare([report, other]).to_frame()[["rank", "model", "accuracy"]].round(3).values.tolist()
    [[1, 'perfect', 1.0], [2, 'always_happy', 0.143]]
    """
    return rank(reports, EvalRecipe(), settings)


@takes(TrainRecipe)
def train(
    data: "str | PathLike[str]",
    *,
    out: "str | PathLike[str]",
    restart: bool = False,
    **settings: Any,  # noqa: ANN401
) -> "Run":
    """Train a network on labelled faces in two phases, or resume an interrupted run.

    Parameters
    ----------
    data
        A folder with a folder for each emotion, or with the folders train, val and test of such folders. The best epoch
        is selected on val, or on a fraction of train if there is no val, never on test.
    out
        Folder for `model.keras`, its sidecar, `history.csv`, `curves.png` and `run.json`. A finished run of the same
        settings and faces is returned without training.
    restart
        Discard a run in `out` and start again.

    Returns
    -------
    Run
        The result; `run.model` is the path of the model, which `evaluate` takes.

    Raises
    ------
    BtferError
        If the settings are not possible for the network, a face cannot be decoded, `out` has another run or is in use,
        or the loss is NaN or infinite.

    Examples
    --------
    >>> import btfer_builder as bt
    >>> run = bt.train("sets/raf-db", network="resnet18", size=48, out="runs/r18")  # doctest: +SKIP
    >>> bt.evaluate(run.model, "faces-v1/test")  # doctest: +SKIP
    """
    from btfer_builder.datasets.splits import read_splits, select
    from btfer_builder.io.tensorflow_import import import_tensorflow
    from btfer_builder.networks import check_recipe

    (recipe,) = with_keywords("train", settings, TrainRecipe())
    check_recipe(recipe)
    chosen = select(
        read_splits(path_of(data)), share=recipe.validation_share, seed=recipe.seed, paper=recipe.paper
    )
    import_tensorflow()
    from btfer_builder.training.progress import ignore_progress, print_progress
    from btfer_builder.training.train import train

    with print_progress() if progress_shown() else nullcontext(ignore_progress) as watch:
        return train(
            chosen.train,
            chosen.validation,
            recipe,
            path_of(out),
            selection=chosen.name,
            restart=restart,
            progress=partial(track, description="decode", unit="faces"),
            watch=watch,
        )


@takes(EvalRecipe, only=_FEEDING)
def convert(
    model: "str | PathLike[str]",
    to: Literal["tflite", "onnx"],
    *,
    quantize: Literal["none", "float16", "int8"] = "none",
    out: "str | PathLike[str] | None" = None,
    data: "str | PathLike[str] | None" = None,
    **settings: Any,  # noqa: ANN401
) -> Path:
    """Convert a Keras model file and its sidecar.

    Parameters
    ----------
    model
        A `.keras`, `.h5` or `.hdf5` file, or what `train` returns.
    to
        The format.
    quantize
        Of `tflite`: `float16` halves the weights; `int8` quarters them, computes in integers and needs `data`.
    out
        The file to write; by default beside the model, as `name.tflite`, `name.int8.tflite` or `name.onnx`.
    data
        For `int8`: folder of class folders from the training domain, for calibration.

    Returns
    -------
    pathlib.Path
        The converted file.

    Raises
    ------
    BtferError
        If the model cannot be loaded or converted, or `int8` has no faces.

    Examples
    --------
    >>> import btfer_builder as bt
    >>> bt.convert("model.keras", "tflite", quantize="float16")  # doctest: +SKIP
    """
    from btfer_builder.evaluate.convert import convert_calibrated

    (recipe,) = with_keywords("eval", settings, EvalRecipe(), only=_FEEDING)
    one_of(to, ("tflite", "onnx"), "to")
    one_of(quantize, ("none", "float16", "int8"), "quantize")
    return convert_calibrated(
        path_of(model),
        to,
        recipe,
        quantize=quantize,
        output=None if out is None else path_of(out),
        data=None if data is None else path_of(data),
        explicit=given_names(settings, EvalRecipe),
        trust_model=recipe.trust_model,
    )
