"""The rows of the catalog as frozen dataclasses: each field is a column of the corresponding table."""

from dataclasses import dataclass
from typing import Literal

from btfer_builder.labels import Emotion

Kind = Literal["image", "face"]
Verdict = Literal["accept", "reject", "skip", "undo"]
State = Literal["kept", "dropped"]

#: The advantage by which an item of a group of duplicates is kept.
KeepRule = Literal["reviewed", "pixels", "license", "earliest"]


@dataclass(frozen=True, slots=True)
class Search:
    """A search phrase for an engine; the `query_*` describe the search, not the people in the results."""

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
    """One search result with the metadata of the engine; empty where the engine gave none.

    `url` is the canonical form of the address, its key; `found_url` is the address itself, if it differs: that is what
    is fetched. `opt_out` is the reason why it must not be fetched, if the metadata has one. `query_sent` is the phrase
    that found it, if it is not that of the search but one with fewer words. `restrictions` are rights other than
    copyright, such as `personality`, separated by `|`. `fallback_url` is a smaller copy of the file, fetched if the
    host refuses this one. `consent` is that of the people shown, for pictures of one's own: `yes`, `no`, or empty if it
    is not known.
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
    query_sent: str = ""
    restrictions: str = ""
    fallback_url: str = ""
    consent: str = ""


@dataclass(frozen=True, slots=True)
class Fetch:
    """The result of fetching a URL: an image or the reason there is none, and the number of crawls that tried."""

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
    """The size and hashes of a decoded image (hex digits, 4 bits each), or why decoding failed.

    `parts` are the pHashes of the image without its border, of its mirror image, and of its parts
    (see `images.same_picture`), 16 digits each. An image decoded at `reduced` scale has no pixel hash until a similar
    image is found.
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
    """Whether an image is the kept one of its group; if not, the image it duplicates and their distance.

    A kept image of kind `taken_down` resembles one that was taken down; a reviewer decides. `likeness` is the
    similarity of the pixels, measured where the hashes are inconclusive.
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
    """Two images, image_id < item_id; `mirrored` if one matches the mirror image of the other."""

    image_id: str
    item_id: str
    mirrored: bool


@dataclass(frozen=True, slots=True)
class DuplicateGroup:
    """A group of duplicates: the kept item, the number of dropped copies, and the largest distance.

    `kept_because` is the advantage of the kept item over the next best: more pixels, a known licence, or found
    earlier; `reviewed` if it has none of them.
    """

    kind: Kind
    item_id: str
    copies: int
    diameter: int
    kept_because: KeepRule


@dataclass(frozen=True, slots=True)
class Face:
    """A detected face: box and landmarks in pixels of the photo, and its crop if it was kept."""

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
    blurred: str = ""  # JSON list of [x, y, width, height]: other faces, blurred in the crop
    upscale: float = 0.0  # crop pixels per photo pixel; above 1 the crop is enlarged
    roll: float = 0.0  # rotation of the eyes in the photo, in degrees clockwise
    yaw: float = 0.0  # approximate yaw in degrees; positive to the viewer's right
    sharpness: float | None = None  # of the crop, like brightness; None without a crop
    brightness: float | None = None
    bytes: int | None = None  # of the crop's file
    padding: float | None = None  # share of the crop beyond the photo, where its border is repeated, 0 to 1
    found_by: str = ""  # bordered: only with a border around the photo; already_cropped: not by the detector


@dataclass(frozen=True, slots=True)
class FaceHash:
    """The pHashes of a crop, of 64 bits (16 hex digits) and 256 bits (64), or why there are none.

    Fields with `_48` are computed on the crop as a grey image of 48×48 pixels.
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
    """Whether a face is the kept one of its group; if not, the face it duplicates and their distance.

    `distance` and `difference` are measured on the aligned crops (see `images.alignment`).
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
    """The result of cropping an image: its faces, or the reason no face was kept."""

    image_id: str
    reason: str | None = None
    detail: str = ""
    faces: tuple[Face, ...] = ()


@dataclass(frozen=True, slots=True)
class Decision:
    """One reviewer's decision on one item. `emotion` is the label of an acceptance.

    A decision that `adjudicates` overrides the votes and is not itself a vote.
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
    """A training set that the faces were compared with: its name and content, and the radii of a match.

    It is `complete` if all of its pictures could be compared. `faces` is the number of faces found in its pictures;
    None if they were not searched.
    """

    source: str
    name: str
    digest: str
    images: int
    dropped: int
    radius: int
    fine_radius: int
    complete: bool
    faces: int | None


@dataclass(frozen=True, slots=True)
class ReferencePicture:
    """A picture of a training set, its size and time, and the faces that were found in it, as JSON."""

    source: str
    name: str
    stamp: str
    faces: str


@dataclass(frozen=True, slots=True)
class Leak:
    """A face found in a training set: the matching item, the kind (near, mirrored), the form, and the distances."""

    source: str
    face_id: str
    item: str
    kind: str
    form: str
    distance: int
    fine_distance: int


@dataclass(frozen=True, slots=True)
class SampledFace:
    """A face of the sample, its rank in its class, and the SHA-256 of its file when it was drawn."""

    face_id: str
    emotion: Emotion
    rank: int
    path: str
    split: str = "test"
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class UnsampledFace:
    """An accepted face that is not in the sample, and why; `rank` orders the reserve."""

    face_id: str
    emotion: Emotion
    reason: str
    rank: int
