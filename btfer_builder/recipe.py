"""The recipe: `btfer.toml` as one frozen, checked structure a stage; flags override it for one run."""

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta

from btfer_builder.emotions import EMOTIONS, Emotion
from btfer_builder.errors import BtferError

Language = Literal["en", "es"]
Ethnicity = Literal["white", "black", "asian", "latino", "indian"]
Gender = Literal["female", "male"]
Age = Literal["toddler", "child", "adult", "middle-aged", "elderly"]
EngineName = Literal["openverse", "wikimedia", "flickr", "bing", "google", "baidu", "urls", "folder"]
Scale = Literal["0,1", "-1,1", "0,255"]
Color = Literal["auto", "rgb", "bgr", "grey"]
ResizeKernel = Literal["auto", "area", "bilinear", "cubic", "lanczos", "nearest"]
Preset = Literal[
    "none",
    "fer",
    "facex",
    "emotiefflib",
    "emotiefflib-7",
    "deepface",
    "emopy",
    "imagenet",
    "caffe",
    "vggface2",
]

SplitName = Literal["train", "val", "test"]
LicenseCode = Annotated[str, Meta(pattern="^(cc0|pdm|by|by-sa|by-nc|by-nd|by-nc-sa|by-nc-nd|unknown)$")]

DetectorName = Literal["mtcnn", "mtcnn-reference"]

