"""Write missing thumbnails in the background before the page requests them, and measure the sharpness of photos."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from btfer_builder.catalog.review import review_items
from btfer_builder.catalog.review_signals import add_sharpness, picture_paths, sharpness_of
from btfer_builder.crop.quality import sharpness
from btfer_builder.errors import BtferError
from btfer_builder.images.thumbnails import write_thumbnail
from btfer_builder.io.storage import Root, thumb_path
from btfer_builder.io.terminal import echo_stderr
from btfer_builder.parallel import Crashed, Runner
from btfer_builder.records import Kind
from btfer_builder.workspace import Workspace

#: Thumbnails in a shard.
SHARD_SIZE = 16


def missing_thumbnails(workspace: Workspace, kind: Kind) -> list[tuple[str, str]]:
    """Return (item_id, path) of each item of a round without a thumbnail or, for photos, without a sharpness."""
    measured = sharpness_of(workspace.catalog, "image") if kind == "image" else None
    missing = [
        item.item_id
        for item in review_items(workspace.catalog, kind)
        if not thumb_path(workspace.root, kind, item.item_id).is_file()
        or (measured is not None and item.item_id not in measured)
    ]
    return picture_paths(workspace.catalog, kind, missing)


def write_and_measure(items: Sequence[tuple[str, str]], root: Root, kind: Kind) -> list[float | None]:
    """Write the thumbnails of some items and return their sharpness; None for an item that cannot be decoded.

    Parameters
    ----------
    items
        (item_id, path relative to the workspace).
    root, kind
        The workspace and the kind of the items.
    """
    import numpy as np

    images = (write_thumbnail(root, kind, item_id, path) for item_id, path in items)
    return [None if image is None else sharpness(np.asarray(image)) for image in images]


def prepare_thumbnails(
    workspace: Workspace, kinds: Sequence[Kind], stop: threading.Event, workers: int = 1
) -> int:
    """Write all missing thumbnails, round by round, until stopped; return how many were written.

    An image that crashes its worker affects no other. The sharpness of photos is committed; that of faces is measured
    when they are cropped.
    """
    written = 0
    for kind in kinds:
        runner: Runner[tuple[str, str], float | None] = Runner(workers, SHARD_SIZE)
        shards = runner.map(
            partial(write_and_measure, root=workspace.files, kind=kind),
            missing_thumbnails(workspace, kind),
            stop=stop,
        )
        for shard in shards:
            measured = {
                item[0]: value
                for item, value in shard
                if value is not None and not isinstance(value, Crashed)
            }
            if kind == "image":
                add_sharpness(workspace.catalog, measured)
            written += len(measured)
        if stop.is_set():
            break
    return written


@contextmanager
def thumbnails_in_background(workspace: Workspace, kinds: Sequence[Kind]) -> Iterator[None]:
    """Write missing thumbnails while the body runs, those of the first round first."""
    stop = threading.Event()

    def work() -> None:
        try:
            prepare_thumbnails(workspace, kinds, stop)
        except (
            BtferError
        ) as problem:  # such as a full disk; the page writes each thumbnail on request instead
            echo_stderr(f"thumbnails: {problem}")

    thread = threading.Thread(target=work, name="thumbnails", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
