"""The workspace: build a set, review it, score models on it, release it."""

import os
from os import PathLike
from typing import TYPE_CHECKING, Any

from btfer_builder import workspace as core
from btfer_builder.api.keywords import guarded, one_of, path_of, takes
from btfer_builder.api.reviewing import Reviewing
from btfer_builder.config import CrawlRecipe, EvalRecipe, ReleaseRecipe, with_keywords
from btfer_builder.config.collection import DOWNLOAD_SETTINGS
from btfer_builder.errors import BtferError

if TYPE_CHECKING:
    from btfer_builder.api.report import Comparison, Report
    from btfer_builder.evaluate.face_set import FaceSet
    from btfer_builder.release.purge import Keep, Purge
    from btfer_builder.release.recheck import RecheckResult
    from btfer_builder.release.stage import ReleaseResult
    from btfer_builder.release.takedown.stage import Takedown


class Workspace(Reviewing):
    """The folder in which a set is built, as `create_workspace` and `open_workspace` return it.

    Its methods do what the commands of the same names do. Their keyword arguments are the settings of `btfer.toml`, and
    a setting that is not given keeps its value there.
    """

    @guarded
    def load_faces(self) -> "FaceSet":
        """Return the faces of the sample; of a sample with splits, those of `test`.

        Raises
        ------
        BtferError
            If there is no sample.

        Examples
        --------
        >>> len(ws.load_faces())
        14
        """
        from btfer_builder.evaluate.face_set import faces_of_sample

        return faces_of_sample(self._core)

    @takes(EvalRecipe)
    def evaluate(
        self,
        model: Any,  # noqa: ANN401
        *,
        name: str = "",
        training_data: "str | PathLike[str] | None" = None,
        calibration_data: "str | PathLike[str] | None" = None,
        **settings: Any,  # noqa: ANN401
    ) -> "Report":
        """Score a model on the sample, with the settings of the workspace.

        Parameters
        ----------
        model, name, training_data, calibration_data
            As in `btfer_builder.evaluate`.

        Returns
        -------
        Report
            The scores. `report.save(ws.reports / "model")` keeps them beside those of `btfer eval`.

        Raises
        ------
        BtferError
            As `btfer_builder.evaluate`, or if there is no sample.

        Examples
        --------
        >>> ws.evaluate(always_happy, resamples=0).accuracy == 1 / 7
        True
        """
        from btfer_builder.api.scoring import score

        return score(
            model,
            self.load_faces(),
            self.recipe.eval,
            settings,
            name=name,
            training_data=training_data,
            calibration_data=calibration_data,
        )

    @takes(EvalRecipe, only=("resamples", "seed"))
    def compare(self, **settings: Any) -> "Comparison":  # noqa: ANN401
        """Rank all models whose reports are in the folder `reports`.

        Raises
        ------
        BtferError
            If there are no reports.
        """
        from btfer_builder.api.scoring import rank
        from btfer_builder.evaluate.report.collect import reports_in

        return rank(reports_in(self._core.reports), self.recipe.eval, settings, named=False)

    @takes(ReleaseRecipe)
    def release(self, out: "str | PathLike[str]", **settings: Any) -> "ReleaseResult":  # noqa: ANN401
        """Write the sample as a data set to publish: card, datasheet, licences, checksums, tables.

        Parameters
        ----------
        out
            The folder to write; it must not exist.

        Returns
        -------
        ReleaseResult
            The folder and the statistics of the release.

        Raises
        ------
        BtferError
            If the folder exists or cannot be written, or the sample may not be released.

        Examples
        --------
        >>> release = ws.release("faces-v1", contact="me@uni.edu", include_unlicensed=True)
        >>> release.statistics.total
        14
        """
        from btfer_builder.release.stage import release

        (recipe,) = with_keywords("release", settings, self.recipe.release)
        return release(self._core, path_of(out), recipe)

    @guarded
    def takedown(
        self, target: "str | PathLike[str]", *, reason: str = "", dry_run: bool = False
    ) -> "Takedown":
        """Remove an image permanently, with its crops, near duplicates and copies in releases.

        Parameters
        ----------
        target
            A face id, an image id, an address, or an image file.
        reason
            Recorded with the tombstone; it should not name anybody.
        dry_run
            Return what would be done without doing it.

        Returns
        -------
        Takedown
            What was or would be deleted, replaced and rewritten.

        Raises
        ------
        BtferError
            If the target is unknown, another command is running, or a file cannot be deleted or written.

        Examples
        --------
        >>> len(ws.takedown(ws.faces()["face_id"].iloc[0], dry_run=True).matches.faces)
        1
        """
        from btfer_builder.release.takedown.stage import take_down

        if not isinstance(target, str | PathLike) or not isinstance(reason, str):
            raise BtferError("takedown takes an id, an address or an image file, and a reason as text")
        return take_down(self._core, os.fspath(target), reason=reason, dry_run=dry_run)

    @guarded
    def purge(self, keep: "Keep", *, dry_run: bool = True) -> "Purge":
        """Delete the original photos, the faces that are not kept, and thumbnails; the catalog keeps their rows.

        Parameters
        ----------
        keep
            `"release"` keeps the faces of the releases, `"sample"` also those of the sample and its reserve.
        dry_run
            Return what would be deleted without deleting it.

        Returns
        -------
        Purge
            Files and bytes that were or would be deleted, by kind.

        Raises
        ------
        BtferError
            If there is nothing to keep, a file that is kept is missing or damaged, or a file cannot be deleted.

        Examples
        --------
        >>> ws.purge("sample").deleted["photos"].files > 0
        True
        """
        from btfer_builder.release.purge import purge

        one_of(keep, ("release", "sample"), "keep")
        return purge(self._core, keep, dry_run=dry_run)

    @takes(CrawlRecipe, only=DOWNLOAD_SETTINGS)
    def recheck(self, release: "str | PathLike[str] | None" = None, **settings: Any) -> "RecheckResult":  # noqa: ANN401
        """Check the sources of a release: images that are gone, have changed or are under another licence.

        Parameters
        ----------
        release
            Folder of the release; None for the sample.

        Returns
        -------
        RecheckResult
            The state of each source, and the path of the table `reports/recheck.csv`.

        Raises
        ------
        BtferError
            If there is nothing to check, or the folder is not a release.
        """
        from btfer_builder.release.recheck import recheck

        (recipe,) = with_keywords("recheck", settings, self.recipe.crawl, only=DOWNLOAD_SETTINGS)
        return recheck(self._core, recipe, None if release is None else path_of(release))


@guarded
def create_workspace(folder: "str | PathLike[str]") -> Workspace:
    """Create a workspace: `btfer.toml` with every setting, and the vocabulary of the search phrases.

    Parameters
    ----------
    folder
        The folder. Existing files in it are kept, so that a second call completes a workspace.

    Raises
    ------
    BtferError
        If the folder cannot be created or written.

    Examples
    --------
    >>> import btfer_builder as bt
    >>> bt.create_workspace("new").root.name
    'new'
    """
    return Workspace(core.create_workspace(path_of(folder)))


@guarded
def open_workspace(folder: "str | PathLike[str] | None" = None) -> Workspace:
    """Open a workspace.

    Parameters
    ----------
    folder
        The folder; by default that of the environment variable `BTFER_WORKSPACE`, else the current folder.

    Raises
    ------
    BtferError
        If the folder is not a workspace.

    Examples
    --------
    >>> import btfer_builder as bt
    >>> bt.open_workspace("nowhere")
    Traceback (most recent call last):
    btfer_builder.errors.BtferError: ...nowhere is not a workspace: it has no btfer.toml. Create one with: ...
    """
    return Workspace(core.open_workspace(None if folder is None else path_of(folder)))
