"""The tables of a workspace as DataFrames, and how a workspace shows itself."""

from dataclasses import replace
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from btfer_builder import workspace as core
from btfer_builder.api.keywords import guarded
from btfer_builder.api.messages import in_python
from btfer_builder.catalog.funnel import StageCount, funnel
from btfer_builder.catalog.leakage import searched_sets
from btfer_builder.catalog.manifests import manifest
from btfer_builder.catalog.search_yield import yields
from btfer_builder.config import Recipe
from btfer_builder.labels import EMOTIONS
from btfer_builder.next_step import NextStep, next_step
from btfer_builder.sample.stale import stale_line

if TYPE_CHECKING:
    import pandas as pd


class Tables:
    """What a workspace holds. Each table is read from the catalog when it is asked for."""

    def __init__(self, workspace: core.Workspace) -> None:
        self._opened = workspace

    @property
    def _core(self) -> core.Workspace:
        """The workspace; an error if its folder was moved or deleted after it was opened."""
        core.open_workspace(self.root)
        return self._opened

    @property
    def root(self) -> Path:
        """The folder of the workspace."""
        return self._opened.root

    @property
    def recipe(self) -> Recipe:
        """The settings in `btfer.toml`, as they were when they were first needed."""
        return self._core.recipe

    @property
    def reports(self) -> Path:
        """The folder in which `btfer eval` writes its reports."""
        return self._opened.reports

    @guarded
    def funnel(self) -> "pd.DataFrame":
        """Count what came into each stage, what was kept, and what was dropped for which reason.

        Returns
        -------
        pandas.DataFrame
            A row for each stage, with `in` = `kept` + `dropped`; `waiting` items were not worked on yet. `unit` is
            what is counted, `because` the reasons with their counts, and the columns of the emotions count the kept.

        Examples
        --------
        >>> ws.funnel().loc["crop", ["in", "kept", "dropped"]].tolist()
        [14, 14, 0]
        """
        return funnel_frame(funnel(self._core.catalog))

    @guarded
    def next_step(self) -> NextStep:
        """Return what to do next: why, and the call that does it.

        Returns
        -------
        NextStep
            Its `stage`, `sentence` and `command`, in which words in capitals are to be filled in.

        Examples
        --------
        >>> print(ws.next_step())
        the sample has 14 faces; score a model on it: evaluate(MODEL).save(folder)
        """
        step = next_step(self._core)
        return replace(step, command=in_python(step.command))

    @guarded
    def doctor(self) -> "pd.DataFrame":
        """Look at this computer, the search engines of the settings, and the workspace.

        Returns
        -------
        pandas.DataFrame
            A row for each `subject`: its `state` (`ok`, `note` or `problem`), what was `found`, and the `advice`.
        """
        import pandas as pd

        from btfer_builder.doctor import examine

        columns = ["subject", "state", "found", "advice"]
        return pd.DataFrame([finding.to_dict() for finding in examine(self._core)], columns=columns)

    @guarded
    def search_yield(self) -> "pd.DataFrame":
        """Count what the searches found, by engine, language, expression and cell of query attributes.

        Returns
        -------
        pandas.DataFrame
            Columns `by`, `value`, `found`, `fetched`, `kept` and `accepted`: candidates, files, images that dedupe
            kept, and images with an accepted face.

        Examples
        --------
        >>> ws.search_yield().query("by == 'engine'")["found"].item()
        14
        """
        import pandas as pd

        columns = ["by", "value", "found", "fetched", "kept", "accepted"]
        return pd.DataFrame([line.to_dict() for line in yields(self._core.catalog)], columns=columns)

    @guarded
    def candidates(self) -> "pd.DataFrame":
        """Return every search result, its source and licence, and what became of it.

        Examples
        --------
        >>> ws.candidates()["state"].value_counts().to_dict()
        {'kept': 14}
        """
        return self._table("candidates")

    @guarded
    def images(self) -> "pd.DataFrame":
        """Return every image, with its source, its state and the reason why it was dropped.

        Examples
        --------
        >>> ws.images()[["width", "height"]].drop_duplicates().values.tolist()
        [[480, 400]]
        """
        return self._table("images")

    @guarded
    def duplicates(self) -> "pd.DataFrame":
        """Return the images that are copies of others, and what they are copies of."""
        return self._table("duplicates")

    @guarded
    def faces(self) -> "pd.DataFrame":
        """Return every face: its photo, label, state, box in photo pixels, pose and quality.

        A row without a `face_id` is a photo in which no face was found.

        Examples
        --------
        >>> ws.faces()["emotion"].value_counts().unique().tolist()
        [2]
        """
        return self._table("faces")

    @guarded
    def decisions(self) -> "pd.DataFrame":
        """Return every decision of a reviewer in the order in which they were made.

        Examples
        --------
        >>> ws.decisions()["verdict"].unique().tolist()
        ['accept']
        """
        return self._table("decisions")

    @guarded
    def sampled(self) -> "pd.DataFrame":
        """Return the faces of the sample, with rank, split, file and source; empty if there is no sample.

        Examples
        --------
        >>> ws.sampled().groupby("emotion").size().unique().tolist()
        [2]
        """
        return self._table("sample")

    @guarded
    def leaked(self) -> "pd.DataFrame":
        """Return the faces that were found in a training set, each with the closest image of it."""
        return self._table("leakage")

    @guarded
    def leakage_sets(self) -> "pd.DataFrame":
        """Return the training sets that were checked: images, faces, matches, and whether all could be compared."""
        import pandas as pd

        columns = ["source", "images", "compared", "leaked", "in_sample", "complete"]
        sets = searched_sets(self._core.catalog)
        return pd.DataFrame([[getattr(item, name) for name in columns] for item in sets], columns=columns)

    def _table(self, name: str) -> "pd.DataFrame":
        import pandas as pd

        columns, rows = manifest(self._core.catalog, name)
        return pd.DataFrame([tuple(row) for row in rows], columns=columns)

    def _stage(self, name: str) -> "pd.DataFrame":
        return funnel_frame(funnel(self._core.catalog, [name]))

    def __fspath__(self) -> str:
        """Return the folder, so that a workspace can be given where a folder is expected."""
        return str(self.root)

    def __repr__(self) -> str:
        return f"<Workspace {str(self.root)!r}>"

    @guarded
    def _repr_html_(self) -> str:
        """Show the folder, a warning if the sample is stale, the funnel and the next step in a notebook."""
        stale = stale_line(self._core.catalog)
        warning = f"<p><b>{escape(stale)}</b></p>" if stale else ""
        shown = self.funnel()[["in", "kept", "dropped", "waiting", "unit", "because"]]
        table = shown.rename_axis(None).to_html(escape=True, border=0)
        heading = f"<p>Workspace <b>{escape(self.root.name)}</b> <code>{escape(str(self.root))}</code></p>"
        step = self.next_step()
        return f"{heading}{warning}{table}<p>Next: {escape(step.sentence)}: <code>{escape(step.command)}</code></p>"


def funnel_frame(stages: "list[StageCount]") -> "pd.DataFrame":
    """Return the counts of stages as a table; see `Tables.funnel`."""
    import pandas as pd

    rows = [
        {
            "in": stage.came_in,
            "kept": stage.kept,
            "dropped": sum(stage.dropped.values()),
            "waiting": stage.waiting,
            "unit": stage.unit,
            "because": ", ".join(f"{count} {reason}" for reason, count in stage.dropped.items()),
            **{emotion: stage.per_emotion.get(emotion, 0) for emotion in EMOTIONS},
        }
        for stage in stages
    ]
    return pd.DataFrame(rows, index=pd.Index([stage.stage for stage in stages], name="stage"))
