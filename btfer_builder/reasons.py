"""Why a row is dropped: the one list of reasons, by stage. A new reason is one line here."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reason:
    """A reason for dropping a row.

    Attributes
    ----------
    name
        How the catalog and all tables write it.
    meaning
        What it means, in a few words.
    key
        The letter that gives it on the review page, after `x`; empty where no reviewer gives it.
    """

    name: str
    meaning: str
    key: str = ""


#: Nothing is left to look at, crop or draw; the rows stay.
_PURGED = Reason("purged", "its file was deleted on purpose (btfer purge)")


def _by_name(*reasons: Reason) -> dict[str, Reason]:
    return {reason.name: reason for reason in reasons}


#: The reasons of each stage, by name, in the order of the review page. The catalog refuses a row with another one.
REASONS: dict[str, dict[str, Reason]] = {
    "crawl": _by_name(
        Reason("bad_url", "not an http or https address"),
        Reason("private_address", "the host is a loopback, private or otherwise internal address"),
        Reason("unreachable", "no connection to the host, or the connection broke"),
        Reason("timeout", "not complete within the time allowed"),
        Reason("too_many_redirects", "redirected more often than allowed"),
        Reason("not_found", "the host answered 404 or 410"),
        Reason("forbidden", "the host answered 401, 403 or 451"),
        Reason("busy", "rate-limited on every retry (429 or 503)"),
        Reason("server_error", "the host answered with another server error (500 and above)"),
        Reason("http_error", "the host answered with another error"),
        Reason("robots", "the host's robots.txt disallows it"),
        Reason("noai", "the host's X-Robots-Tag disallows use for AI (noai, noimageai) or indexing"),
        Reason("tdm_reserved", "the host reserves text and data mining (tdm-reservation)"),
        Reason("no_cv", "its owner disallows use in computer vision (Flickr's tag no_cv)"),
        Reason("license", "not under one of the requested licences"),
        Reason("too_big", "more bytes than allowed"),
        Reason("empty", "an empty file"),
        Reason("not_an_image", "not an image (a web page, an archive, ...)"),
        Reason("unsupported_format", "an image in a format that cannot be decoded here (HEIC, SVG, ...)"),
        Reason("too_large", "more pixels than can be decoded (a decompression bomb)"),
        Reason("other_file", "not the file the engine described (another SHA-1)"),
        Reason("same_url", "an earlier candidate has the same address"),
        Reason("same_bytes", "an earlier candidate is the same file at another address"),
        Reason("taken_down", "taken down on request; it is never fetched again"),
    ),
    "dedupe": _by_name(
        Reason("same_pixels", "the same pixels as a kept image"),
        Reason("near_duplicate", "a near duplicate of a kept image"),
        Reason("mirrored_duplicate", "the mirror image of a kept image"),
        Reason("unreadable", "the file cannot be decoded"),
        Reason("unsupported_format", "an image in a format that cannot be decoded here (HEIC, SVG, ...)"),
        Reason("too_large", "more pixels than allowed (a decompression bomb)"),
        Reason("missing_file", "the file is missing from data/images"),
        Reason("crashed_decoder", "the worker that decoded it crashed"),
        Reason("taken_down", "the same picture as one that was taken down on request"),
        _PURGED,
    ),
    "crop": _by_name(
        Reason("no_face", "no face detected"),
        Reason("low_confidence", "the detector's confidence is below the minimum"),
        Reason("too_small", "the face is smaller than the minimum"),
        Reason("upscaled", "the crop would be enlarged more than allowed"),
        Reason("padded", "more of the crop is beyond the photo than allowed"),
        Reason("several_faces", "more than one face, and only photos with a single face are kept"),
        Reason("not_largest", "another face of the photo is larger"),
        Reason("unreadable", "the file cannot be decoded"),
        Reason("unsupported_format", "an image in a format that cannot be decoded here (HEIC, SVG, ...)"),
        Reason("too_large", "more pixels than allowed (a decompression bomb)"),
        Reason("missing_file", "the file is missing from data/images"),
        Reason("crashed_decoder", "the worker that decoded it crashed"),
        _PURGED,
    ),
    "review": _by_name(
        Reason("non_human", "a drawing, doll, statue, animal or emoji", "h"),
        Reason("irrelevant", "does not show what was searched for", "i"),
        Reason("no_face", "no visible face", "f"),
        Reason("duplicate", "a duplicate of another item", "d"),
        Reason("text_or_watermark", "text or a watermark over the face", "t"),
        Reason("occluded", "the face is covered", "c"),
        Reason("wrong_detection", "the detector found something else than a face", "w"),
        Reason("several_people", "more than one person", "p"),
        Reason("minor", "shows a child, and the set has none", "m"),
        Reason("low_quality", "too blurred, dark or small to judge", "q"),
        Reason("other", "another reason", "o"),
    ),
    "sample": _by_name(
        Reason("conflict", "found under two emotions and not decided by a reviewer"),
        Reason("not_drawn", "the class was already full"),
        Reason("left_sample", "was drawn, and left the sample when its photo was cropped again"),
        Reason("leaked", "found in a training set (btfer leakage)"),
        Reason("reserve", "next in rank: replaces a face that is taken down"),
        Reason("low_agreement", "too few of the reviewers gave it its label"),
        Reason("license", "not under one of the requested licences"),
        Reason("unreadable", "its file is missing or damaged, and so is its photo"),
        Reason("photo_cap", "another face of the photo was drawn"),
        Reason("host_cap", "as many faces of the web site as allowed were drawn"),
        Reason("creator_cap", "as many faces of the creator as allowed were drawn"),
        Reason("other_split", "its photo, creator or near duplicate is in a split that is full"),
        _PURGED,
    ),
}