Workers = Annotated[int, Meta(ge=0, le=1024, description="Worker processes; 0 works in this process.")]
Scheduler = Annotated[
    str, Meta(max_length=200, description="Work on this Dask cluster instead, as tcp://HOST:PORT.")
]


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of `btfer.toml`; every field is also an option of the command of the same name."""


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
    max_pixels: Annotated[
        int, Meta(ge=10_000, description="Images with more pixels are dropped before they are decoded.")
    ] = 100_000_000
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
    max_pixels: Annotated[
        int, Meta(ge=10_000, description="Images with more pixels are dropped before they are decoded.")
    ] = 100_000_000
    workers: Workers = 2
    scheduler: Scheduler = ""


class HashesRecipe(Section, frozen=True, kw_only=True):
    """How other sets of faces are hashed."""

    max_pixels: Annotated[
        int, Meta(ge=10_000, description="Images with more pixels are dropped before they are decoded.")
    ] = 100_000_000
    workers: Workers = 2


class LeakageRecipe(Section, frozen=True, kw_only=True):
    """When a face stands in a training set; both kinds of hashes must agree."""

    radius: Annotated[
        int, Meta(ge=0, le=16, description="Largest Hamming distance of two 64-bit pHashes.")
    ] = 8
    fine_radius: Annotated[
        int, Meta(ge=0, le=128, description="Largest Hamming distance of two 256-bit pHashes.")
    ] = 56


class ReviewRecipe(Section, frozen=True, kw_only=True):
    """Who cleans, who sees what, and when their votes settle a label."""

    reviewer: Annotated[str, Meta(max_length=80, description="Name every decision is signed with.")] = ""
    host: Annotated[str, Meta(min_length=1, max_length=255, description="Address the page is served on.")] = (
        "127.0.0.1"
    )
    port: Annotated[int, Meta(ge=0, le=65535, description="Port of the page; 0 takes a free one.")] = 8765
    per_page: Annotated[int, Meta(ge=10, le=200, description="Pictures of a contact sheet.")] = 60
    blind: Annotated[
        bool, Meta(description="Hide what was searched for, in an order of the reviewer's own.")
    ] = False
    seed: Annotated[
        int, Meta(ge=0, description="Another seed gives another blind order and another overlap.")
    ] = 0
    reviewers: Annotated[
        tuple[str, ...], Meta(description="Who share the work; nobody named: everyone sees everything.")
    ] = ()
    overlap: Annotated[
        float, Meta(ge=0, le=1, description="Share of the items that all of those who share the work see.")
    ] = 0.1
    min_votes: Annotated[
        int, Meta(ge=1, le=1000, description="Reviewers who must have answered for a verdict.")
    ] = 1
    agreement: Annotated[
        float, Meta(ge=0, le=1, description="Share of the answers that must be alike for a verdict.")
    ] = 0.5


class AgreementRecipe(Section, frozen=True, kw_only=True):
    """How sure the measures of agreement are said to be."""

    confidence: Annotated[float, Meta(ge=0.5, lt=1, description="Confidence of the intervals.")] = 0.95
    resamples: Annotated[int, Meta(ge=100, le=100_000, description="Bootstrap samples of an interval.")] = (
        2000
    )
    seed: Annotated[int, Meta(ge=0, description="Another seed draws other bootstrap samples.")] = 0


class SampleRecipe(Section, frozen=True, kw_only=True):
    """How the balanced set is drawn (§2, stage 4)."""

    per_class: Annotated[int, Meta(ge=1, description="Faces drawn for every emotion.")] = 300
    seed: Annotated[int, Meta(ge=0, description="Another seed draws another sample.")] = 0
    allow_short: Annotated[bool, Meta(description="Write the sample even when a class is short.")] = False
    stratify: Annotated[
        tuple[Annotated[str, Meta(pattern="^query_(ethnicity|gender|age)$")], ...],
        Meta(description="Spread every class evenly over query_ethnicity, query_gender, query_age."),
    ] = ()
    per_photo: Annotated[int, Meta(ge=0, description="Faces of one photo at most; 0 is any number.")] = 1
    per_host: Annotated[int, Meta(ge=0, description="Faces of one web site at most; 0 is any number.")] = 0
    per_creator: Annotated[int, Meta(ge=0, description="Faces of one creator at most; 0 is any number.")] = 0
    agreement: Annotated[
        float, Meta(ge=0, le=1, description="Share of its reviewers who must have given a face its label.")
    ] = 0.0
    license: Annotated[
        tuple[LicenseCode, ...],
        Meta(
            description="Draw only faces under these licences, as cc0,by,by-sa. None named: under any, or none."
        ),
    ] = ()
    splits: Annotated[
        dict[SplitName, Annotated[int, Meta(ge=1)]],
        Meta(
            description="Faces of a class in each split (train, val, test); their sum is drawn, not per_class."
        ),
    ] = msgspec.field(default_factory=dict)
    reserve: Annotated[
        int, Meta(ge=0, description="Faces of every emotion kept in reserve, next in rank.")
    ] = 30


class ReleaseRecipe(Section, frozen=True, kw_only=True):
    """How the sample is given to others."""

    name: Annotated[
        str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$", description="What the set is called.")
    ] = "btfer"
    contact: Annotated[
        str, Meta(max_length=200, description="Whom to write to for a takedown: stands on the dataset card.")
    ] = ""
    include_unlicensed: Annotated[
        bool, Meta(description="Also photos without a known licence: not for redistribution, and marked so.")
    ] = False
    urls_only: Annotated[
        bool, Meta(description="Hashes, addresses and boxes instead of pictures, for btfer rebuild.")
    ] = False
    webdataset: Annotated[bool, Meta(description="Also tar files in the form of WebDataset.")] = False


class EvalRecipe(Section, frozen=True, kw_only=True):
    """How a model is fed and what is measured; a model's sidecar says it better, a flag overrides both."""

    labels: Annotated[
        tuple[str, ...], Meta(description="The model's classes in the order of its outputs, comma-separated.")
    ] = EMOTIONS
    scale: Annotated[Scale, Meta(description="Range the model expects its pixels in.")] = "0,1"
    color: Annotated[
        Color, Meta(description="Channel order; auto takes grey for one channel and rgb for three.")
    ] = "auto"
    size: Annotated[
        int, Meta(ge=0, le=2048, description="Side of the model's input in pixels; 0 reads it off the model.")
    ] = 0
    mean: Annotated[
        tuple[float, ...],
        Meta(max_length=3, description="Subtracted after scaling: one value, or one a channel."),
    ] = ()
    std: Annotated[
        tuple[float, ...],
        Meta(max_length=3, description="Divided by after subtracting: one value, or one a channel."),
    ] = ()
    resize: Annotated[
        ResizeKernel,
        Meta(description="Kernel of the resizing; auto averages to shrink and is bicubic to enlarge."),
    ] = "auto"
    crop: Annotated[
        float, Meta(gt=0, le=1, description="Share of the face's central square that the model sees.")
    ] = 1.0
    preset: Annotated[
        Preset, Meta(description="Feed the model as a public library feeds its own, labels included.")
    ] = "none"
    batch_size: Annotated[int, Meta(ge=1, le=4096, description="Images predicted at a time.")] = 64
    workers: Annotated[int, Meta(ge=1, le=64, description="Threads that decode and resize.")] = 2
    corruptions: Annotated[
        bool, Meta(description="Also score blurred, noisy, compressed, dark, … faces in 5 severities.")
    ] = False
    resolutions: Annotated[
        tuple[int, ...], Meta(description="Also score the faces scaled down to these sides first, as 48,96.")
    ] = ()
    efficiency: Annotated[
        bool, Meta(description="Also measure latency and images/s, and count floating-point operations.")
    ] = False
    resamples: Annotated[
        int, Meta(ge=0, le=1_000_000, description="Bootstrap resamples behind the intervals; 0 for none.")
    ] = 10_000
    seed: Annotated[int, Meta(ge=0, description="Of the bootstrap and the corruptions.")] = 0
    set_hash: Annotated[
        str, Meta(max_length=64, description="Refuse the set unless its signature has this hash.")
    ] = ""
    trust_model: Annotated[
        bool, Meta(description="Run code the model's file brings along (Lambda layers). It can do anything.")
    ] = False


