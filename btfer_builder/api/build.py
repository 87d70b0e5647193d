"""All stages at once."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from btfer_builder.api.keywords import one_of, path_of, takes
from btfer_builder.api.messages import in_python
from btfer_builder.api.tables import Tables
from btfer_builder.config import CrawlRecipe, QueriesRecipe, SourceRecipe, with_keywords

if TYPE_CHECKING:
    from os import PathLike

    import pandas as pd

    from btfer_builder.build import BuildResult, BuildSettings, BuildStage


class Builds(Tables):
    """The way of a set in one call, and what it would do."""

    @takes(CrawlRecipe, QueriesRecipe, SourceRecipe)
    def build(
        self,
        *,
        path: "str | PathLike[str] | None" = None,
        per_class: int | None = None,
        until: "BuildStage" = "sample",
        **settings: Any,  # noqa: ANN401
    ) -> "BuildResult":
        """Run every stage that needs no person, in order, up to the review; when called again, draw the sample.

        Parameters
        ----------
        path
            As in `crawl`.
        per_class
            Faces of each emotion in the sample, which the crawl aims at, too; None for that of `btfer.toml`.
        until
            The last stage: `crawl`, `dedupe`, `crop`, `dedupe-faces`, `review` or `sample`.

        Returns
        -------
        BuildResult
            The stages that ran, the `sample` if it was drawn, and what is `next`: `review()` opens the page.

        Raises
        ------
        BtferError
            As the stages raise it. What the stages before did is kept, and the next call continues.

        Examples
        --------
        >>> result = ws.build(per_class=2)
        >>> result.ran, result.next.stage
        ([], 'eval')
        """
        from btfer_builder.build import build

        result = build(self._core, self._build_settings(path, per_class, until, settings))
        assert result.next is not None  # noqa: S101 - a build ends with a next step
        return replace(result, next=replace(result.next, command=in_python(result.next.command)))

    @takes(CrawlRecipe, QueriesRecipe, SourceRecipe)
    def plan_build(
        self,
        *,
        path: "str | PathLike[str] | None" = None,
        per_class: int | None = None,
        until: "BuildStage" = "sample",
        **settings: Any,  # noqa: ANN401
    ) -> "pd.DataFrame":
        """Return what `build` would do, with estimates; nothing is requested or written.

        Parameters
        ----------
        path, per_class, until
            As in `build`.

        Returns
        -------
        pandas.DataFrame
            A row for each stage with work: `stage`, `work`, and `items` and `seconds` where they are known.

        Raises
        ------
        BtferError
            If a setting is not valid.

        Examples
        --------
        >>> ws.plan_build(per_class=2).empty
        True
        """
        import pandas as pd

        from btfer_builder.build import plan_build

        planned = plan_build(self._core, self._build_settings(path, per_class, until, settings))
        return pd.DataFrame(
            [stage.to_dict() for stage in planned], columns=["stage", "work", "items", "seconds"]
        )

    def _build_settings(
        self,
        path: "str | PathLike[str] | None",
        per_class: int | None,
        until: "BuildStage",
        settings: dict[str, Any],
    ) -> "BuildSettings":
        from btfer_builder.build import STAGES, BuildSettings

        one_of(until, STAGES, "until")
        recipe, wanted, own = with_keywords(
            "build", settings, self.recipe.crawl, self.recipe.queries, self.recipe.source
        )
        (sample,) = with_keywords("sample", {"per_class": per_class}, self.recipe.sample)
        asked = frozenset() if per_class is None else frozenset({"per_class"})
        place = None if path is None else path_of(path)
        return BuildSettings(
            recipe, wanted, own, sample, place, asked, settings.get("engine") is not None, until
        )
