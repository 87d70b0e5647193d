"""Which precision a run has: the one asked for, or the faster one, which then belongs to the run."""

import json

import msgspec
import pytest

from btfer_builder.config import TrainRecipe

pytestmark = [pytest.mark.tensorflow, pytest.mark.xdist_group("networks")]

AUTO = TrainRecipe(network="lenet5", finetune_epochs=2, batch_size=8, learning_rate=1e-3, precision="auto")


@pytest.fixture
def measured(monkeypatch):
    """Seconds of a step in both precisions, and how often they were measured."""
    from btfer_builder.training import precision

    seconds, calls = [1.0, 0.5], []
    monkeypatch.setattr(precision, "has_bfloat16", lambda: True)
    monkeypatch.setattr(precision, "step_seconds", lambda recipe: calls.append(recipe) or tuple(seconds))
    return seconds, calls


def test_units_for_bfloat16_are_those_of_the_processor(tmp_path):
    from btfer_builder.training.precision import has_bfloat16

    file = tmp_path / "cpuinfo"
    for flags, expected in (
        ("flags : fpu avx512f avx512_bf16 sse", True),
        ("flags : amx_bf16 amx_tile", True),
        ("Features : fp asimd bf16", True),
        ("flags : avx512f sse2 nobf16x", False),
    ):
        file.write_text(f"processor : 0\n{flags}\n")
        assert has_bfloat16(file) is expected, flags
    assert not has_bfloat16(tmp_path / "missing")


def test_the_faster_precision_is_taken_and_nothing_is_measured_that_was_said(measured, monkeypatch):
    from btfer_builder.training import precision

    seconds, calls = measured
    for mixed, expected in ((0.5, "mixed"), (0.94, "mixed"), (0.97, "float32"), (2.0, "float32")):
        seconds[1] = mixed
        assert precision.choose_precision(AUTO) == expected
    assert len(calls) == 4
    for said in ("float32", "mixed"):
        assert precision.choose_precision(msgspec.structs.replace(AUTO, precision=said)) == said
    monkeypatch.setattr(precision, "has_bfloat16", lambda: False)
    if not precision.graphics_cards("auto"):
        assert precision.choose_precision(AUTO) == "float32"
    assert len(calls) == 4


def test_a_step_is_measured_in_both_precisions_and_nothing_is_left():
    import keras

    from btfer_builder.training.precision import step_seconds

    single, mixed = step_seconds(AUTO)
    assert single > 0 < mixed
    assert keras.config.dtype_policy().name == "float32"


def test_the_precision_really_used_is_that_of_the_run_also_when_it_is_resumed(faces, tmp_path, measured):
    from btfer_builder.training.results import read_run
    from btfer_builder.training.train import train

    seconds, calls = measured
    with pytest.raises(KeyboardInterrupt):
        train(*faces, AUTO, tmp_path, watch=lambda moment: stop() if moment.finished else None)
    seconds[1] = 3.0  # now it is slower
    done = train(*faces, AUTO, tmp_path)
    assert len(calls) == 1
    assert json.loads((tmp_path / "run.json").read_text())["recipe"]["precision"] == "mixed"
    assert read_run(tmp_path) == done == train(*faces, AUTO, tmp_path)
    assert done.device == "cpu" or done.device == "cuda"
    assert len(calls) == 1
    stored = json.loads((tmp_path / "run.json").read_text())
    del stored["device"], stored["recipe"]["precision"]
    stored["recipe"]["mixed_precision"] = True
    (tmp_path / "run.json").write_text(json.dumps(stored))
    old = read_run(tmp_path)
    assert (old.recipe.precision, old.device) == ("mixed", "unknown")


def stop():
    raise KeyboardInterrupt
