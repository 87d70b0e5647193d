"""Random rotation, shift, zoom and flip of training faces (§4.2), drawn with a seed and applied in the graph."""

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from btfer_builder.config.models import ROTATION, SHIFT, ZOOM


def draw_transforms(count: int, size: int, random: np.random.Generator) -> NDArray[np.float32]:
    """Draw one affine transform per face, as Keras's ImageDataGenerator would with the settings of §4.2.

    Parameters
    ----------
    count
        Number of faces.
    size
        Side of the faces in pixels.
    random
        Random generator.

    Returns
    -------
    array
        float32 (count, 8), the transforms from output to input pixels that `transform_faces` expects.
    """
    angles = np.deg2rad(random.uniform(-ROTATION, ROTATION, count))
    shifts = random.uniform(-SHIFT, SHIFT, (2, count)) * size
    zooms = random.uniform(1 - ZOOM, 1 + ZOOM, (2, count))
    return compose(angles, shifts, zooms, random.random(count) < 0.5, size)


def compose(
    angles: NDArray[np.float64],
    shifts: NDArray[np.float64],
    zooms: NDArray[np.float64],
    flipped: NDArray[np.bool_],
    size: int,
) -> NDArray[np.float32]:
    """Compose rotation, shift, zoom and flip into one transform about the centre of the face.

    Parameters
    ----------
    angles
        Rotations in radians, (n,).
    shifts, zooms
        Shifts in pixels and zoom factors, to the right and down, (2, n).
    flipped
        Whether left and right are swapped at the end, (n,).
    size
        Side of the faces in pixels.

    Returns
    -------
    array
        float32 (n, 8): a0, a1, a2, b0, b1, b2, 0, 0: the output pixel (x, y) is the input pixel
        (a0·x + a1·y + a2, b0·x + b1·y + b2).
    """
    cos, sin = np.cos(angles), np.sin(angles)
    (right, down), (wide, tall) = shifts, zooms
    # Rotation · shift · zoom, in the order of ImageDataGenerator.
    a0, a1, b0, b1 = cos * wide, -sin * tall, sin * wide, cos * tall
    centre = (size - 1) / 2
    a2 = cos * right - sin * down + centre - (a0 + a1) * centre
    b2 = sin * right + cos * down + centre - (b0 + b1) * centre
    a2, b2 = np.where(flipped, a2 + a0 * (size - 1), a2), np.where(flipped, b2 + b0 * (size - 1), b2)
    a0, b0 = np.where(flipped, -a0, a0), np.where(flipped, -b0, b0)
    none = np.zeros_like(a0)
    return np.stack([a0, a1, a2, b0, b1, b2, none, none], axis=1).astype(np.float32)


def transform_faces(faces: tf.Tensor, transforms: tf.Tensor) -> tf.Tensor:
    """Transform each face of a batch with bilinear interpolation; border pixels are repeated outside.

    Parameters
    ----------
    faces
        float32 (n, size, size, channels).
    transforms
        float32 (n, 8).

    Returns
    -------
    tf.Tensor
        Faces with the shape and type of the input.
    """
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=faces,
        transforms=transforms,
        output_shape=tf.shape(faces)[1:3],
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="NEAREST",
    )
