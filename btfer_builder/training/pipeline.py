"""Batches of faces: decode faces once if they fit into memory, sample and augment them ahead of the network."""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from btfer_builder.config import Balancing
from btfer_builder.datasets.class_weights import epoch_length, epoch_order
from btfer_builder.datasets.labelled_faces import LabelledFace
from btfer_builder.errors import BtferError
from btfer_builder.images.decode import Undecodable, decode_image
from btfer_builder.labels import EMOTIONS
from btfer_builder.networks.preprocessing import Preprocessing, resize_face
from btfer_builder.training.augmentation import draw_transforms, transform_faces

Progress = Callable[[Sequence[LabelledFace]], Iterable[LabelledFace]]

#: Batches that are prefetched.
PREFETCH = 4


@dataclass(frozen=True, slots=True)
class Batches:
    """Input of a phase: endless training batches, validation batches, and the faces and steps of an epoch."""

    training: tf.data.Dataset
    validation: tf.data.Dataset
    faces: int
    steps: int
    class_weights: dict[int, float] | None


@dataclass(frozen=True, slots=True)
class FaceStore:
    """Labelled faces, accessed by index.

    Attributes
    ----------
    paths
        Image files.
    labels
        Indexes in `EMOTIONS`, int64 (n,).
    preprocessing
        How a face becomes the network's input.
    pixels
        uint8 (n, size, size, channels), resized, in the network's colour order; None if they need more memory than
        allowed, so that faces are decoded for every batch.
    workers
        Number of decoding threads.
    failed
        Errors of files that could not be decoded during training; TensorFlow keeps only the text of an error.
    """

    paths: tuple[Path, ...]
    labels: NDArray[np.int64]
    preprocessing: Preprocessing
    pixels: tf.Tensor | None
    workers: int
    failed: list[BtferError] = field(default_factory=list)

    @property
    def nbytes(self) -> int:
        """Bytes in memory."""
        return 0 if self.pixels is None else int(np.prod(self.pixels.shape))


def store_faces(
    faces: Sequence[LabelledFace],
    preprocessing: Preprocessing,
    *,
    memory: int,
    workers: int,
    progress: Progress,
) -> FaceStore:
    """Decode faces once and keep them if they fit into memory.

    Parameters
    ----------
    faces
        Labelled faces.
    preprocessing
        Size, colours and kernel.
    memory
        Largest size of the decoded faces in bytes.
    workers
        Number of decoding threads.
    progress
        Wraps the faces while they are decoded, like `tqdm`.

    Raises
    ------
    BtferError
        If a file cannot be decoded.
    """
    paths = tuple(face.path for face in faces)
    labels = np.array([EMOTIONS.index(face.emotion) for face in faces], np.int64)
    shape = (len(faces), preprocessing.height, preprocessing.width, preprocessing.channels)
    if int(np.prod(shape)) > memory:
        return FaceStore(paths, labels, preprocessing, None, workers)
    pixels = np.empty(shape, np.uint8)
    with ThreadPoolExecutor(workers, thread_name_prefix="btfer-decode") as pool:
        decoded = pool.map(lambda path: read_face(path, preprocessing), paths)
        try:
            for row, (_, face) in enumerate(zip(progress(faces), decoded, strict=False)):
                pixels[row] = face
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    with tf.device("CPU"):  # GPU memory is for the network
        return FaceStore(paths, labels, preprocessing, tf.constant(pixels), workers)


def read_face(path: Path, preprocessing: Preprocessing) -> NDArray[np.uint8]:
    """Decode a face and bring it to the network's size and colours, uint8 (size, size, channels).

    Raises
    ------
    BtferError
        If the file cannot be decoded.
    """
    try:
        return resize_face(decode_image(path), preprocessing)[0]
    except Undecodable as error:
        raise BtferError(f"{path}: not a readable face image ({error}); replace or remove it") from None


