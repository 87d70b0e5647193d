"""Every public column of a release: one entry each, from which all files, checks and texts of a release follow."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from btfer_builder.catalog.sample import ATTRIBUTES
from btfer_builder.config.collection import Age, Ethnicity, Gender
from btfer_builder.images.decode import decode_image
from btfer_builder.images.hashing import pixel_hash
from btfer_builder.labels import EMOTIONS, Emotion
from btfer_builder.release.released_faces import ReleasedFace

#: `class_label` is a number with the names of the classes, `object` a JSON object.
DType = Literal["string", "int64", "float64", "class_label", "url", "image", "object"]

#: The files that have a row for each face. The shards have the rows of `metadata.jsonl`.
METADATA = "metadata.jsonl"
PARQUET = "faces.parquet"
SOURCES = "sources.jsonl"
LICENSES = "LICENSES.csv"

#: The values of the columns `query_…` that the package's own queries give; releases declare all others.
QUERY_VALUES = frozenset(("", *get_args(Ethnicity), *get_args(Gender), *get_args(Age)))

_FACES = (METADATA, PARQUET, SOURCES)
_ALL = (*_FACES, LICENSES)

#: Prefix of the columns that count the votes for an emotion.
_VOTES = "votes_"
#: Columns of the catalog's box that are private to a workspace.
_PRIVATE = {"path", "state", "reason", "bytes"}


@dataclass(frozen=True, slots=True)
class Column:
    """A public column of a release.

    Attributes
    ----------
    name, dtype, meaning
        As the dataset card and Croissant describe it.
    files
        The files that have it.
    read
        Return its value for a face.
    optional
        Whether the value may be None, where it is not known.
    """

    name: str
    dtype: DType
    meaning: str
    files: tuple[str, ...]
    read: Callable[[ReleasedFace], Any]
    optional: bool = False


def _votes(emotion: Emotion) -> Column:
    name, meaning = f"{_VOTES}{emotion}", f"Number of reviewers who answered {emotion}."
    return Column(name, "int64", meaning, _FACES, lambda face: face.given.get(emotion, 0))


def _attribute(name: str) -> Column:
    word = name.removeprefix("query_")
    meaning = f"The {word} that was searched for; it does not describe the person."
    return Column(name, "string", meaning, _FACES, lambda face: face.face.attributes[name])


def _path(face: ReleasedFace) -> str:
    return f"{face.split}/{face.file_name}"


def _label(face: ReleasedFace) -> int:
    return EMOTIONS.index(face.emotion)


def _agreement(face: ReleasedFace) -> float:
    return round(face.face.agreement, 4)


def _box(face: ReleasedFace) -> dict[str, Any]:
    return {name: value for name, value in face.box.items() if name not in _PRIVATE}


def _pixel_hash(face: ReleasedFace) -> str:
    return pixel_hash(decode_image(face.path))


def _image(face: ReleasedFace) -> dict[str, Any]:
    return {"bytes": face.path.read_bytes(), "path": f"{face.face_id}.png"}


# fmt: off
#: The columns in the order in which files have them.
COLUMNS: tuple[Column, ...] = (
    Column("image", "image", "The face.", (PARQUET,), _image),
    Column("file_name", "string", "Path in the folder of the split.", (METADATA,), lambda face: face.file_name),
    Column("face_id", "string", "Hash of the photo, the box and the size.", _ALL, lambda face: face.face_id),
    Column("file_name", "string", "Path in the release.", (SOURCES, LICENSES), _path),
    Column("split", "string", "train, val or test.", (PARQUET, SOURCES), lambda face: face.split),
    Column("emotion", "string", "What the face shows according to its reviewers.", _FACES, lambda face: face.emotion),
    Column("label", "class_label", "Number of the emotion in alphabetical order, from 0.", _FACES, _label),
    Column("license", "string", "Licence of the photo.", _ALL, lambda face: face.license),
    Column("license_url", "url", "Text of the licence.", (LICENSES,), lambda face: face.license_url),
    Column("creator", "string", "Whom to name, if the licence requires it.", (LICENSES,), lambda face: face.creator),
    Column("consent", "string", "Whether the person shown consented: yes, no or unknown.", _FACES,
           lambda face: face.consent),
    Column("source", "url", "Page of the photo, else its address.", (LICENSES,), lambda face: face.source_page),
    Column("restrictions", "string", "Other rights than copyright that the source states, such as personality.",
           (LICENSES,), lambda face: face.source.restrictions),
    Column("attribution", "string", "How the owner of an own picture wants it to be attributed.", (LICENSES,),
           lambda face: face.attribution),
    Column("agreement", "float64", "Share of the reviewers who gave the face its label.", _FACES, _agreement),
    Column("reviewers", "int64", "Number of reviewers who answered.", _FACES, lambda face: face.face.votes),
    *(_votes(emotion) for emotion in EMOTIONS),
    *(_attribute(name) for name in ATTRIBUTES),
    Column("query_language", "string", "Language of the search phrase.", _FACES, lambda face: face.face.language),
    Column("padding", "float64", "Share of the crop that is beyond the photo and repeats its border, 0 to 1.", _FACES,
           lambda face: face.box["padding"], optional=True),
    Column("found_by", "string", "bordered: a second search found the face; already_cropped: not cropped.", _FACES,
           lambda face: face.box["found_by"]),
    Column("sha256", "string", "SHA-256 of the face's file.", _FACES, lambda face: face.sha256),
    Column("url", "url", "Address of the photo.", (SOURCES,), lambda face: face.source.url),
    Column("size", "int64", "Side of the face in pixels.", (SOURCES,), lambda face: face.size),
    Column("pixel_sha256", "string", "SHA-256 of the face's pixels.", (SOURCES,), _pixel_hash),
    Column("face", "object", "Photo, box and crop, for `btfer rebuild`.", (SOURCES,), _box),
)
# fmt: on


def columns(file: str) -> list[Column]:
    """Return the columns of a file, in order."""
    return [column for column in COLUMNS if file in column.files]


def names(file: str) -> list[str]:
    """Return the names of the columns of a file, in order."""
    return [column.name for column in columns(file)]


def rows(faces: Iterable[ReleasedFace], file: str) -> Iterator[dict[str, Any]]:
    """Yield the row of each face in a file."""
    own = columns(file)
    for face in faces:
        yield {column.name: column.read(face) for column in own}


def read_votes(row: Mapping[str, object]) -> dict[str, int]:
    """Return the votes for each emotion in a row of a release; empty if the row does not have them."""
    counts = {str(emotion): str(row.get(f"{_VOTES}{emotion}", "")) for emotion in EMOTIONS}
    numbers = {
        emotion: int(count) for emotion, count in counts.items() if count.isdecimal() and len(count) < 10
    }
    return {emotion: number for emotion, number in numbers.items() if number}


def votes_columns(votes: Mapping[str, int]) -> dict[str, int]:
    """Return the columns with the votes for each emotion, which `read_votes` reads."""
    return {f"{_VOTES}{emotion}": votes.get(emotion, 0) for emotion in EMOTIONS}


def read_attributes(row: Mapping[str, object]) -> dict[str, str]:
    """Return the values of a row of a release by which faces are grouped, without those that are empty.

    The language of the search is called `language`, as in the catalog.
    """
    values = {name: str(value) for name, value in row.items() if value}
    if "query_language" in values:
        values["language"] = values["query_language"]
    return values
