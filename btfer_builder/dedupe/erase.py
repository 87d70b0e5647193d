"""Delete images that show a picture which was taken down: the file, all made from it, and what was said of it."""

from collections.abc import Sequence

from btfer_builder.catalog.reviewed_work import count_released, count_work_on_images
from btfer_builder.catalog.sample import sampled_faces
from btfer_builder.catalog.takedown import (
    Tombstone,
    add_tombstones,
    addresses,
    erase,
    faces_of,
    image_paths,
)
from btfer_builder.catalog.tombstones import url_sha256
from btfer_builder.errors import BtferError
from btfer_builder.io.storage import thumb_path
from btfer_builder.io.text import clause
from btfer_builder.reconcile import finish_erasure
from btfer_builder.records import SampledFace
from btfer_builder.workspace import Workspace, rewrite_manifests


class TakenDownInUse(BtferError):
    """Images that show a picture which was taken down are reviewed, sampled or released: `image_ids`."""

    def __init__(self, message: str, image_ids: Sequence[str]) -> None:
        super().__init__(message)
        self.image_ids = image_ids


def erase_taken_down(workspace: Workspace, image_ids: Sequence[str]) -> None:
    """Delete images that show a picture which was taken down, and leave tombstones of their bytes and addresses.

    Their perceptual hashes are not added: otherwise each similar picture would match others in turn.

    Raises
    ------
    TakenDownInUse
        If some of them are reviewed, sampled or released. Nothing is changed.
    """
    catalog = workspace.catalog
    used = [image_id for image_id in image_ids if any(_uses(workspace, [image_id]))]
    if used:
        reviewed, sampled, released = _uses(workspace, used)
        counts = {"reviewed photos": reviewed, "faces of the sample": sampled, "released faces": released}
        words = ", ".join(f"{count} {what}" for what, count in counts.items() if count)
        raise TakenDownInUse(
            f"dedupe: {clause(len(used), 'photo', 'are')} the same picture as one that was taken down, such as "
            f"{used[0]}, and in use ({words}). Nothing was changed. Look at them, then take them down, too: btfer "
            "dedupe --take-down",
            used,
        )
    urls = addresses(catalog, image_ids)
    faces = faces_of(catalog, image_ids)
    tombstones = [Tombstone(image_id=image_id) for image_id in image_ids]
    tombstones += [Tombstone(url_sha256=url_sha256(url), image_id=image_id) for url, image_id in urls.items()]
    add_tombstones(catalog, tombstones, "the same picture as one that was taken down")
    files = [workspace.files / path for path in image_paths(catalog, image_ids)]
    files += [workspace.files / face["path"] for face in faces if face["path"]]
    files += [thumb_path(workspace.root, "image", image_id) for image_id in image_ids]
    files += [thumb_path(workspace.root, "face", face["face_id"]) for face in faces]
    try:
        for file in files:
            file.unlink(missing_ok=True)
    except OSError as error:
        raise BtferError(
            f"{error.filename}: cannot be deleted: {error.strerror}; make it writable and run the command again"
        ) from None
    erase(
        catalog,
        image_ids=image_ids,
        face_ids=[face["face_id"] for face in faces],
        urls=urls,
        sample=[SampledFace(**dict(row)) for row in sampled_faces(catalog)],
    )
    rewrite_manifests(workspace)
    finish_erasure(workspace, urls)


def _uses(workspace: Workspace, image_ids: Sequence[str]) -> tuple[int, int, int]:
    """Return how many of the images are reviewed, and how many of their faces are sampled and released."""
    catalog = workspace.catalog
    return *count_work_on_images(catalog, image_ids), count_released(catalog, image_ids)
