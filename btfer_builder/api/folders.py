"""Data sets of others, and releases, as folders: nothing here needs a workspace."""

from typing import TYPE_CHECKING, Any, Literal

from btfer_builder.api.keywords import guarded, one_of, path_of, takes
from btfer_builder.config import CrawlRecipe, DatasetKind, DatasetRecipe, HashesRecipe, with_keywords
from btfer_builder.config.collection import DOWNLOAD_SETTINGS

if TYPE_CHECKING:
    from os import PathLike

    from btfer_builder.datasets import ImportResult
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
