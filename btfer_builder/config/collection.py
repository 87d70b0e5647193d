"""Sections about collecting images and faces: storage, queries, crawl, dedupe, crop."""

from typing import Annotated, ClassVar, Literal

import msgspec
from msgspec import Meta

from btfer_builder.config.base import (
    ComputeDevice,
    LicenseCode,
    MaxPixels,
    Scheduler,
    Section,
    Workers,
)
from btfer_builder.labels import EMOTIONS, Emotion

Ethnicity = Literal["white", "black", "asian", "latino", "indian"]
Gender = Literal["female", "male"]
Age = Literal["toddler", "child", "adult", "middle-aged", "elderly"]
EngineName = Literal["openverse", "wikimedia", "flickr", "bing", "google", "baidu", "urls", "folder"]
DetectorName = Literal["mtcnn", "mtcnn-reference"]


class StorageRecipe(Section, frozen=True, kw_only=True):
    """Where images and faces are stored; credentials come from the environment."""

    data: Annotated[
        str,
        Meta(
            max_length=500,
            description="A folder or an address such as s3://bucket/set. Empty: data/ of the workspace.",
        ),
    ] = ""


class SourceRecipe(Section, frozen=True, kw_only=True):
    """What is true of your own pictures (`btfer crawl --engine folder`); a sources.csv beside them says it for each."""

    option_names: ClassVar[dict[str, str]] = {
        "license": "source_license", "creator": "source_creator", "attribution": "source_attribution",
    }  # fmt: skip

    license: Annotated[
        str,
        Meta(max_length=200, description="Licence of your own pictures, such as by or cc0. Empty: unknown."),
    ] = ""
    creator: Annotated[str, Meta(max_length=200, description="Who took your own pictures.")] = ""
    attribution: Annotated[
        str, Meta(max_length=500, description="How your own pictures are to be attributed.")
    ] = ""
    consent: Annotated[
        Literal["yes", "no", "unknown"],
        Meta(description="Whether the people in your own pictures consented to their use."),
    ] = "unknown"


class QueriesRecipe(Section, frozen=True, kw_only=True):
    """Which search phrases are used (§2, stage 1)."""

    language: Annotated[
        tuple[str, ...],
        Meta(min_length=1, description="Languages of the search phrases: names of the files in queries/."),
    ] = (
        "en",
        "es",
    )
    emotion: Annotated[tuple[Emotion, ...], Meta(min_length=1, description="Emotions to search for.")] = (
        EMOTIONS
    )
    ethnicity: Annotated[
        tuple[Ethnicity, ...], Meta(min_length=1, description="Ethnicities to search for.")
    ] = (
        "white",
        "black",
        "asian",
        "latino",
        "indian",
    )
    gender: Annotated[tuple[Gender, ...], Meta(min_length=1, description="Genders to search for.")] = (
        "female",
        "male",
    )
    age: Annotated[tuple[Age, ...], Meta(min_length=1, description="Age groups to search for.")] = (
        "toddler",
        "child",
        "adult",
        "middle-aged",
        "elderly",
    )
    no_minors: Annotated[bool, Meta(description="Exclude toddlers and children.")] = False


class CrawlRecipe(Section, frozen=True, kw_only=True):
    """Which engines are searched and how files are downloaded."""

    engine: Annotated[tuple[EngineName, ...], Meta(min_length=1, description="Search engines to use.")] = (
        "openverse",
    )
    engine_url: Annotated[
        dict[str, str], Meta(description="Base URL of an engine in place of its own, as NAME=URL.")
    ] = msgspec.field(default_factory=dict)
    license: Annotated[
        tuple[LicenseCode, ...],
        Meta(
            description="Download only files under these licences, such as cc0,by,by-sa. Empty: any licence or none."
        ),
    ] = ()
    bing_filters: Annotated[
        tuple[Annotated[str, Meta(pattern="^[a-z]+-[A-Za-z0-9_]+$")], ...],
        Meta(
            description="Filters of Bing, such as face-face (portraits) and license-L2_L3_L4_L5_L6_L7 (Creative "
            "Commons)."
        ),
    ] = ()
    per_query: Annotated[int, Meta(ge=1, le=1000, description="Results requested for each query.")] = 100
    target: Annotated[
        int,
        Meta(
            ge=0,
            description="Stop at this many images for each combination of query attributes; 0: no limit.",
        ),
    ] = 0
    for_sample: Annotated[
        int,
        Meta(
            ge=0,
            description="Stop when so many faces of each emotion are likely to be accepted, the most fruitful phrases "
            "first; 0: no limit. Takes precedence over target.",
        ),
    ] = 0
    query_delay: Annotated[
        float,
        Meta(ge=0, le=3600, description="Minimum seconds between two requests to a search engine."),
    ] = 1.0
    concurrent_searches: Annotated[
        int, Meta(ge=1, le=8, description="Concurrent searches on each engine.")
    ] = 2
    connections: Annotated[int, Meta(ge=1, le=256, description="Concurrent downloads.")] = 16
    per_host: Annotated[int, Meta(ge=1, le=8, description="Concurrent connections to each host.")] = 2
    requests_per_second: Annotated[
        float, Meta(gt=0, le=10, description="Average requests per second to each host.")
    ] = 2.0
    tries: Annotated[
        int, Meta(ge=1, le=5, description="Maximum attempts for each file when a host is busy or fails.")
    ] = 3
    max_wait: Annotated[
        float,
        Meta(ge=0, le=3600, description="Maximum seconds to wait when a host asks for a pause."),
    ] = 120.0
    timeout: Annotated[
        float, Meta(gt=0, le=3600, description="Maximum seconds for the download of one file.")
    ] = 30.0
    max_bytes: Annotated[int, Meta(ge=1024, description="Maximum file size in bytes.")] = 30_000_000
    contact: Annotated[
        str,
        Meta(max_length=200, description="Your e-mail address or web page, sent in the User-Agent header."),
    ] = ""
    allow_private_hosts: Annotated[
        bool, Meta(description="Allow downloads from loopback and private addresses.")
    ] = False


