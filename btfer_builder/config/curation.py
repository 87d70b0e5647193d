"""Recipes of what people do and get: review, agreement, sample, release."""

from typing import Annotated

import msgspec
from msgspec import Meta

from btfer_builder.config.base import LicenseCode, Section
from btfer_builder.labels import SplitName


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
