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
EngineName = Literal["bing", "urls", "folder"]

Workers = Annotated[int, Meta(ge=0, le=1024, description="Worker processes; 0 works in this process.")]


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

    engine: Annotated[tuple[EngineName, ...], Meta(description="Engines to ask.")] = ("bing",)
    engine_url: Annotated[
        dict[str, str], Meta(description="Another base URL for an engine, as NAME=URL.")
    ] = msgspec.field(default_factory=dict)
    per_query: Annotated[int, Meta(ge=1, le=1000, description="Results asked for a query.")] = 100
    query_delay: Annotated[
        float, Meta(ge=0, le=3600, description="Seconds to wait between two queries to one engine.")
    ] = 1.0
    connections: Annotated[int, Meta(ge=1, le=256, description="Files fetched at the same time.")] = 16
    per_host: Annotated[int, Meta(ge=1, le=16, description="Connections to one host at the same time.")] = 2
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
    max_pixels: Annotated[
        int, Meta(ge=10_000, description="Images with more pixels are dropped before they are decoded.")
    ] = 100_000_000
    workers: Workers = 2


class CropRecipe(Section, frozen=True, kw_only=True):
    """How faces are found and cut out (§2, stage 3)."""

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
    max_pixels: Annotated[
        int, Meta(ge=10_000, description="Images with more pixels are dropped before they are decoded.")
    ] = 100_000_000
    workers: Workers = 2


class ReviewRecipe(Section, frozen=True, kw_only=True):
    """Who cleans, and where the page is served."""

    reviewer: Annotated[str, Meta(max_length=80, description="Name every decision is signed with.")] = ""
    port: Annotated[int, Meta(ge=0, le=65535, description="Port of the page; 0 takes a free one.")] = 8765


class SampleRecipe(Section, frozen=True, kw_only=True):
    """How the balanced set is drawn (§2, stage 4)."""

    per_class: Annotated[int, Meta(ge=1, description="Faces drawn for every emotion.")] = 300
    seed: Annotated[int, Meta(ge=0, description="Another seed draws another sample.")] = 0
    allow_short: Annotated[bool, Meta(description="Write the sample even when a class is short.")] = False


class EvalRecipe(Section, frozen=True, kw_only=True):
    """How a model is fed; its size and channels are read from the model itself."""

    labels: Annotated[
        tuple[str, ...], Meta(description="The model's classes in the order of its outputs, comma-separated.")
    ] = EMOTIONS
    scale: Annotated[
        Literal["0,1", "-1,1", "0,255"], Meta(description="Range the model expects its pixels in.")
    ] = "0,1"
    color: Annotated[
        Literal["auto", "rgb", "bgr", "grey"],
        Meta(description="Channel order; auto takes grey for one channel and rgb for three."),
    ] = "auto"
    batch_size: Annotated[int, Meta(ge=1, le=4096, description="Images predicted at a time.")] = 64


class Recipe(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything `btfer.toml` may say; each section is the recipe of one command."""

    queries: QueriesRecipe = QueriesRecipe()
    crawl: CrawlRecipe = CrawlRecipe()
    dedupe: DedupeRecipe = DedupeRecipe()
    crop: CropRecipe = CropRecipe()
    review: ReviewRecipe = ReviewRecipe()
    sample: SampleRecipe = SampleRecipe()
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
    text, _, place = str(error).partition(" - at `$")
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
