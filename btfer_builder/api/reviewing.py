"""The review: the page, decisions as tables, and how far reviewers agree."""

from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from btfer_builder.api.keywords import one_of, path_of, takes
from btfer_builder.api.stages import Stages
from btfer_builder.config import AgreementRecipe, ReviewRecipe, given_names, with_keywords

if TYPE_CHECKING:
    import pandas as pd

    from btfer_builder.api.review_page import ReviewPage
    from btfer_builder.review.agreement import Agreement
    from btfer_builder.review.decisions import ImportResult

Round = Literal["images", "faces"]

#: The settings of the review that shape which items a reviewer has, and what their decisions mean.
_ITEMS = ("reviewer", "blind", "seed", "reviewers", "overlap", "min_votes", "agreement")
_CONSENSUS = ("reviewers", "min_votes", "agreement")
_AGREEMENT = (*AgreementRecipe.__struct_fields__, *_CONSENSUS)


class Reviewing(Stages):
    """The two rounds of the review, and what comes of them."""

    @takes(ReviewRecipe)
    def review(
        self,
        round: Round = "faces",
        *,
        adjudicate: bool = False,
        model: "str | PathLike[str] | None" = None,
        **settings: Any,  # noqa: ANN401
    ) -> "ReviewPage":
        """Serve the review page in the background.

        Parameters
        ----------
        round
            Review photos or faces first.
        adjudicate
            Show the items on which reviewers disagree, with their votes, and decide them.
        model
            A model whose predictions order the faces: those that contradict the label come first.

        Returns
        -------
        ReviewPage
            Its `url`, which a notebook shows as a link; `stop()` ends it. Every decision is saved immediately.

        Raises
        ------
        BtferError
            If there is nothing to review, the address or port is not available, or no items are assigned
            to the reviewer.

        Examples
        --------
        >>> with ws.review(reviewer="ana", port=0) as page:
        ...     page.url.startswith("http://127.0.0.1:")
        True
        """
        from btfer_builder.api.review_page import ReviewPage
        from btfer_builder.review.assignment import follow_rule
        from btfer_builder.review.stage import check_page, require_round

        one_of(round, get_args(Round), "round")
        (recipe,) = with_keywords("review", settings, self.recipe.review)
        check_page(self._core, recipe, reveals=adjudicate or model is not None)
        require_round(self._core, round)
        follow_rule(self._core.catalog, recipe, given_names(settings, ReviewRecipe))
        predictions = None
        if model is not None:
            from btfer_builder.evaluate.model_predictions import ask_model

            predictions = ask_model(self._core, path_of(model))
        return ReviewPage(self._core, recipe, round, adjudicate=adjudicate, model=predictions)

    @takes(ReviewRecipe, only=_ITEMS)
    def export_decisions(
        self,
        path: "str | PathLike[str] | None" = None,
        *,
        round: Round | None = None,
        **settings: Any,  # noqa: ANN401
    ) -> "pd.DataFrame":
        """Return the items of a reviewer with their decisions, to fill in and import.

        Parameters
        ----------
        path
            CSV file to write the table to, for a spreadsheet, with a contact sheet beside it (`faces.sheet.html`).
        round
            Photos or faces; None for faces.

        Returns
        -------
        pandas.DataFrame
            `item_id`, `kind`, the proposed `emotion`, and `verdict`, `reason` and `reviewer`, which are empty for items
            without a decision; `path`, `query` and, in the file, `thumbnail`: the picture in the contact sheet.

        Raises
        ------
        BtferError
            If a file cannot be written.

        Examples
        --------
        >>> ws.export_decisions("faces.csv", round="faces", reviewer="ana")["verdict"].unique().tolist()
        ['accept']
        """
        import pandas as pd

        from btfer_builder.review.decisions import EXPORTED
        from btfer_builder.review.stage import export_round, round_rows

        if round is not None:
            one_of(round, get_args(Round), "round")
        (recipe,) = with_keywords("review", settings, self.recipe.review, only=_ITEMS)
        if path is not None:
            asked = given_names(settings, ReviewRecipe)
            export_round(self._core, path_of(path), recipe, round_name=round, asked=asked)
        return pd.DataFrame(round_rows(self._core, recipe, round), columns=EXPORTED)

    @takes(ReviewRecipe, only=_ITEMS)
    def import_decisions(
        self,
        decisions: "str | PathLike[str] | pd.DataFrame",
        **settings: Any,  # noqa: ANN401
    ) -> "ImportResult":
        """Add the decisions of a CSV file or a DataFrame: all of them, or none if any row is invalid.

        Parameters
        ----------
        decisions
            The columns are `item_id`, `kind` (`image` or `face`) and `verdict` (`accept`, `reject`, `skip`), and
            optionally `emotion`, `reason` and `reviewer`. Rows without a verdict are ignored.

        Returns
        -------
        ImportResult
            The number of rows `added`, `unchanged` and `empty`.

        Raises
        ------
        BtferError
            If the file cannot be read, or any row is invalid. The message lists the lines, or the rows of the DataFrame
            counted from 0.

        Examples
        --------
        >>> table = ws.export_decisions(round="faces", reviewer="ana")
        >>> ws.import_decisions(table.assign(verdict="accept"), reviewer="ana")
        ImportResult(added=0, unchanged=14, empty=0)
        """
        import pandas as pd

        from btfer_builder.review.stage import import_file

        (recipe,) = with_keywords("review", settings, self.recipe.review, only=_ITEMS)
        asked = given_names(settings, ReviewRecipe)
        if not isinstance(decisions, pd.DataFrame):
            return import_file(self._core, path_of(decisions), recipe, asked=asked)
        cells = decisions.astype(object).where(decisions.notna(), "").itertuples(index=False)
        rows = ((number, [str(cell) for cell in row]) for number, row in enumerate(cells))
        table = [str(name) for name in decisions.columns], rows
        return import_file(self._core, Path("the table"), recipe, table=table, asked=asked)

    @takes(AgreementRecipe, ReviewRecipe, only=_AGREEMENT)
    def agreement(self, round: Round = "faces", **settings: Any) -> "Agreement":  # noqa: ANN401
        """Measure the agreement between reviewers, and apply the rule of consensus from now on.

        Parameters
        ----------
        round
            Decisions on photos or on faces.

        Returns
        -------
        Agreement
            Cohen's and Fleiss' kappa with intervals, each reviewer against the consensus, and confusion matrices.

        Raises
        ------
        BtferError
            If no item has answers of two reviewers, or verdicts would change because of a setting that was not given.
        """
        from btfer_builder.review.stage import measure_agreement

        one_of(round, get_args(Round), "round")
        recipe, review = with_keywords(
            "agreement", settings, self.recipe.agreement, self.recipe.review, only=_AGREEMENT
        )
        asked = given_names(settings, ReviewRecipe)
        return measure_agreement(self._core, round, recipe, review, asked=asked)
