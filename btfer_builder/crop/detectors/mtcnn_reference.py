"""The plain `mtcnn` package as a detector: what the fast one is compared with, and takes TensorFlow to run."""

from functools import cache
from typing import TYPE_CHECKING, Any

from btfer_builder.io.tensorflow_import import import_tensorflow

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def find_faces(photo: "NDArray[np.uint8]") -> "tuple[NDArray[np.float64], NDArray[np.float64]]":
    """Find the faces of a photo with mtcnn 1.0.0.

    Its smallest face size is left at 20: larger ones silently lose faces, as the package counts the levels of its
    pyramid without it. Photos are given one at a time: it misplaces boxes in batches of mixed sizes.

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
    found = found.reshape(-1, 16)  # number of the photo in its batch, box, score, landmarks
    return found[:, 1:6], found[:, 6:]


@cache
def _mtcnn() -> Any:  # noqa: ANN401 - an untyped package
    """Load the networks once a process; one thread, so that any number of workers gives the same numbers."""
    tf = import_tensorflow(gpu=False)
    from mtcnn import MTCNN

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    return MTCNN()
