"""Recipe of how somebody's labelled set is brought into one form: dataset import."""

from typing import Annotated, Literal

from msgspec import Meta

from btfer_builder.config.base import MaxPixels, Section, Workers

DatasetKind = Literal["fer2013", "rafdb", "affectnet", "folder"]


class DatasetRecipe(Section, frozen=True, kw_only=True):
    """How a labelled set is imported: its splits, and what counts as the same picture in two of them."""

    val_share: Annotated[
        float,
        Meta(ge=0, le=0.5, description="Share of train that becomes val where the set has none; 0 for none."),
    ] = 0.1
    test_share: Annotated[
        float,
        Meta(
            ge=0, le=0.5, description="Share of train that becomes test where the set has none; 0 for none."
        ),
    ] = 0.1
    leaked: Annotated[
        Literal["keep", "drop"],
        Meta(
            description="What is done with pictures of train that stand in val or test too; always reported."
        ),
    ] = "keep"
    radius: Annotated[
        int,
        Meta(ge=0, le=16, description="Largest Hamming distance of two 64-bit pHashes of near duplicates."),
    ] = 4
    fine_radius: Annotated[
        int, Meta(ge=0, le=128, description="The same of the 256-bit pHashes; both must be close.")
    ] = 32
    max_side: Annotated[
        int,
        Meta(
            ge=0,
            le=4096,
            description="Larger pictures are scaled down to this side; 0 keeps all as they are.",
        ),
    ] = 0
    seed: Annotated[int, Meta(ge=0, description="Another seed draws other pictures for val and test.")] = 0
    paper: Annotated[
        bool,
        Meta(
            description="The authors' splits, without a test: FER2013's two tests are val; of RAF-DB and AffectNet "
            "all is pooled and 30 and 20 % of it drawn."
        ),
    ] = False
    max_pixels: MaxPixels = 100_000_000
    workers: Workers = 2
