"""Presets against the code of their libraries: the same faces give the same answers."""

import importlib
import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import pytest
from skimage import data
from skimage.transform import resize

from btfer_builder.config import EvalRecipe
from btfer_builder.evaluate.evaluate import make_job
from btfer_builder.evaluate.loaders.base import Model
from btfer_builder.evaluate.loaders.registry import load_model
from btfer_builder.evaluate.preprocessing.presets import bundled_model
from btfer_builder.evaluate.preprocessing.resolve import resolve_preprocessing
from btfer_builder.networks.preprocessing import Preprocessing, preprocess

pytestmark = [pytest.mark.tensorflow, pytest.mark.xdist_group("tensorflow")]


@pytest.fixture(scope="module")
def faces() -> list[np.ndarray]:
    """Return crops of a photograph, uint8 RGB, larger and smaller than the inputs of the models."""
    photo, found = data.astronaut(), []
    for number in range(10):
        top, left, side = 10 + 12 * number, 120 + 7 * number, 120 + 9 * number
        crop = photo[top : top + side, left : left + side]
        size = (240, 48, 90, 200, 131, 64, 37, 300, 180, 100)[number]
        found.append(cv2.resize(crop, (size, size), interpolation=cv2.INTER_AREA))
    return found


@pytest.fixture(autouse=True)
def old_resources(monkeypatch):
    """Give the libraries the function of `pkg_resources` that they use; new versions of setuptools have none."""
    resources = ModuleType("pkg_resources")
    resources.resource_filename = lambda package, name: str(
        Path(importlib.util.find_spec(package).origin).parent / name
    )
    monkeypatch.setitem(sys.modules, "pkg_resources", resources)


def library(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        pytest.skip(f"{name} cannot be imported here: {error}")


def answers(preset: str, faces: list[np.ndarray]) -> np.ndarray:
    model = load_model(bundled_model(preset))
    job = make_job(model, resolve_preprocessing(model, EvalRecipe(preset=preset)).recipe)
    return model.predict(np.stack([preprocess(face, job.preprocessing)[0] for face in faces]))


def test_fer_answers_as_its_library(faces):
    detector = (fer := library("fer.fer").FER).__new__(fer)
    detector.tfserving = detector.use_tflite = False
    detector._FER__offsets = (10, 10)  # the library looks at 10 pixels more than the box it is given
    detector._initialize_model()
    labels = list(fer._get_labels().values())
    theirs = []
    for face in faces:
        inside = (10, 10, len(face) - 20, len(face) - 20)
        (found,) = detector.detect_emotions(np.ascontiguousarray(face[..., ::-1]), [inside])
        theirs.append([found["emotions"][label] for label in labels])
    assert answers("fer", faces) == pytest.approx(np.array(theirs), abs=0.0051), "it rounds to two digits"


def test_facex_answers_as_its_library(faces):
    core = library("facex.core")
    classifier = core.EmotionClassifier.__new__(core.EmotionClassifier)
    classifier.model = core.create_interpreter(str(bundled_model("facex")))
    classifier.category = list(range(7))
    classifier.input_details = classifier.model.get_input_details()
    classifier.output_details = classifier.model.get_output_details()
    theirs = [
        list(classifier.detect_emotion(cv2.cvtColor(face, cv2.COLOR_RGB2GRAY)).values()) for face in faces
    ]
    ours = answers("facex", faces)
    assert ours == pytest.approx(np.array(theirs), abs=1e-3)
    assert ours.argmax(axis=1).tolist() == np.argmax(theirs, axis=1).tolist()


def test_emopy_is_fed_as_by_its_library(faces, tmp_path, monkeypatch):
    from PIL import Image

    misc = ModuleType("scipy.misc")  # the library reads files with a function that SciPy no longer has
    misc.imread = lambda path: np.asarray(Image.open(path))
    import scipy

    monkeypatch.setitem(sys.modules, "scipy.misc", misc)
    monkeypatch.setattr(scipy, "misc", misc, raising=False)
    fermodel = library("EmoPy.src.fermodel").FERModel
    fed = []

    class Seen:
        def predict(self, batch):
            fed.append(batch)
            return np.ones((1, 4))

    model = fermodel.__new__(fermodel)
    model.target_dimensions, model.channels, model.model = (48, 48), 1, Seen()
    model.emotion_map = {"anger": 0, "fear": 1, "calm": 2, "surprise": 3}
    ours = Model(Path("m.hdf5"), 48, 48, 1, 4, "function", lambda batch: batch)
    recipe = resolve_preprocessing(ours, EvalRecipe(preset="emopy", labels=tuple(model.emotion_map))).recipe
    preprocessing = make_job(ours, recipe).preprocessing
    for face in faces:
        Image.fromarray(face).save(tmp_path / "face.png")
        model.predict(tmp_path / "face.png")
        assert np.array_equal(preprocess(face, preprocessing)[0], fed[-1][0].astype(np.float32))


#: What the libraries of JavaScript gave their networks for the faces below, every 16th and 8th pixel: of face-api.js
#: 0.22.2 `NetInput.toBatchTensor` and `normalize`, of Human 3.3.6 the argument of its model in `emotion.predict`; run
#: with Node.js 20 on tensors.
JAVASCRIPT = Path(__file__).parent / "javascript_inputs.json"


@pytest.mark.parametrize(
    ("preset", "side", "channels", "step"), [("face-api", 112, 3, 16), ("human", 64, 1, 8)]
)
def test_networks_of_javascript_are_fed_as_by_their_libraries(faces, preset, side, channels, step):
    model = Model(Path("m.onnx"), side, side, channels, 7, "function", lambda batch: batch)
    steps = make_job(model, resolve_preprocessing(model, EvalRecipe(preset=preset)).recipe).preprocessing
    for face, theirs in zip(faces, json.loads(JAVASCRIPT.read_text())[preset], strict=True):
        ours, _ = preprocess(face, steps)
        assert ours[::step, ::step].ravel() == pytest.approx(theirs, abs=3e-4)


@pytest.mark.parametrize("side", [12, 100])
def test_the_resize_of_scikit_image_is_that_of_scikit_image(faces, side):
    for face in faces[:4]:
        steps = Preprocessing(side, side + 5, 3, "rgb", "0,1", resize="skimage")
        assert preprocess(face, steps)[0] == pytest.approx(resize(face, (side, side + 5)), abs=1e-6)
