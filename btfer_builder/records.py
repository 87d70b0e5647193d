"""The rows of the catalog as frozen dataclasses: a field here is a column of the table of that name."""

from dataclasses import dataclass
from typing import Literal

from btfer_builder.emotions import Emotion

Kind = Literal["image", "face"]
Verdict = Literal["accept", "reject", "skip", "undo"]
State = Literal["kept", "dropped"]


@dataclass(frozen=True, slots=True)
class Search:
    """A phrase put to an engine; the `query_*` say what was searched for, never who a person is."""

    engine: str
    query: str
    language: str
    emotion: Emotion
    query_ethnicity: str
    query_gender: str
    query_age: str
    expression: str


@dataclass(frozen=True, slots=True)
class Candidate:
    """One search result with everything the engine said of it; empty where it said nothing."""

    rank: int
    url: str
    page_url: str = ""
    title: str = ""
    license: str = "unknown"
    license_url: str = ""
    creator: str = ""
    attribution: str = ""


@dataclass(frozen=True, slots=True)
class Fetch:
    """The fate of one URL: an image, or the reason there is none."""

    url: str
    image_id: str | None = None
    reason: str | None = None
    detail: str = ""
    http_status: int | None = None
    content_type: str = ""
    bytes: int = 0
    fetched_at: str = ""


@dataclass(frozen=True, slots=True)
class Image:
    """A file under `data/images`, named by the SHA-256 of its bytes; `path` is relative to the workspace."""

    image_id: str
    path: str
    format: str
    bytes: int


@dataclass(frozen=True, slots=True)
class ImageHash:
    """What decoding an image once told: its size and hashes (16 hex digits a pHash), or why it failed."""

    image_id: str
    width: int = 0
    height: int = 0
    pixel_sha256: str = ""
    phash: str = ""
    phash_mirrored: str = ""
    reason: str | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class DedupeResult:
    """Whether an image is the one kept of its group, and if not, what it repeats and how closely."""

    image_id: str
    state: State
    reason: str | None = None
    duplicate_of: str | None = None
    kind: str | None = None
    distance: int | None = None
    conflict: bool = False


@dataclass(frozen=True, slots=True)
class Face:
    """A detected face: box and landmarks in photo pixels, and its crop if it was kept."""

    face_id: str
    image_id: str
    state: State
    reason: str | None
    path: str | None
    x: float
    y: float
    width: float
    height: float
    confidence: float
    left_eye_x: float
    left_eye_y: float
    right_eye_x: float
    right_eye_y: float
    nose_x: float
    nose_y: float
    mouth_left_x: float
    mouth_left_y: float
    mouth_right_x: float
    mouth_right_y: float
    crop_x: int
    crop_y: int
    crop_width: int
    crop_height: int


@dataclass(frozen=True, slots=True)
class CropResult:
    """What cropping made of an image: its faces, or the reason no face was kept."""

    image_id: str
    reason: str | None = None
    detail: str = ""
    faces: tuple[Face, ...] = ()


@dataclass(frozen=True, slots=True)
class Decision:
    """One reviewer's word on one item. `emotion` is the label an acceptance gives."""

    item_id: str
    kind: Kind
    verdict: Verdict
    emotion: Emotion | None = None
    reason: str | None = None
    reviewer: str = ""


@dataclass(frozen=True, slots=True)
class Chosen:
    """A face of the sample and its place in the draw of its class."""

    face_id: str
    emotion: Emotion
    rank: int
    path: str
