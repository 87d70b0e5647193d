"""Hash a folder of faces, and share the hashes as a CSV without the images."""

import re
from collections import Counter
from dataclasses import asdict, dataclass, field, fields
from functools import partial
from pathlib import Path

from btfer_builder.config import HashesRecipe
from btfer_builder.errors import BtferError
from btfer_builder.images.face_hashing import hash_faces
from btfer_builder.images.files import in_total, list_images, report_left_out
from btfer_builder.io.csv import as_mapping, read_csv, unescape_cell, write_csv
from btfer_builder.io.terminal import bar
from btfer_builder.io.text import counted, printable
from btfer_builder.parallel import Crashed, Runner
from btfer_builder.records import FaceHash

_SHARD_SIZE = 64

#: Files that may have pictures inside, which are not compared. `.csv` and `.txt` are mostly lists.
_CONTAINERS = frozenset({
    ".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".zst", ".7z", ".rar", ".npz", ".npy", ".h5", ".hdf5", ".mat", ".pkl",
    ".pickle", ".parquet", ".arrow", ".tfrecord", ".tfrecords", ".lmdb", ".mdb", ".mp4", ".avi", ".mov", ".mkv",
    ".mpg", ".webm", ".wmv",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class ManifestRow:
    """A row of the manifest: an image's name, its 64-bit and 256-bit pHashes, and those of it as 48×48 grey."""

    name: str
    phash: str
    fine: str
    phash_48: str
    fine_48: str


@dataclass(frozen=True, slots=True)
class HashManifest:
    """The hashes of a set of images, and the number of files that could not be hashed, by reason.

    `left_out` counts the files of the folder that are no images, by reason (`images.files.LEFT_OUT`). `unread` names
    what may be a picture and has no hashes, each with its reason: images that cannot be decoded, broken links and
    archives. It is None if nobody knows, as in a CSV of version 0.1.
    """

    rows: tuple[ManifestRow, ...]
    dropped: dict[str, int]
    left_out: dict[str, int] = field(default_factory=dict)
    unread: tuple[tuple[str, str], ...] | None = ()

    @property
    def complete(self) -> bool:
        """Whether every picture of the set is known to have hashes."""
        return self.unread is not None and not self.unread

    def __repr__(self) -> str:  # a set may have a million images
        return f"<HashManifest: {counted(len(self.rows), 'image')}, {sum(self.dropped.values())} dropped>"


#: Columns of a manifest; the last one is why a picture has no hashes.
COLUMNS = (*(column.name for column in fields(ManifestRow)), "reason")
_DIGITS = {"phash": 16, "fine": 64, "phash_48": 16, "fine_48": 64}


def hash_folder(folder: Path, recipe: HashesRecipe) -> HashManifest:
    """Hash every image below a folder, which is only read.

    Raises
    ------
    BtferError
        If there are no images, none of them can be decoded, or a folder cannot be read.
    """
    files = list_images(folder)
    left_out = in_total([files.left_out])
    report_left_out(folder, left_out)
    names = sorted(path.relative_to(folder).as_posix() for path in files.images)
    unread = [(path.relative_to(folder).as_posix(), "broken_link") for path in files.broken]
    unread += [(path.relative_to(folder).as_posix(), "archive") for path in files.others if _may_hold(path)]
    if not names:
        raise BtferError(f"{folder}: contains no images; name the folder that does")
    runner: Runner[tuple[str, str], FaceHash] = Runner(recipe.workers, _SHARD_SIZE)
    hashed: list[ManifestRow] = []
    dropped: Counter[str] = Counter()
    function = partial(hash_faces, root=folder, max_pixels=recipe.max_pixels)
    with bar(len(names), "hash", "images") as progress:
        for shard in runner.map(function, [(name, name) for name in names]):
            for (name, _), result in shard:
                reason = "crashed_decoder" if isinstance(result, Crashed) else result.reason
                if isinstance(result, Crashed) or reason is not None:
                    dropped[str(reason)] += 1
                    unread.append((printable(name), str(reason)))
                else:
                    hashed.append(
                        ManifestRow(
                            printable(name),
                            result.phash,
                            result.phash_256,
                            result.phash_48,
                            result.phash_256_48,
                        )
                    )
            progress.update(len(shard))
    if not hashed:
        raise BtferError(
            f"{folder}: none of its {len(names)} images can be read ({', '.join(dropped)}); nothing was compared"
        )
    rows = tuple(sorted(hashed, key=lambda row: row.name))
    return HashManifest(rows, dict(sorted(dropped.items())), left_out, tuple(sorted(unread)))


def pictures_by_name(folder: Path) -> dict[str, Path]:
    """Return the images below a folder by the names that `hash_folder` gives them."""
    return {printable(path.relative_to(folder).as_posix()): path for path in list_images(folder).images}


def _may_hold(path: Path) -> bool:
    return path.suffix.lower() in _CONTAINERS


def write_hashes(path: Path, manifest: HashManifest) -> int:
    """Write a manifest, with what could not be hashed in rows without hashes; return the number of its images."""
    empty = dict.fromkeys(COLUMNS, "")
    rows = [empty | asdict(row) for row in manifest.rows]
    rows += [empty | {"name": name, "reason": reason} for name, reason in manifest.unread or ()]
    write_csv(path, COLUMNS, rows)
    return len(manifest.rows)


def read_hashes(path: Path) -> HashManifest:
    """Read a manifest.

    Raises
    ------
    BtferError
        If the file is not a manifest; the message names the line.
    """
    rows: list[ManifestRow] = []
    unread: list[tuple[str, str]] = []
    try:
        columns, lines = read_csv(path)
        if missing := set(COLUMNS[:-1]) - set(columns):
            raise BtferError(
                f"{path}: has no column {', '.join(sorted(missing))}; expected what `btfer hashes` writes"
            )
        for line, cells in lines:
            row = as_mapping(columns, cells)
            if reason := row.get("reason", "").strip():
                unread.append((unescape_cell(row["name"]), reason[:40]))
            else:
                rows.append(_read_row(path, line, row))
    except OSError as error:
        raise BtferError(f"{path}: cannot be read as a manifest of hashes: {error}") from None
    if not rows:
        raise BtferError(f"{path}: contains no hashes; run `btfer hashes` again")
    dropped = dict(sorted(Counter(reason for _, reason in unread).items()))
    return HashManifest(tuple(rows), dropped, unread=tuple(unread) if "reason" in columns else None)


def _read_row(path: Path, line: int, row: dict[str, str]) -> ManifestRow:
    for column, digits in _DIGITS.items():
        if not re.fullmatch(f"[0-9a-f]{{{digits}}}", row[column]):
            raise BtferError(
                f"{path}, line {line}: {column} is {row[column][:80]!r}, expected {digits} hex digits"
            )
    return ManifestRow(unescape_cell(row["name"]), *(row[column] for column in _DIGITS))