#: Settings of [crawl] that apply to the download of known URLs.
DOWNLOAD_SETTINGS = (
    "connections", "per_host", "requests_per_second", "tries", "max_wait", "timeout", "max_bytes", "contact",
    "allow_private_hosts",
)  # fmt: skip


class DedupeRecipe(Section, frozen=True, kw_only=True):
    """When two images are duplicates (§2, stage 2)."""

    radius: Annotated[
        int,
        Meta(
            ge=0, le=16, description="Maximum Hamming distance between the 64-bit pHashes of near duplicates."
        ),
    ] = 8
    mirrored: Annotated[bool, Meta(description="Treat mirrored copies as duplicates.")] = True
    exact_hash: Annotated[
        bool,
        Meta(
            description="Decode JPEGs at full size, so that hashes equal those of imagehash exactly; four times slower."
        ),
    ] = False
    face_radius: Annotated[
        int,
        Meta(ge=0, le=8, description="Maximum Hamming distance between two aligned face crops (--faces)."),
    ] = 4
    face_difference: Annotated[
        float,
        Meta(
            ge=0,
            le=2,
            description="Maximum local difference between duplicate face crops, in standard deviations (--faces).",
        ),
    ] = 0.15
    max_pixels: MaxPixels = 100_000_000
    workers: Workers = 2
    scheduler: Scheduler = ""


class CropRecipe(Section, frozen=True, kw_only=True):
    """How faces are detected and cropped (§2, stage 3)."""

    detector: Annotated[
        DetectorName,
        Meta(
            description="Face detector: the fast MTCNN, or the original mtcnn package (TensorFlow) for comparison."
        ),
    ] = "mtcnn"
    size: Annotated[int, Meta(ge=16, le=2048, description="Side of the square crop in pixels.")] = 256
    margin: Annotated[
        int, Meta(ge=0, le=1024, description="Margin around the face box on every side, in pixels.")
    ] = 20
    margin_unit: Annotated[
        Literal["output", "source"],
        Meta(description="Measure the margin in pixels of the crop (output) or of the photo (source)."),
    ] = "output"
    fit: Annotated[
        Literal["square", "stretch"],
        Meta(description="Crop a square around the face, or stretch the face box to a square."),
    ] = "square"
    faces: Annotated[
        Literal["largest", "all", "single"],
        Meta(description="Keep the largest face, all faces, or only photos with a single face."),
    ] = "largest"
    min_confidence: Annotated[float, Meta(ge=0, le=1, description="Minimum confidence of the detector.")] = (
        0.95
    )
    min_face_size: Annotated[
        int, Meta(ge=12, le=4096, description="Minimum width and height of a face in the photo, in pixels.")
    ] = 40
    search: Annotated[
        Literal["full", "safe", "fast"],
        Meta(
            description="Search for faces of all sizes (full), or in photos with a large enough face from "
            "min_face_size/√2 (safe) or min_face_size (fast) on, and large JPEGs at reduced scale."
        ),
    ] = "safe"
    max_upscale: Annotated[
        float,
        Meta(
            ge=0,
            le=128,
            description="Maximum enlargement of a crop, for example 2 for twice the size; 0: no limit.",
        ),
    ] = 0.0
    max_padding: Annotated[
        float,
        Meta(
            ge=0,
            le=1,
            description="Maximum share of a crop that is beyond the photo and repeats its border; 1: no limit.",
        ),
    ] = 1.0
    second_search: Annotated[
        bool, Meta(description="Search photos in which no face is found once more with a border around them.")
    ] = True
    already_cropped: Annotated[
        bool,
        Meta(
            description="The pictures are crops of one face already: keep them whole, with their own pixels."
        ),
    ] = False
    align: Annotated[bool, Meta(description="Rotate crops so that the eyes are level.")] = False
    blur_others: Annotated[bool, Meta(description="Blur the faces of other people inside a crop.")] = False
    max_pixels: MaxPixels = 100_000_000
    device: ComputeDevice = "auto"
    workers: Workers = 2
    scheduler: Scheduler = ""

    @property
    def smallest_searched(self) -> float:
        """Size of the smallest face to search for in pixels; 0 for a full search, as where smaller faces matter."""
        share = 0.0 if self.without_effect() else {"full": 0.0, "safe": 2**-0.5, "fast": 1.0}[self.search]
        return share * self.min_face_size

    def without_effect(self) -> frozenset[str]:
        """Return the settings that others overrule."""
        smaller_matter = self.faces == "single" or self.blur_others or self.already_cropped
        return frozenset({"search"} if smaller_matter or self.detector != "mtcnn" else ())
