"""Write the faces as JSON lines, Parquet and WebDataset shards."""

import io
import tarfile
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from btfer_builder.io.json import json_text
from btfer_builder.labels import EMOTIONS
from btfer_builder.release import schema
from btfer_builder.release.released_faces import ReleasedFace

#: Faces of a tar file and of a row group: about 100 MB at 256×256 pixels.
SHARD_FACES = 1000
GROUP_FACES = 100

#: Data types of the columns, as Arrow and as `datasets` name them.
_ARROW = {"string": "string", "url": "string", "int64": "int64", "class_label": "int64", "float64": "float64"}


def write_jsonl(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write one JSON object per line."""
    lines = (json_text(row, ensure_ascii=False) + "\n" for row in rows)
    path.write_text("".join(lines), encoding="utf-8")


def write_parquet(path: Path, faces: Sequence[ReleasedFace]) -> None:
    """Write the faces with the bytes of their images; `datasets` reads images and class labels from it."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    own = schema.columns(schema.PARQUET)
    image = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    types = [image if column.dtype == "image" else pa.type_for_alias(_ARROW[column.dtype]) for column in own]
    table = pa.schema(
        [(column.name, dtype) for column, dtype in zip(own, types, strict=True)],
        metadata={"huggingface": features()},
    )
    with pq.ParquetWriter(path, table, compression="zstd", compression_level=3) as writer:
        for start in range(0, len(faces), GROUP_FACES):
            group = list(schema.rows(faces[start : start + GROUP_FACES], schema.PARQUET))
            writer.write_table(pa.Table.from_pylist(group, schema=table))


def features(only: Collection[str] | None = None) -> str:
    """Return the types of the columns as the library `datasets` reads them, in JSON; `only` those with these names."""
    columns = {
        column.name: _feature(column)
        for column in schema.columns(schema.PARQUET)
        if only is None or column.name in only
    }
    return json_text({"info": {"features": columns}})


def _feature(column: schema.Column) -> dict[str, Any]:
    """Return the type of a column in the vocabulary of the library `datasets`."""
    if column.dtype == "image":
        return {"_type": "Image"}
    if column.dtype == "class_label":
        return {"names": list(EMOTIONS), "_type": "ClassLabel"}
    return {"dtype": _ARROW[column.dtype], "_type": "Value"}


def write_shards(folder: Path, faces: Sequence[ReleasedFace]) -> None:
    """Write `<split>-000000.tar`, …: the image, class number and metadata of every face.

    Members have no time and no owner.
    """
    folder.mkdir()
    for split in sorted({face.split for face in faces}):
        # Sorted by id, so that a shard has all classes.
        own = sorted((face for face in faces if face.split == split), key=lambda face: face.face_id)
        for number, start in enumerate(range(0, len(own), SHARD_FACES)):
            shard = folder / f"{split}-{number:06d}.tar"
            with tarfile.open(shard, "w", format=tarfile.USTAR_FORMAT) as tar:
                shard_faces = own[start : start + SHARD_FACES]
                rows = schema.rows(shard_faces, schema.METADATA)
                for face, row in zip(shard_faces, rows, strict=True):
                    _add(tar, f"{face.face_id}.png", face.path.read_bytes())
                    _add(tar, f"{face.face_id}.cls", str(row["label"]).encode())
                    _add(tar, f"{face.face_id}.json", json_text(row, ensure_ascii=False).encode())


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    tar.addfile(_member(name, len(content)), io.BytesIO(content))


def _member(name: str, size: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)  # its defaults: time 0, no owner
    member.size, member.mode = size, 0o644
    return member


def tar_header(name: str, size: int) -> bytes:
    """Return the header of a member as `write_shards` writes it."""
    return _member(name, size).tobuf(tarfile.USTAR_FORMAT)
