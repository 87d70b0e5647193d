"""Recipes of the stages that find pictures and faces: queries, crawl, dedupe, crop."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from btfer_builder.config.base import LicenseCode, MaxPixels, Scheduler, Section, Workers
from btfer_builder.labels import EMOTIONS, Emotion

Language = Literal["en", "es"]
Ethnicity = Literal["white", "black", "asian", "latino", "indian"]
Gender = Literal["female", "male"]
Age = Literal["toddler", "child", "adult", "middle-aged", "elderly"]
EngineName = Literal["openverse", "wikimedia", "flickr", "bing", "google", "baidu", "urls", "folder"]
DetectorName = Literal["mtcnn", "mtcnn-reference"]


class StorageRecipe(Section, frozen=True, kw_only=True):
    """Where images and faces are kept; credentials come from the environment."""

    data: Annotated[
        str,
        Meta(
            max_length=500, description="Another folder, or an address as s3://bucket/set; empty: data/ here."
        ),
    ] = ""


class QueriesRecipe(Section, frozen=True, kw_only=True):
    """Which search phrases are asked (§2, stage 1)."""

    language: Annotated[tuple[Language, ...], Meta(description="Languages of the phrases.")] = ("en", "es")
    emotion: Annotated[tuple[Emotion, ...], Meta(description="Emotions searched for.")] = EMOTIONS
    ethnicity: Annotated[tuple[Ethnicity, ...], Meta(description="Ethnicity words searched for.")] = (
        "white",
        "black",
        "asian",
        "latino",
        "indian",
    )
    gender: Annotated[tuple[Gender, ...], Meta(description="Gender words searched for.")] = ("female", "male")
    age: Annotated[tuple[Age, ...], Meta(description="Age words searched for.")] = (
        "toddler",
        "child",
        "adult",
        "middle-aged",
        "elderly",
    )
    no_minors: Annotated[bool, Meta(description="Leave out toddlers and children.")] = False


class CrawlRecipe(Section, frozen=True, kw_only=True):
    """Where candidates come from and how their files are fetched."""

    engine: Annotated[tuple[EngineName, ...], Meta(description="Engines to ask.")] = ("openverse",)
    engine_url: Annotated[
        dict[str, str], Meta(description="Another base URL for an engine, as NAME=URL.")
    ] = msgspec.field(default_factory=dict)
    license: Annotated[
        tuple[LicenseCode, ...],
        Meta(
            description="Fetch only files under these licences, as cc0,by,by-sa. None named: under any, or none."
        ),
    ] = ()
    per_query: Annotated[int, Meta(ge=1, le=1000, description="Results asked for a query.")] = 100
    target: Annotated[
        int,
        Meta(
            ge=0, description="Images that are enough for an emotion, ethnicity, gender and age; 0: no end."
        ),
    ] = 0
    query_delay: Annotated[
        float,
        Meta(ge=0, le=3600, description="Seconds between two pages of an engine, if it asks for no longer."),
    ] = 1.0
    searches: Annotated[int, Meta(ge=1, le=8, description="Searches put to one engine at the same time.")] = 2
    connections: Annotated[int, Meta(ge=1, le=256, description="Files fetched at the same time.")] = 16
    per_host: Annotated[int, Meta(ge=1, le=8, description="Connections to one host at the same time.")] = 2
    host_rate: Annotated[
        float, Meta(gt=0, le=10, description="Files asked of one host in a second, on average.")
    ] = 2.0
    tries: Annotated[
        int, Meta(ge=1, le=5, description="How often a host that is busy or broken is asked for a file.")
    ] = 3
    max_wait: Annotated[
        float,
        Meta(ge=0, le=3600, description="Longest pause in seconds a host may ask for and be waited for."),
    ] = 120.0
    deadline: Annotated[float, Meta(gt=0, le=3600, description="Seconds a file may take in all.")] = 30.0
    max_bytes: Annotated[int, Meta(ge=1024, description="Largest file that is fetched, in bytes.")] = (
        30_000_000
    )
    contact: Annotated[
        str, Meta(max_length=200, description="Your e-mail or web page, sent to the hosts in the User-Agent.")
    ] = ""
    allow_private_hosts: Annotated[
        bool, Meta(description="Also fetch from loopback and private addresses.")
    ] = False


class DedupeRecipe(Section, frozen=True, kw_only=True):
    """When two images count as one (§2, stage 2)."""

    radius: Annotated[
        int,
        Meta(ge=0, le=16, description="Largest Hamming distance of two 64-bit pHashes of near duplicates."),
    ] = 8
    mirrored: Annotated[bool, Meta(description="Mirrored copies count as duplicates.")] = True
    exact_hash: Annotated[
        bool, Meta(description="Decode JPEGs whole: hashes equal imagehash's bit by bit, four times as slow.")
    ] = False
    face_radius: Annotated[
        int, Meta(ge=0, le=8, description="The same of two face crops laid over one another (--faces).")
    ] = 4
    face_difference: Annotated[
        float,
        Meta(
            ge=0, le=2, description="Most that two equal face crops differ anywhere, in standard deviations."
        ),
    ] = 0.15
    max_pixels: MaxPixels = 100_000_000
    workers: Workers = 2
    scheduler: Scheduler = ""


class CropRecipe(Section, frozen=True, kw_only=True):
    """How faces are found and cut out (§2, stage 3)."""

    detector: Annotated[
        DetectorName,
        Meta(description="The fast MTCNN, or the mtcnn package itself (needs TensorFlow) to compare with."),
    ] = "mtcnn"
    size: Annotated[int, Meta(ge=16, le=2048, description="Side of the square crop, in pixels.")] = 256
    margin: Annotated[
        int, Meta(ge=0, le=1024, description="Pixels kept around the face box on every side.")
    ] = 20
    margin_unit: Annotated[
        Literal["output", "source"],
        Meta(description="Whether the margin is measured in the crop or the photo."),
    ] = "output"
    fit: Annotated[
        Literal["square", "stretch"],
        Meta(description="A square around the face, or the face box stretched to a square."),
    ] = "square"
    faces: Annotated[
        Literal["largest", "all", "single"],
        Meta(description="Keep the largest face, all of them, or only photos with a single one."),
    ] = "largest"
    min_confidence: Annotated[float, Meta(ge=0, le=1, description="Least confidence of the detector.")] = 0.95
    min_face_size: Annotated[
        int, Meta(ge=12, le=4096, description="Least width and height of a face in the photo, in pixels.")
    ] = 40
    max_upscale: Annotated[
        float,
        Meta(ge=0, le=128, description="How much a crop may be enlarged, 2 for twice; 0 for any amount."),
    ] = 0.0
    align: Annotated[bool, Meta(description="Turn every crop so that the eyes are level.")] = False
    blur_others: Annotated[
        bool, Meta(description="Blur the faces of other people that reach into a crop.")
    ] = False
    max_pixels: MaxPixels = 100_000_000
    workers: Workers = 2
    scheduler: Scheduler = ""