def training_batches(
    store: FaceStore,
    *,
    batch_size: int,
    balancing: Balancing,
    augment: bool,
    seed: int,
    first_epoch: int,
) -> tf.data.Dataset:
    """Return an endless dataset of batches (faces, one-hot labels), epoch after epoch.

    The random numbers of an epoch depend only on the seed and its number, so a run can resume at any epoch.

    Parameters
    ----------
    store
        Training faces.
    batch_size
        Faces per step on all devices together; the last batch of an epoch is smaller.
    balancing
        See `epoch_order`.
    augment
        Whether faces are augmented.
    seed
        Seed of all random numbers.
    first_epoch
        First epoch, counted from 0.
    """
    size = store.preprocessing.height
    length = epoch_length(store.labels, balancing)

    def plan(epoch: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        random = np.random.default_rng([seed, int(epoch)])
        order = epoch_order(store.labels, balancing, random)
        return order, draw_transforms(length if augment else 0, size, random)

    def epoch_batches(epoch: tf.Tensor) -> tf.data.Dataset:
        order, transforms = tf.numpy_function(plan, [epoch], (tf.int64, tf.float32))
        columns: tuple[tf.Tensor, ...] = (tf.ensure_shape(order, [length]),)
        if augment:
            columns += (tf.ensure_shape(transforms, [length, 8]),)
        return tf.data.Dataset.from_tensor_slices(columns).batch(batch_size)

    look_up = _look_up(store)
    scale = _scaling(store.preprocessing)

    def batch(rows: tf.Tensor, *transforms: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        faces, labels = look_up(rows)
        if augment:
            faces = transform_faces(faces, transforms[0])
        return scale(faces), labels

    epochs = tf.data.Dataset.range(first_epoch, np.iinfo(np.int64).max)
    # One batch at a time: its kernels already use all cores, and so do the network's.
    return _prefetched(epochs.flat_map(epoch_batches).map(batch, num_parallel_calls=1))


def validation_batches(store: FaceStore, batch_size: int) -> tf.data.Dataset:
    """Return batches (faces, one-hot labels) of all faces, each once, in order."""
    look_up, scale = _look_up(store), _scaling(store.preprocessing)

    def batch(rows: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        faces, labels = look_up(rows)
        return scale(faces), labels

    rows = tf.data.Dataset.range(len(store.paths)).batch(batch_size)
    return _prefetched(rows.map(batch, num_parallel_calls=1))


def _prefetched(batches: tf.data.Dataset) -> tf.data.Dataset:
    options = tf.data.Options()
    options.deterministic = True
    # There is nothing to tune, and the end of an iterator waits for the sleeping tuner: first seconds, then minutes.
    options.autotune.enabled = False
    # Each device gets a part of every batch; there are no input files to shard.
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    return batches.prefetch(PREFETCH).with_options(options)


def _look_up(store: FaceStore) -> Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]:
    """Return a function from indexes to faces (float32, 0–255) and one-hot labels."""
    with tf.device("CPU"):
        one_hot = tf.constant(np.eye(len(EMOTIONS), dtype=np.float32)[store.labels])
    shape = (None, store.preprocessing.height, store.preprocessing.width, store.preprocessing.channels)
    if store.pixels is not None:
        return lambda rows: (tf.cast(tf.gather(store.pixels, rows), tf.float32), tf.gather(one_hot, rows))
    pool = ThreadPoolExecutor(store.workers, thread_name_prefix="btfer-decode")

    def read(rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        try:
            return np.stack(
                list(pool.map(lambda row: read_face(store.paths[row], store.preprocessing), rows))
            )
        except BtferError as error:
            store.failed.append(error)
            raise

    def look_up(rows: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        faces = tf.ensure_shape(tf.numpy_function(read, [rows], tf.uint8), shape)
        return tf.cast(faces, tf.float32), tf.gather(one_hot, rows)

    return look_up


def _scaling(preprocessing: Preprocessing) -> Callable[[tf.Tensor], tf.Tensor]:
    """Return what brings pixels of 0–255 to the network's range, as one multiplication and one addition."""
    factor = {"0,255": 1.0, "0,1": 1 / 255, "-1,1": 2 / 255}[preprocessing.scale]
    offset = -1.0 if preprocessing.scale == "-1,1" else 0.0
    mean = np.array(preprocessing.mean or 0.0, np.float64)
    std = np.array(preprocessing.std or 1.0, np.float64)
    multiply = tf.constant(factor / std, tf.float32)
    add = tf.constant((offset - mean) / std, tf.float32)
    return lambda faces: faces * multiply + add
