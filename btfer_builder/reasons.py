"""Why a row was dropped: the fixed list, stage by stage, each reason with its meaning."""

from typing import Literal

Stage = Literal["crawl", "dedupe", "review-images", "crop", "review-faces", "sample"]

#: Every reason a stage may drop a row for; the catalog refuses a row with another one.
REASONS: dict[str, dict[str, str]] = {
    "crawl": {
        "bad_url": "not an http or https address",
        "private_address": "the host is a loopback, private or otherwise internal address",
        "unreachable": "no connection to the host, or it broke off",
        "timeout": "not all there before the deadline",
        "too_many_redirects": "redirected more often than allowed",
        "not_found": "the host answered 404 or 410",
        "forbidden": "the host answered 401, 403 or 451",
        "busy": "the host answered 429 or 503 until it was left in peace",
        "server_error": "the host answered with another error of its own (500 and above)",
        "http_error": "the host answered with another error",
        "robots": "the host's robots.txt asks programs to keep out",
        "noai": "the host's X-Robots-Tag asks not to use it for AI (noai, noimageai) or not to index it",
        "tdm_reserved": "the host reserves text and data mining (tdm-reservation)",
        "no_cv": "its owner asks for no use in computer vision (Flickr's tag no_cv)",
        "license": "not under one of the licences asked for",
        "too_big": "more bytes than allowed",
        "empty": "no bytes at all",
        "not_an_image": "the content is no image (a web page, an archive, ...)",
        "unsupported_format": "an image in a format that is not decoded (SVG, PSD, ...)",
        "too_large": "more pixels than can be decoded (a decompression bomb)",
        "other_file": "not the file the engine described (its SHA-1 is another)",
        "same_url": "the address was already fetched for an earlier candidate",
        "same_bytes": "the same file came from another address before",
        "taken_down": "taken down on request; it is never fetched again",
    },
    "dedupe": {
        "same_pixels": "pixel for pixel the same as a kept image",
        "near_duplicate": "the same picture as a kept image",
        "mirrored_duplicate": "the mirror image of a kept image",
        "unreadable": "the file cannot be decoded",
        "too_large": "more pixels than allowed (a decompression bomb)",
        "missing_file": "the file is gone from data/images",
        "crashed_decoder": "decoding it killed the worker",
        "taken_down": "the same picture as one that was taken down on request",
    },
    "crop": {
        "no_face": "the detector found no face",
        "low_confidence": "no face (or not this one) the detector is sure enough of",
        "too_small": "no face (or not this one) as large as asked",
        "upscaled": "no face (or not this one) large enough for a crop that is not enlarged more than allowed",
        "several_faces": "more than one face, and only photos with a single one are kept",
        "not_largest": "another face in the photo is larger",
        "unreadable": "the file cannot be decoded",
        "too_large": "more pixels than allowed (a decompression bomb)",
        "missing_file": "the file is gone from data/images",
        "crashed_decoder": "decoding it killed the worker",
    },
    "review": {
        "non_human": "a drawing, doll, statue, animal or emoji",
        "irrelevant": "does not show what was searched for",
        "no_face": "no face to be seen",
        "duplicate": "seen before",
        "text_or_watermark": "text or a watermark over the face",
        "occluded": "the face is hidden",
        "wrong_detection": "the detector took something else for a face",
        "several_people": "more than one person",
        "minor": "shows a child and the set has none",
        "low_quality": "too blurred, dark or small to judge",
        "other": "another reason",
    },
    "sample": {
        "conflict": "found under two emotions and not decided by a reviewer",
        "not_drawn": "the class was already full",
        "left_sample": "was drawn, and left the sample when its photo was cropped again",
        "leaked": "stands in a training set (btfer leakage)",
        "reserve": "next in rank: takes the place of a face that is taken down",
        "low_agreement": "too few of the reviewers gave it its label",
        "license": "not under one of the licences asked for",
        "photo_cap": "another face of the photo was drawn",
        "host_cap": "as many faces of the web site as allowed were drawn",
        "creator_cap": "as many faces of the creator as allowed were drawn",
        "other_split": "its photo, creator or near duplicate is in a split that is full",
    },
}

#: What a reviewer may give as the reason of a rejection.
REVIEW_REASONS: tuple[str, ...] = tuple(REASONS["review"])
