"""The sidecar, the presets, and who is believed when they disagree."""

from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from btfer_builder.config import EvalRecipe, Preset
from btfer_builder.errors import BtferError
from btfer_builder.evaluate import Sidecar, SidecarInput, SidecarLabels, read_sidecar, write_sidecar
from btfer_builder.evaluate.preprocessing.preprocessing_search import usual_preprocessings
from btfer_builder.evaluate.preprocessing.presets import PRESETS, bundled_model
from btfer_builder.evaluate.preprocessing.resolve import (
    build_preprocessing,
    resolve_preprocessing,
)
from btfer_builder.evaluate.preprocessing.sidecar import sidecar_path
from btfer_builder.labels import parse_emotion

channels = st.lists(st.floats(-1000, 1000), min_size=1, max_size=3).map(tuple)
deviations = st.lists(st.floats(1e-3, 1000), min_size=1, max_size=3).map(tuple)
words = st.text(max_size=20).filter(lambda text: text.isprintable() or not text)
inputs = st.builds(
    SidecarInput,
    size=st.none() | st.integers(8, 2048),
    color=st.none() | st.sampled_from(["rgb", "bgr", "grey", "auto"]),
    scale=st.none() | st.sampled_from(["0,1", "-1,1", "0,255"]),
    mean=st.none() | channels,
    std=st.none() | deviations,
    resize=st.none() | st.sampled_from(["auto", "area", "nearest"]),
    crop=st.none() | st.floats(0.01, 1),
)
about = st.dictionaries(
    st.text(min_size=1, max_size=8), words | st.integers(-9, 9) | st.booleans(), max_size=3
)


@settings(deadline=None)
@given(inputs, st.lists(st.text(max_size=10), max_size=9).map(tuple), about)
def test_what_is_written_is_read_back(tmp_path_factory, settings, labels, said):
    model = tmp_path_factory.mktemp("m") / "m.keras"
    sidecar = Sidecar(input=settings, labels=SidecarLabels(outputs=labels), about=said)
    assert write_sidecar(model, sidecar).name == "m.btfer.toml"
    assert read_sidecar(model) == sidecar


def test_where_it_lies(tmp_path):
    assert sidecar_path(Path("a/m.int8.tflite")) == Path("a/m.int8.btfer.toml")
    assert sidecar_path(Path("a/exported.v2")) == Path("a/exported.v2.btfer.toml")
    assert read_sidecar(tmp_path / "m.keras") is None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[input]\nsize = 4", r"input\.size"),
        ("[input]\nscale = '0..1'", r"input\.scale"),
        ("[input]\nstd = [0.0]", r"input\.std"),
        ("[input]\nchannels = 3", "channels"),
        ("[labels", "not a readable sidecar"),
        ("[labels]\noutputs = [1]", r"labels\.outputs"),
    ],
)
def test_what_is_wrong_in_it_is_named(tmp_path, text, says):
    (tmp_path / "m.btfer.toml").write_text(text)
    with pytest.raises(BtferError, match=says) as raised:
        read_sidecar(tmp_path / "m.keras")
    assert "m.btfer.toml" in str(raised.value)


def test_nothing_is_written_that_cannot_be_read(tmp_path):
    with pytest.raises(msgspec.ValidationError):
        write_sidecar(tmp_path / "m.keras", Sidecar(input=SidecarInput(crop=2.0)))
    assert list(tmp_path.iterdir()) == []


def test_a_flag_beats_the_sidecar_and_says_so(tmp_path, brightness_model):
    model = replace(brightness_model, path=tmp_path / "m.keras", channels=3)
    said = SidecarInput(scale="-1,1", color="bgr", mean=(0.5,), crop=0.9)
    write_sidecar(model.path, Sidecar(input=said, labels=SidecarLabels(outputs=("sad", "happy"))))
    declared = resolve_preprocessing(model, EvalRecipe())
    assert declared.source == "sidecar m.btfer.toml"
    assert declared.recipe == EvalRecipe(
        scale="-1,1", color="bgr", mean=(0.5,), crop=0.9, labels=("sad", "happy")
    )
    flags = EvalRecipe(scale="0,1", color="bgr", labels=("happy", "sad"))
    declared = resolve_preprocessing(model, flags, {"scale", "color", "labels"})
    assert (declared.recipe.scale, declared.recipe.labels) == ("0,1", ("happy", "sad"))
    assert declared.recipe.crop == 0.9
    assert declared.recipe.mean == (), "a mean in units of another scale is no mean"
    assert declared.source.endswith("and flags")
    assert [sentence.split(" of the")[0] for sentence in declared.overridden] == [
        "--scale 0,1 overrides -1,1",
        "--labels happy,sad overrides sad,happy",
        "--scale 0,1 leaves out the mean 0.5",
    ]


