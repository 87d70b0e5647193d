"""The stages that build a set."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from btfer_builder.api.build import Builds
from btfer_builder.api.keywords import guarded, path_of, takes
from btfer_builder.config import (
    CrawlRecipe,
    CropRecipe,
    DedupeRecipe,
    HashesRecipe,
    LeakageRecipe,
    QueriesRecipe,
    SampleRecipe,
    SourceRecipe,
    given_names,
    with_keywords,
)

if TYPE_CHECKING:
    from os import PathLike

    import pandas as pd

    from btfer_builder.leakage.stage import LeakageResult
    from btfer_builder.sample.stage import SampleResult


class Stages(Builds):
    """The stages in their order; each can be interrupted and continues when it is called again."""

    @takes(QueriesRecipe)
    def queries(self, **settings: Any) -> "pd.DataFrame":  # noqa: ANN401
        """Return the search phrases: all combinations of ethnicity, gender, age and expression.

        Returns
        -------
        pandas.DataFrame
            A row for each phrase: `query`, `language`, `emotion`, `expression` and the query attributes.

        Raises
        ------
        BtferError
            If a vocabulary in `queries/` is missing or invalid.

        Examples
        --------
        >>> ws.queries(language=["es"], emotion=["sad"], no_minors=True)["query"].iloc[0]
        'mujer blanca triste'
        """
        import pandas as pd

        from btfer_builder.queries.plan import plan_queries

        (recipe,) = with_keywords("queries", settings, self.recipe.queries)
        return pd.DataFrame([query.to_dict() for query in plan_queries(self._core.queries, recipe)])

    @takes(CrawlRecipe)
    def check_engines(self, **settings: Any) -> "pd.DataFrame":  # noqa: ANN401
        """Send one known query to each search engine; nothing is downloaded or stored.

        Returns
        -------
        pandas.DataFrame
            A row for each engine: `ok`, the number of `results`, of those with page and title (`complete`) and of those
            with a licence (`licensed`), and the `error`.

        Raises
        ------
        BtferError
            If an engine needs a key, or a setting cannot be sent.
        """
        import pandas as pd

        from btfer_builder.crawl.stage import ask_engines

        (recipe,) = with_keywords("crawl", settings, self.recipe.crawl)
        columns = ["engine", "ok", "results", "complete", "licensed", "error"]
        return pd.DataFrame([check.to_dict() for check in ask_engines(recipe)], columns=columns)

    @takes(CrawlRecipe, QueriesRecipe, SourceRecipe)
    def crawl(
        self,
        *,
        path: "str | PathLike[str] | None" = None,
        column: Mapping[str, str] | None = None,
        where_caption: str = "",
        **settings: Any,  # noqa: ANN401
    ) -> "pd.DataFrame":
        """Search for images and download them. No file is downloaded twice.

        Parameters
        ----------
        path
            For the engine `folder`, a folder with a folder for each emotion; for the engine `urls`, a table or a list.
        column
            For the engine `urls`, the names of columns where they are unusual, as `{"url": "image"}`.
        where_caption
            For the engine `urls`, a regular expression that title or caption must match, in any case.

        Returns
        -------
        pandas.DataFrame
            The row of this stage in the funnel.

        Raises
        ------
        BtferError
            If a search failed (the results of the others are kept), an engine needs a key, or the disk is full.

        Examples
        --------
        >>> ws.crawl(engine=["folder"], path="photos")[["in", "kept"]].values.tolist()
        [[14, 14]]
        """
        from btfer_builder.crawl.engines.urls import ListOptions
        from btfer_builder.crawl.stage import crawl
        from btfer_builder.queries.plan import plan_queries

        recipe, wanted, own = with_keywords(
            "crawl", settings, self.recipe.crawl, self.recipe.queries, self.recipe.source
        )
        planned = plan_queries(self._core.queries, wanted)
        place = None if path is None else path_of(path)
        listed = ListOptions(column or {}, where_caption)
        crawl(self._core, recipe, planned, wanted.emotion, place, list_options=listed, source=own)
        return self._stage("crawl")

    @takes(DedupeRecipe)
    def dedupe(self, *, regroup: bool = False, **settings: Any) -> "pd.DataFrame":  # noqa: ANN401
        """Drop duplicate photos: exact, near and mirrored copies.

        Parameters
        ----------
        regroup
            Go on even if reviewed or sampled photos are dropped.

        Returns
        -------
        pandas.DataFrame
            The row of this stage in the funnel.

        Raises
        ------
        BtferError
            If there are no images, or changed settings would drop reviewed or sampled photos.

        Examples
        --------
        >>> ws.dedupe()["kept"].item()
        14
        """
        from btfer_builder.dedupe.stage import dedupe

        (recipe,) = with_keywords("dedupe", settings, self.recipe.dedupe)
        dedupe(self._core, recipe, regroup=regroup)
        return self._stage("dedupe")

    @takes(CropRecipe)
    def crop(self, *, paper: bool = False, recrop: bool = False, **settings: Any) -> "pd.DataFrame":  # noqa: ANN401
        """Detect faces and write square crops, by default 256×256 pixels with a margin of 20 pixels.

        Parameters
        ----------
        paper
            Crop as the authors: margin of 10 photo pixels, stretched, one face for each photo.
        recrop
            Apply other settings even if reviewed or sampled faces are dropped.

        Returns
        -------
        pandas.DataFrame
            The row of this stage in the funnel.

        Raises
        ------
        BtferError
            If no image has passed dedupe, the margin leaves no room for a face, or reviewed or sampled faces would be
            lost.

        Examples
        --------
        >>> ws.crop()["kept"].item()
        14
        """
        from btfer_builder.crop.stage import crop, paper_recipe

        before = paper_recipe(self.recipe.crop) if paper else self.recipe.crop
        (recipe,) = with_keywords("crop", settings, before)
        crop(self._core, recipe, recrop=recrop)
        return self._stage("crop")

    @takes(DedupeRecipe)
    def dedupe_faces(self, *, regroup: bool = False, **settings: Any) -> "pd.DataFrame":  # noqa: ANN401
        """Drop face crops that show the same picture as another one.

        Parameters
        ----------
        regroup
            Go on even if reviewed or sampled faces are dropped.

        Returns
        -------
        pandas.DataFrame
            The row of this stage in the funnel.

        Raises
        ------
        BtferError
            If there are no faces, or changed settings would drop reviewed or sampled faces.

        Examples
        --------
        >>> ws.dedupe_faces()["dropped"].item()
        0
        """
        from btfer_builder.dedupe.face_stage import dedupe_faces

        (recipe,) = with_keywords("dedupe", settings, self.recipe.dedupe)
        dedupe_faces(self._core, recipe, regroup=regroup)
        return self._stage("dedupe-faces")

    @takes(LeakageRecipe, HashesRecipe)
    def leakage(self, against: "str | PathLike[str]", **settings: Any) -> "LeakageResult":  # noqa: ANN401
        """Find faces that are also in a training set. They are left out of the next sample.

        Parameters
        ----------
        against
            A folder of images, or a CSV written by `hash_images`. It is only read.

        Returns
        -------
        LeakageResult
            The counts; `leaked()` lists the faces.

        Raises
        ------
        BtferError
            If the training set has no images, or the CSV is not a manifest of hashes.

        Examples
        --------
        >>> ws.leakage("other-photos").count.leaked
        0
        >>> ws.remove_leakage_set("other-photos").endswith("other-photos")
        True
        """
        from btfer_builder.leakage.stage import leakage

        recipe, hashing = with_keywords("leakage", settings, self.recipe.leakage, self.recipe.hashes)
        return leakage(self._core, path_of(against), recipe, hashing)

    @guarded
    def remove_leakage_set(self, name: "str | PathLike[str]") -> str:
        """Remove a training set that was checked, and return its path.

        Parameters
        ----------
        name
            Its path, or the last part of it.

        Raises
        ------
        BtferError
            If no set or more than one has this name.
        """
        from btfer_builder.leakage.stage import forget

        return forget(self._core, str(path_of(name)))

    @takes(SampleRecipe)
    def sample(self, *, redraw: bool = False, **settings: Any) -> "SampleResult":  # noqa: ANN401
        """Draw the same number of accepted faces for each emotion, reproducibly.

        Parameters
        ----------
        redraw
            Draw again even if the current sample was drawn with other settings.

        Returns
        -------
        SampleResult
            The number of accepted, drawn and reserved faces of each emotion, and the folder; `sampled()` lists them.

        Raises
        ------
        BtferError
            If no face is accepted, an emotion has too few faces, unless `allow_short` is set, or if faces would leave
            the earlier sample because of a setting that was given then and is missing now. An earlier sample stays.

        Examples
        --------
        >>> drawn = ws.sample(per_class=2, seed=0)
        >>> drawn.per_class["happy"], drawn.path.name
        (2, 'sample')
        """
        from btfer_builder.sample.stage import sample, shortage

        (recipe,) = with_keywords("sample", settings, self.recipe.sample)
        asked = None if redraw else given_names(settings, SampleRecipe)
        result = sample(self._core, recipe, asked=asked)
        if result.path is None:
            raise shortage(self._core, result)
        return result
