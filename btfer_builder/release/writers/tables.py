"""The faces as tables and shards: metadata.jsonl, faces.parquet, WebDataset tar files, sources.jsonl."""

import io
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from btfer_builder.errors import BtferError
from btfer_builder.io.json import json_text
from btfer_builder.labels import EMOTIONS
from btfer_builder.release.released_faces import ReleasedFace

#: Faces of a tar file and of a row group: some 100 MB at 256×256 pixels.
SHARD_FACES = 1000
GROUP_FACES = 100

#: The columns of faces.parquet after `image`, with their types.
_COLUMNS = {
    "face_id": "string",
    "split": "string",
    "emotion": "string",
    "label": "int64",
    "license": "string",
    "agreement": "float64",
    "reviewers": "int64",
    **{f"votes_{emotion}": "int64" for emotion in EMOTIONS},
    "query_ethnicity": "string",
    "query_gender": "string",
    "query_age": "string",
    "query_language": "string",
    "sha256": "string",
}


def write_jsonl(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write one JSON object a line."""
    lines = (json_text(row, ensure_ascii=False) + "\n" for row in rows)
    path.write_text("".join(lines), encoding="utf-8")


def write_parquet(path: Path, faces: Sequence[ReleasedFace]) -> None:
    """Write the faces with the bytes of their pictures, as `datasets` reads pictures and class labels.

    Raises
    ------
    BtferError
        If pyarrow is not installed.
    """
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise BtferError(
            "faces.parquet is written with pyarrow, which is missing: pip install 'btfer-builder[release]'"
        ) from None
    image = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    features: dict[str, Any] = {"image": {"_type": "Image"}}
    features |= {name: {"dtype": kind, "_type": "Value"} for name, kind in _COLUMNS.items()}
    features["label"] = {"names": list(EMOTIONS), "_type": "ClassLabel"}
    columns = [("image", image), *((name, pa.type_for_alias(kind)) for name, kind in _COLUMNS.items())]
    schema = pa.schema(columns, metadata={"huggingface": json_text({"info": {"features": features}})})
    with pq.ParquetWriter(path, schema, compression="zstd", compression_level=3) as writer:
        for start in range(0, len(faces), GROUP_FACES):
            group = [_row(face) for face in faces[start : start + GROUP_FACES]]
            writer.write_table(pa.Table.from_pylist(group, schema=schema))


def _row(face: ReleasedFace) -> dict[str, Any]:
    said = face.metadata() | {"split": face.split}
    picture = {"bytes": face.path.read_bytes(), "path": f"{face.face_id}.png"}
    return {"image": picture, **{name: said[name] for name in _COLUMNS}}


def write_shards(folder: Path, faces: Sequence[ReleasedFace]) -> None:
    """Write `<split>-000000.tar`, …: a picture, its class number and its metadata for every face.

    Nothing in a tar file says when, by whom or on which machine it was made.
    """
    folder.mkdir()
    for split in sorted({face.split for face in faces}):
        # Mixed by id, so that a shard holds all classes.
        own = sorted((face for face in faces if face.split == split), key=lambda face: face.face_id)
        for number, start in enumerate(range(0, len(own), SHARD_FACES)):
            shard = folder / f"{split}-{number:06d}.tar"
            with tarfile.open(shard, "w", format=tarfile.USTAR_FORMAT) as tar:
                for face in own[start : start + SHARD_FACES]:
                    said = face.metadata()
                    _add(tar, f"{face.face_id}.png", face.path.read_bytes())
                    _add(tar, f"{face.face_id}.cls", str(said["label"]).encode())
                    _add(tar, f"{face.face_id}.json", json_text(said, ensure_ascii=False).encode())


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)  # as it comes: time 0, no owner
    member.size, member.mode = len(content), 0o644
    tar.addfile(member, io.BytesIO(content))


def source_row(face: ReleasedFace) -> dict[str, Any]:
    """Return what is needed to make a face again out of its photo: address, hashes and box."""
    from btfer_builder.images.decode import decode_image
    from btfer_builder.images.hashing import pixel_hash

    said = face.metadata()
    said["file_name"] = f"{face.split}/{face.file_name}"
    pixels = decode_image(face.path)
    # Where the file was and what became of it in this workspace is nobody's business.
    box = {name: value for name, value in face.box.items() if name not in {"path", "state", "reason"}}
    return {
        **said,
        "split": face.split,
        "url": face.source.url,
        "size": len(pixels),
        "pixel_sha256": pixel_hash(pixels),
        "face": box,
    }
