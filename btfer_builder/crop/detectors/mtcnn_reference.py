"""The `mtcnn` package as a detector, the reference for the faster implementation; needs TensorFlow."""

from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, Any

from btfer_builder.io.tensorflow_import import import_tensorflow

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def find_faces(photo: "NDArray[np.uint8]") -> "tuple[NDArray[np.float64], NDArray[np.float64]]":
    """Find the faces of a photo with mtcnn 1.0.0.

    The smallest face size is the default of 20: with larger ones the package silently loses faces, because it ignores
    the setting when it counts the levels of its pyramid. Photos are passed one at a time, because the package
    misplaces boxes in batches of mixed sizes.

    Parameters
    ----------
    photo
        RGB, uint8, shape (height, width, 3).

    Returns
    -------
    boxes, landmarks
        As `btfer_builder.crop.detectors.mtcnn.detector.find_faces`.
    """
    import numpy as np

    found = np.asarray(_mtcnn().detect_faces(photo, box_format="xyxy", output_type="numpy"), dtype=np.float64)
    found = found.reshape(-1, 16)  # index of the photo in the batch, box, score, landmarks
    return found[:, 1:6], found[:, 6:]


@cache
def _mtcnn() -> Any:  # noqa: ANN401 - an untyped package
    """Load the networks once a process, with one thread, so that results do not depend on the number of workers."""
    tf = import_tensorflow(gpu=False)
    from mtcnn import MTCNN

    with suppress(RuntimeError):  # TensorFlow is in use already: a notebook, never a worker of `btfer crop`
        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.threading.set_inter_op_parallelism_threads(1)
    return MTCNN()
