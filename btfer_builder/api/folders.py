"""Data sets of others, and releases, as folders: nothing here needs a workspace."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from btfer_builder.api.keywords import guarded, one_of, path_of, takes
from btfer_builder.config import (
    CrawlRecipe,
    DatasetKind,
    DatasetRecipe,
    EvalRecipe,
    HashesRecipe,
    given_names,
    with_keywords,
)
from btfer_builder.config.collection import DOWNLOAD_SETTINGS
from btfer_builder.config.datasets import AUDIT_SETTINGS
from btfer_builder.errors import BtferError

if TYPE_CHECKING:
    from os import PathLike

    from btfer_builder.datasets import ImportResult
    from btfer_builder.datasets.audit import DatasetAudit
    from btfer_builder.leakage.hash_manifest import HashManifest
    from btfer_builder.release.audit import AuditResult
    from btfer_builder.release.diff import ReleaseDiff
    from btfer_builder.release.rebuild import RebuildResult


@takes(DatasetRecipe)
def import_dataset(
    kind: DatasetKind | Literal["auto"],
    source: "str | PathLike[str]",
    out: "str | PathLike[str]",
    **settings: Any,  # noqa: ANN401
) -> "ImportResult":
    """Import a labelled data set as `OUT/train/happy/….png`, and find pictures that are in two splits.

    Parameters
    ----------
    kind
        Layout of the data set; `auto` recognises it.
    source
        The folder that the data set was unpacked to, or the CSV file of FER2013.
    out
        A new or empty folder. It appears when the import is complete.

    Returns
    -------
    ImportResult
        Pictures by split and emotion, pictures dropped by reason, and leakage between the splits.

    Raises
    ------
    BtferError
        If the data set does not have this layout or no usable picture, or `out` cannot be written.

    Examples
    --------
    >>> import btfer_builder as bt
    >>> done = bt.import_dataset("folder", "photos", "sets/mine", val_share=0, test_share=0.5, workers=0)
    >>> {split: sum(counts.values()) for split, counts in done.counts.items()}
    {'train': 7, 'test': 7}
    """
    from btfer_builder.datasets import import_dataset
    from btfer_builder.datasets.readers import LAYOUTS

    (recipe,) = with_keywords("dataset", settings, DatasetRecipe())
    one_of(kind, ("auto", *LAYOUTS), "kind")
    return import_dataset(kind, path_of(source), path_of(out), recipe)


@takes(DatasetRecipe, only=AUDIT_SETTINGS)
def audit_datasets(
    sources: "str | PathLike[str] | Sequence[str | PathLike[str]]",
    out: "str | PathLike[str]",
    *,
    faces: bool = True,
    model: Any = None,  # noqa: ANN401 - a path, a Keras model or a function
    preprocessing: "Mapping[str, Any] | None" = None,
    **settings: Any,  # noqa: ANN401
) -> "DatasetAudit":
    """Audit labelled data sets, which are only read: repeats, contradictions, missing faces, quality, class balance.

    Parameters
    ----------
    sources
        One data set or several, in any layout that `import_dataset` recognises.
    out
        A new or empty folder for `report.html`, `pictures.csv`, `duplicates.csv`, `audit.json` and, with a model,
        `doubts.csv`. The report shows pictures of the data sets: their terms hold for it.
    faces
        Look for faces in every picture, which takes most of the time.
    model
        A model that judges the labels, as `evaluate` takes it; one that was not trained on these pictures.
    preprocessing
        Settings of `evaluate` for this model, as `{"labels": ["happy", "sad"]}`.

    Returns
    -------
    DatasetAudit
        The counts, and the folder with the report.

    Raises
    ------
    BtferError
        If the layout of a data set is unknown, no picture can be decoded, the model cannot be used, or `out` cannot be
        written.

    Examples
    --------
    >>> import btfer_builder as bt
    >>> audit = bt.audit_datasets("photos", "audit", faces=False, workers=0)
    >>> audit.pictures, audit.conflicts
    (14, 0)
    """
    from btfer_builder.datasets.audit import audit_datasets

    (recipe,) = with_keywords("dataset", settings, DatasetRecipe(), only=AUDIT_SETTINGS)
    listed = [sources] if isinstance(sources, str) or not isinstance(sources, Sequence) else list(sources)
    if not listed:
        raise BtferError("no data sets to audit; give a folder, or a list of folders")
    predict = None
    if model is not None:
        from btfer_builder.evaluate.dataset_predictions import predictor

        given = dict(preprocessing or {})
        (scoring,) = with_keywords("preprocessing", given, EvalRecipe())
        predict = predictor(model, scoring, given_names(given, EvalRecipe), recipe.max_pixels)
    elif preprocessing:
        raise BtferError("preprocessing is that of a model; give a model, too")
    paths = [path_of(source) for source in listed]
    if missing := [path for path in paths if not path.exists()]:
        raise BtferError(f"{missing[0]}: no such file or folder")
    return audit_datasets(paths, path_of(out), recipe, faces=faces, predict=predict)


@takes(HashesRecipe)
def hash_images(
    folder: "str | PathLike[str]",
    out: "str | PathLike[str]",
    **settings: Any,  # noqa: ANN401
) -> "HashManifest":
    """Hash the images of a data set, so that others can check for leakage without access to the images.

    Parameters
    ----------
    folder
        The folder; it is only read.
    out
        CSV file to write, which `Workspace.leakage` takes.

    Returns
    -------
    HashManifest
        The hashes, and the number of files that could not be hashed, by reason.

    Raises
    ------
    BtferError
        If there are no images, none of them can be decoded, or a folder cannot be read.

    Examples
    --------
    >>> import btfer_builder as bt
    >>> len(bt.hash_images("photos", "photos.csv", workers=0).rows)
    14
    """
    from btfer_builder.leakage.hash_manifest import hash_folder, write_hashes

    (recipe,) = with_keywords("hashes", settings, HashesRecipe())
    manifest = hash_folder(path_of(folder), recipe)
    write_hashes(path_of(out), manifest)
    return manifest


@guarded
def scan_release(folder: "str | PathLike[str]") -> "AuditResult":
    """Audit a release for leaked metadata and files that do not match their checksums.

    Parameters
    ----------
    folder
        The release.

    Returns
    -------
    AuditResult
        The number of files and images that were checked, and the `findings`; empty if all is well.

    Raises
    ------
    BtferError
        If the folder is not a release.

    Examples
    --------
    >>> import btfer_builder as bt
    >>> bt.scan_release("released").findings
    []
    """
    from btfer_builder.release.audit import audit_release

    return audit_release(path_of(folder))


@takes(CrawlRecipe, only=DOWNLOAD_SETTINGS)
def rebuild_release(folder: "str | PathLike[str]", **settings: Any) -> "RebuildResult":  # noqa: ANN401
    """Download the images of a release without images, crop the faces again and check every hash.

    Parameters
    ----------
    folder
        A release made with `urls_only`. A second call tries the missing faces again.

    Returns
    -------
    RebuildResult
        How many faces have an image, and why the others have none.

    Raises
    ------
    BtferError
        If the folder is not such a release.
    """
    from btfer_builder.release.rebuild import rebuild

    (recipe,) = with_keywords("rebuild", settings, CrawlRecipe(), only=DOWNLOAD_SETTINGS)
    return rebuild(path_of(folder), recipe)


@guarded
def diff_releases(earlier: "str | PathLike[str]", later: "str | PathLike[str]") -> "ReleaseDiff":
    """Compare two releases: faces that were added, removed, relabelled or moved to another split.

    Parameters
    ----------
    earlier, later
        Folders of the releases.

    Raises
    ------
    BtferError
        If one of them is not a release.

    Examples
    --------
    >>> import btfer_builder as bt
    >>> bt.diff_releases("released", "released").is_empty
    True
    """
    from btfer_builder.release.diff import diff_releases

    return diff_releases(path_of(earlier), path_of(later))
