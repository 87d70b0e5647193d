"""The rows of the catalog as frozen dataclasses: a field here is a column of the table of that name."""

from dataclasses import dataclass
from typing import Literal

from btfer_builder.labels import Emotion

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
    """One search result with everything the engine said of it; empty where it said nothing.

    `url` is what is fetched; `found_url` is how the engine wrote it, when that differs. `opt_out` is the reason why
    it must not be fetched at all, if the engine told one.
    """

    rank: int
    url: str
    page_url: str = ""
    title: str = ""
    license: str = "unknown"
    license_url: str = ""
    creator: str = ""
    attribution: str = ""
    sha1: str = ""
    found_url: str = ""
    opt_out: str = ""


@dataclass(frozen=True, slots=True)
class Fetch:
    """The fate of one URL: an image, or the reason there is none, and how many crawls have tried."""

    url: str
    image_id: str | None = None
    reason: str | None = None
    detail: str = ""
    http_status: int | None = None
    content_type: str = ""
    bytes: int = 0
    fetched_at: str = ""
    tries: int = 1


@dataclass(frozen=True, slots=True)
class Image:
    """A file under `data/images`, named by the SHA-256 of its bytes; `path` is relative to the workspace."""

    image_id: str
    path: str
    format: str
    bytes: int


@dataclass(frozen=True, slots=True)
class ImageHash:
    """What decoding an image once told: its size and hashes (hex digits, 4 bits each), or why it failed.

    `parts` are the pHashes of the picture without its border, of the mirror image of that, and of its parts
    (`dedupe.same.PARTS`), 16 digits each. One that was decoded at `reduced` scale has no pixel hash until an image
    that looks the same turns up.
    """

    image_id: str
    width: int = 0
    height: int = 0
    pixel_sha256: str = ""
    phash: str = ""
    phash_mirrored: str = ""
    phash_256: str = ""
    phash_256_mirrored: str = ""
    parts: str = ""
    reason: str | None = None
    detail: str = ""
    reduced: bool = False


@dataclass(frozen=True, slots=True)
class DedupeResult:
    """Whether an image is the one kept of its group, and if not, what it repeats and how closely.

    A kept one of kind `taken_down` looks like something that was taken down; a reviewer decides. `likeness` is that
    of the pixels, where the hashes leave it open.
    """

    image_id: str
    state: State
    reason: str | None = None
    duplicate_of: str | None = None
    kind: str | None = None
    distance: int | None = None
    conflict: bool = False
    fine_distance: int | None = None
    likeness: float | None = None


@dataclass(frozen=True, slots=True, order=True)
class ImagePair:
    """Two images, image_id < item_id, one of them mirrored perhaps."""

    image_id: str
    item_id: str
    mirrored: bool


@dataclass(frozen=True, slots=True)
class DuplicateGroup:
    """A group of duplicates: the item kept, how many were dropped for it, how far apart, and what decided.

    `kept_because` is where the kept one is ahead of the next best: more pixels, a known licence, or found earlier.
    """

    kind: Kind
    item_id: str
    copies: int
    diameter: int
    kept_because: Literal["pixels", "license", "earliest"]


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
    crop_angle: float = 0.0  # degrees the rectangle is turned clockwise about its centre
    blurred: str = ""  # JSON list of [x, y, width, height]: the other faces that are blurred in the crop
    upscale: float = 0.0  # crop pixels for one photo pixel; above 1 the crop is enlarged
    roll: float = 0.0  # degrees the eyes are turned clockwise in the photo
    yaw: float = 0.0  # degrees the nose points to the viewer's right, roughly
    sharpness: float | None = None  # of the crop, as the two below; none without one
    brightness: float | None = None


@dataclass(frozen=True, slots=True)
class FaceHash:
    """What a crop looks like: pHashes of 64 bits (16 hex digits) and of 256 (64), or why there are none.

    Those of `_48` are of the crop as a grey image of 48×48 pixels.
    """

    face_id: str
    phash: str = ""
    phash_256: str = ""
    phash_mirrored: str = ""
    phash_256_mirrored: str = ""
    phash_48: str = ""
    phash_256_48: str = ""
    phash_48_mirrored: str = ""
    phash_256_48_mirrored: str = ""
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class FaceDedupe:
    """Whether a face is the one kept of its group, and if not, what it repeats and how closely.

    `distance` and `difference` are those of the two crops laid over one another (see `dedupe.overlay`).
    """

    face_id: str
    state: State
    reason: str | None = None
    duplicate_of: str | None = None
    kind: str | None = None
    distance: int | None = None
    difference: float | None = None
    conflict: bool = False


@dataclass(frozen=True, slots=True)
class CropResult:
    """What cropping made of an image: its faces, or the reason no face was kept."""

    image_id: str
    reason: str | None = None
    detail: str = ""
    faces: tuple[Face, ...] = ()


@dataclass(frozen=True, slots=True)
class Decision:
    """One reviewer's word on one item. `emotion` is the label an acceptance gives.

    One that `adjudicates` settles what reviewers disagree on, and is no vote.
    """

    item_id: str
    kind: Kind
    verdict: Verdict
    emotion: Emotion | None = None
    reason: str | None = None
    reviewer: str = ""
    adjudicates: bool = False


@dataclass(frozen=True, slots=True)
class TrainingSet:
    """A set of images the faces were looked for in: what it is called, what it held, and how close was the same."""

    source: str
    name: str
    digest: str
    images: int
    dropped: int
    radius: int
    fine_radius: int


@dataclass(frozen=True, slots=True)
class Leak:
    """A face that stands in a training set: as which image of it, how (near, mirrored), in which form, how close."""

    source: str
    face_id: str
    item: str
    kind: str
    form: str
    distance: int
    fine_distance: int


@dataclass(frozen=True, slots=True)
class SampledFace:
    """A face of the sample, its place in the draw of its class, and the SHA-256 of its file as it was drawn."""

    face_id: str
    emotion: Emotion
    rank: int
    path: str
    split: str = "test"
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class UnsampledFace:
    """An accepted face the last draw passed over, and why; those in reserve by rank."""

    face_id: str
    emotion: Emotion
    reason: str
    rank: int