class Recipe(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything `btfer.toml` may say; each section is the recipe of one command."""

    queries: QueriesRecipe = QueriesRecipe()
    crawl: CrawlRecipe = CrawlRecipe()
    dedupe: DedupeRecipe = DedupeRecipe()
    crop: CropRecipe = CropRecipe()
    hashes: HashesRecipe = HashesRecipe()
    leakage: LeakageRecipe = LeakageRecipe()
    review: ReviewRecipe = ReviewRecipe()
    agreement: AgreementRecipe = AgreementRecipe()
    sample: SampleRecipe = SampleRecipe()
    release: ReleaseRecipe = ReleaseRecipe()
    eval: EvalRecipe = EvalRecipe()


AnySection = TypeVar("AnySection", bound=Section)


def load_recipe(path: Path) -> Recipe:
    """Read and check a `btfer.toml`.

    Raises
    ------
    BtferError
        If the file is no TOML, names an unknown setting, or holds a value out of range; the text says which.
    """
    try:
        return msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), Recipe)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BtferError(f"{path}: not valid TOML: {error}") from None
    except msgspec.ValidationError as error:
        raise BtferError(f"{path}: {explain(error)}") from None


def override(section: AnySection, **values: Any) -> AnySection:  # noqa: ANN401 - values are checked here
    """Return the section with some settings replaced and checked; `None` leaves a setting as it is.

    Raises
    ------
    msgspec.ValidationError
        If a value is out of range.
    """
    settings = msgspec.to_builtins(section) | {k: v for k, v in values.items() if v is not None}
    return msgspec.convert(settings, type(section))


def explain(error: msgspec.ValidationError) -> str:
    """Say a validation error in the words of the recipe: `crop.size: Expected int >= 16`."""
    text, _, place = str(error).replace(" - at `key` in `$", " - at `$").partition(" - at `$")
    name = place.strip("`.")
    return f"{name}: {text}" if name else text


def recipe_text() -> str:
    """Return a `btfer.toml` that states every setting with its default and meaning."""
    lines = [
        "# The recipe of this workspace. A command's flag of the same name overrides it for one run.",
        "",
    ]
    for section in msgspec.structs.fields(Recipe):
        kind = type(section.default)
        lines += [f"[{section.name}]  # {str(kind.__doc__).strip()}"]
        for field in settings_of(kind):
            lines += [f"{field.name} = {_toml(field.default)}  # {field.help}"]
        lines += [""]
    return "\n".join(lines)


class Setting(msgspec.Struct, frozen=True):
    """One field of a section as a command-line option needs it."""

    name: str
    type: msgspec.inspect.Type
    default: Any
    help: str


def settings_of(section: type[Section]) -> list[Setting]:
    """Return the settings of a section in the order they are written."""
    info = msgspec.inspect.type_info(section)
    assert isinstance(info, msgspec.inspect.StructType)  # noqa: S101 - a Section is a Struct
    settings = []
    for field in info.fields:
        kind: msgspec.inspect.Type = field.type
        text = ""
        if isinstance(kind, msgspec.inspect.Metadata):
            text = (kind.extra_json_schema or {}).get("description", "")
            kind = kind.type
        default = field.default if field.default is not msgspec.NODEFAULT else field.default_factory()
        settings.append(Setting(field.name, kind, default, text))
    return settings


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, tuple):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    if isinstance(value, dict):
        return "{ " + ", ".join(f'{key} = "{item}"' for key, item in value.items()) + " }" if value else "{}"
    return str(value)