def test_a_mean_that_a_flag_makes_meaningless_is_said_to_be_left_out(tmp_path, brightness_model):
    model = replace(brightness_model, path=tmp_path / "m.keras", channels=3)
    write_sidecar(model.path, Sidecar(input=SidecarInput(scale="0,255", mean=(1.0, 2.0, 3.0), std=(4.0,))))
    other = resolve_preprocessing(model, EvalRecipe(scale="0,1"), {"scale"})
    assert (other.recipe.mean, other.recipe.std) == ((), ())
    assert other.overridden[1] == (
        "--scale 0,1 leaves out the mean 1.0,2.0,3.0 and std 4.0 of the sidecar m.btfer.toml, in units of another "
        "scale; give --mean and --std in units of this one"
    )
    # A scale that is the declared one, or another mean in its units, takes nothing away.
    same = resolve_preprocessing(model, EvalRecipe(scale="0,255"), {"scale"})
    assert (same.recipe.mean, same.recipe.std, same.overridden) == ((1.0, 2.0, 3.0), (4.0,), ())
    assert same.source == "sidecar m.btfer.toml"
    mean = resolve_preprocessing(model, EvalRecipe(mean=(9.0,)), {"mean"})
    assert (mean.recipe.mean, mean.recipe.std, mean.recipe.scale) == ((9.0,), (4.0,), "0,255")
    assert [said.split(" of the")[0] for said in mean.overridden] == ["--mean 9.0 overrides 1.0,2.0,3.0"]


def test_flags_that_say_what_the_sidecar_does_not_are_named_as_a_source(tmp_path, brightness_model):
    model = replace(brightness_model, path=tmp_path / "m.keras")
    write_sidecar(model.path, Sidecar(input=SidecarInput(scale="-1,1")))
    added = resolve_preprocessing(model, EvalRecipe(crop=0.8), {"crop"})
    assert (added.source, added.overridden) == ("sidecar m.btfer.toml and flags", ())
    assert (
        resolve_preprocessing(model, EvalRecipe(batch_size=3), {"batch_size"}).source
        == "sidecar m.btfer.toml"
    )
    labelled = resolve_preprocessing(
        model, EvalRecipe(preset="imagenet", labels=("sad", "happy")), {"preset", "labels"}
    )
    assert labelled.source.startswith("preset imagenet (")
    assert labelled.source.endswith(") and flags")


def test_a_preset_flag_beats_the_sidecar_and_a_preset_of_the_recipe_does_not(tmp_path, brightness_model):
    model = replace(brightness_model, path=tmp_path / "m.keras")
    write_sidecar(model.path, Sidecar(input=SidecarInput(scale="0,255")))
    recipe = EvalRecipe(preset="fer")
    assert resolve_preprocessing(model, recipe).recipe.scale == "0,255"
    by_flag = resolve_preprocessing(model, recipe, {"preset"})
    assert by_flag.recipe.scale == "-1,1"
    assert "fer 25.10.3" in by_flag.source
    assert resolve_preprocessing(replace(model, path=tmp_path / "other.keras"), recipe).recipe.scale == "-1,1"


def test_nobody_said_anything(tmp_path, brightness_model):
    model = replace(brightness_model, path=tmp_path / "m.keras")
    assert resolve_preprocessing(model, EvalRecipe(batch_size=3), {"batch_size"}).source == "recipe"
    for flags in ({"labels"}, {"resize", "size", "crop", "color"}):
        assert resolve_preprocessing(model, EvalRecipe(), flags).source == "recipe", (
            "how its pixels are scaled is not said"
        )
    for name in ("scale", "mean", "std"):
        assert resolve_preprocessing(model, EvalRecipe(), {name, "labels"}).source == "flags"


def test_every_preset_is_valid_and_states_its_source():
    assert set(Preset.__args__) == {"none", *PRESETS}
    for name, preset in PRESETS.items():
        sidecar = msgspec.convert(msgspec.to_builtins(preset.sidecar), Sidecar)
        assert sidecar == preset.sidecar, name
        assert preset.source
        known = [label for label in sidecar.labels.outputs if label != "Contempt"]
        assert len({parse_emotion(label) for label in known}) in {0, 7}
    with pytest.raises(BtferError, match="has no model file"):
        bundled_model("deepface")


def test_a_size_is_asked_for_and_checked(brightness_model):
    free = replace(brightness_model, height=None, width=None, channels=3)
    with pytest.raises(BtferError, match=r"any size.*--size"):
        build_preprocessing(EvalRecipe(), free)
    assert build_preprocessing(EvalRecipe(size=48), free).height == 48
    with pytest.raises(BtferError, match="takes 8×8 pixels, so size cannot be 9"):
        build_preprocessing(EvalRecipe(size=9), brightness_model)
    with pytest.raises(BtferError, match="mean has 2 values, but its images have 3 channels"):
        build_preprocessing(EvalRecipe(size=8, mean=(1.0, 2.0)), free)
    function = replace(free, takes="uint8 rgb")
    assert build_preprocessing(EvalRecipe(), function).height == 256


def test_the_usual_ways_differ_from_the_declared_one(brightness_model):
    declared = build_preprocessing(EvalRecipe(scale="0,1"), replace(brightness_model, channels=3))
    ways = usual_preprocessings(declared)
    assert {"scale -1,1", "scale 0,255", "preset caffe", "color bgr", "color grey", "resize nearest"} <= set(
        ways
    )
    assert declared not in ways.values()
    assert "scale 0,1" not in ways
    assert ways["preset caffe"].describe().startswith("8×8 bgr; 0 to 255; minus 103.939")
