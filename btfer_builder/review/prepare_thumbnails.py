"""Make all thumbnails before they are asked for, in the background, and measure sharpness on the way."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from btfer_builder.catalog.review import review_items
from btfer_builder.catalog.review_signals import add_sharpness, picture_paths, sharpness_of
from btfer_builder.crop.quality import sharpness
from btfer_builder.errors import BtferError
from btfer_builder.images.thumbnails import THUMB_SIDE, jpeg, small
from btfer_builder.io.atomic import write_bytes
from btfer_builder.io.storage import Root, thumb_path
from btfer_builder.io.terminal import echo_stderr
from btfer_builder.parallel import Crashed, Runner
from btfer_builder.records import Kind
from btfer_builder.workspace import Workspace

#: Thumbnails a worker makes at a time; a stop waits for those under way.
SHARD_SIZE = 16


def make_thumbs(items: Sequence[tuple[str, str]], root: Root, kind: Kind) -> list[float | None]:
    """Write the thumbnails of some items and return how sharp each is; None for one that cannot be decoded.

    Parameters
    ----------
    items
        (item_id, path relative to the workspace).
    root, kind
        The workspace and the round.
    """
    return [_make(root, kind, item_id, path) for item_id, path in items]


def _make(root: Root, kind: Kind, item_id: str, path: str) -> float | None:
    import numpy as np

    picture = small(root, path, THUMB_SIDE)
    if picture is None:
        return None
    write_bytes(thumb_path(root, kind, item_id), jpeg(picture))
    return sharpness(np.asarray(picture))


def missing_thumbs(workspace: Workspace, kind: Kind) -> list[tuple[str, str]]:
    """Return (item_id, path) of every item of a round without a thumbnail or a sharpness, in the round's order."""
    measured = sharpness_of(workspace.catalog, "image") if kind == "image" else None
    todo = [
        item.item_id
        for item in review_items(workspace.catalog, kind)
        if not thumb_path(workspace.root, kind, item.item_id).is_file()
        or (measured is not None and item.item_id not in measured)
    ]
    return picture_paths(workspace.catalog, kind, todo)


def make_all(workspace: Workspace, kinds: Sequence[Kind], stop: threading.Event, workers: int = 1) -> int:
    """Make whatever is missing, round by round, until told to stop; return how many were made.

    A file that kills its worker takes nothing along. The sharpness of photos is committed; that of faces was when
    they were cropped.
    """
    made = 0
    for kind in kinds:
        runner: Runner[tuple[str, str], float | None] = Runner(workers, SHARD_SIZE)
        shards = runner.map(
            partial(make_thumbs, root=workspace.files, kind=kind), missing_thumbs(workspace, kind)
        )
        for shard in shards:
            measured = {
                item[0]: value
                for item, value in shard
                if value is not None and not isinstance(value, Crashed)
            }
            if kind == "image":
                add_sharpness(workspace.catalog, measured)
            made += len(measured)
            if stop.is_set():
                shards.close()  # type: ignore[attr-defined]  # it is a generator, and ends its workers
                return made
    return made


@contextmanager
def thumbs_in_background(workspace: Workspace, kinds: Sequence[Kind]) -> Iterator[None]:
    """Make thumbnails while the body runs, those of the first round first."""
    stop = threading.Event()

    def work() -> None:
        try:
            make_all(workspace, kinds, stop)
        except (
            BtferError
        ) as problem:  # a full disk, say: the page still makes each picture as it is asked for
            echo_stderr(f"thumbnails: {problem}")

    thread = threading.Thread(target=work, name="thumbnails", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
