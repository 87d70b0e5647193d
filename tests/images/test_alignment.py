"""Aligned crops: copies agree everywhere, another expression differs somewhere."""

import io

import cv2
import numpy as np
import pytest
from PIL import Image

from btfer_builder.config import DedupeRecipe
from btfer_builder.images.alignment import grey, overlay
from tests.dedupe.face_pictures import EXPRESSIONS, FACES, expression

RADIUS, DIFFERENCE = DedupeRecipe().face_radius, DedupeRecipe().face_difference


def turned(face, shift=(0, 0), zoom=1.0, angle=0.0):
    matrix = cv2.getRotationMatrix2D((128, 128), angle, zoom)
    matrix[:, 2] += shift
    return cv2.warpAffine(face, matrix, (256, 256), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)


def compressed(face, quality):
    file = io.BytesIO()
    Image.fromarray(face).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


def rescaled(face, side):
    small = cv2.resize(face, (side, side), interpolation=cv2.INTER_AREA)
    return cv2.resize(small, (256, 256), interpolation=cv2.INTER_CUBIC)


COPIES = {
    "strong compression": lambda face: compressed(face, 20),
    "128 pixels": lambda face: rescaled(face, 128),
    "48 pixels": lambda face: rescaled(face, 48),
    "48 pixels, grey": lambda face: np.repeat(
        cv2.cvtColor(rescaled(face, 48), cv2.COLOR_RGB2GRAY)[..., None], 3, 2
    ),
    "1 pixel off": lambda face: turned(face, (1, 1)),
    "3 pixels off": lambda face: turned(face, (3, -2)),
    "5 pixels off": lambda face: turned(face, (-5, 4)),
    "2 % larger": lambda face: turned(face, zoom=1.02),
    "4 % smaller": lambda face: turned(face, zoom=0.96),
    "turned by a degree": lambda face: turned(face, angle=1),
    "brighter, flatter": lambda face: (face * 0.8 + 30).astype(np.uint8),
    "another tone curve": lambda face: (255 * (face / 255) ** 1.25).astype(np.uint8),
    "blurred": lambda face: cv2.GaussianBlur(face, (0, 0), 2),
    "all at once": lambda face: compressed(turned(rescaled(face, 160), (2, 1), 1.01), 60),
}


def same(first, second):
    result = overlay(grey(first), grey(second))
    return result is not None and result.distance <= RADIUS and result.difference <= DIFFERENCE


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("copy", COPIES)
def test_a_copy_is_found(face, copy):
    assert same(FACES[face], COPIES[copy](FACES[face]))


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("kind", EXPRESSIONS)
def test_another_expression_of_the_person_is_no_copy(face, kind):
    """Only mouth or brows differ: two photos of a sequence differ more."""
    changed = expression(FACES[face], kind)
    assert not same(FACES[face], changed)
    assert not same(FACES[face], compressed(turned(changed, (2, 1)), 70))


def test_the_first_signal_alone_would_take_expressions_for_copies():
    results = [
        overlay(grey(face), grey(expression(face, kind))) for face in FACES.values() for kind in EXPRESSIONS
    ]
    assert np.mean([result.distance <= RADIUS for result in results]) > 0.5


def test_different_people_in_one_pose_are_no_copies():
    names = list(FACES)
    for index, name in enumerate(names):
        for other in names[index + 1 :]:
            assert not same(FACES[name], FACES[other])


def test_a_mirrored_face_is_another_picture_until_it_is_mirrored_back():
    face = FACES["astronaut"]
    assert not same(face, face[:, ::-1])
    assert same(face, compressed(face[:, ::-1], 60)[:, ::-1])


@pytest.mark.parametrize("value", [0, 77, 255])
def test_empty_crops_are_like_nothing(value):
    flat = np.full((256, 256, 3), value, np.uint8)
    assert not same(flat, flat)
    assert not same(FACES["hopper"], flat)
    assert not same(flat, FACES["hopper"])
