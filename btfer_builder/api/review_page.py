"""The review page in a thread: a notebook has an event loop and needs its main thread."""

import threading
from html import escape

from btfer_builder.api.keywords import guarded
from btfer_builder.config import ReviewRecipe
from btfer_builder.review.session import RoundName
from btfer_builder.workspace import Workspace


class ReviewPage:
    """A review page that is being served.

    Attributes
    ----------
    url
        The address to open, with its token.
    """

    url: str = ""

    def __init__(
        self,
        workspace: Workspace,
        recipe: ReviewRecipe,
        round_name: RoundName,
        *,
        adjudicate: bool,
        model: str | None,
    ) -> None:
        from btfer_builder.review.serve import serve  # its server is not needed before

        self._workspace = workspace
        self._stop, self._settled = threading.Event(), threading.Event()
        self._error: BaseException | None = None

        def ready(url: str) -> None:
            self.url = url
            self._settled.set()

        def run() -> None:
            try:
                serve(
                    workspace,
                    recipe,
                    round_name=round_name,
                    on_ready=ready,
                    adjudicate=adjudicate,
                    model=model,
                    stop=self._stop,
                )
            except BaseException as error:  # raised in the caller's thread
                self._error = error
            finally:
                self._settled.set()

        self._thread = threading.Thread(target=run, name="btfer-review", daemon=True)
        self._thread.start()
        try:
            self._settled.wait()
        except BaseException:  # Ctrl-C: nobody has the page, so nobody could stop it
            self._stop.set()
            raise
        if self._error is not None:
            raise self._error

    @guarded
    def stop(self) -> None:
        """End the page and write the CSV files that show decisions."""
        from btfer_builder.review.stage import write_review_manifests

        self._stop.set()
        self._thread.join()
        write_review_manifests(self._workspace)

    def wait(self) -> None:
        """Serve until Ctrl-C, for a script; then `stop`."""
        try:
            self._thread.join()
        except KeyboardInterrupt:
            pass
        finally:
            self.stop()

    def __enter__(self) -> "ReviewPage":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"<ReviewPage {self.url}>"

    def _repr_html_(self) -> str:
        """Show the link in a notebook."""
        url = escape(self.url, quote=True)
        return f'<p>Review page: <a href="{url}" target="_blank" rel="noopener">{url}</a></p>'
