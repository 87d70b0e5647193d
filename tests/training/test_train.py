import csv
import dataclasses
import json
import math

import msgspec
import numpy as np
import pytest

from btfer_builder.config import TrainRecipe
from btfer_builder.errors import BtferError

pytestmark = [pytest.mark.tensorflow, pytest.mark.xdist_group("networks")]

SCRATCH = TrainRecipe(network="lenet5", finetune_epochs=2, batch_size=8, learning_rate=1e-3)
#: As a network of a base and a head; the fixture builds a tiny one in its place.
BASE = TrainRecipe(
    network="mobilenet",
    pretraining="imagenet",
    head_epochs=2,
    finetune_epochs=3,
    batch_size=8,
    learning_rate=1e-3,
    balancing="simple",
)


def change(recipe, **settings):
    return msgspec.structs.replace(recipe, **settings)


def run(faces, recipe, out, **options):
    from btfer_builder.training.train import train

    return train(*faces, recipe, out, **options)


def history(out):
    """Return the rows of history.csv without the time they took."""
    with (out / "history.csv").open() as file:
        return [
            {name: value for name, value in row.items() if name != "seconds"} for row in csv.DictReader(file)
        ]


def weights_of(path):
    import keras

    return keras.saving.load_model(path, compile=False).get_weights()


def same_weights(first, second):
    # Threads add up in whatever order; another seed or other faces differ a hundred times as much.
    return all(
        np.abs(a - b).mean() < 1e-4 for a, b in zip(weights_of(first), weights_of(second), strict=True)
    )


def stop_after(epoch):
    def watch(moment):
        if moment.finished and moment.epoch == epoch:
            raise KeyboardInterrupt

    return watch


def test_a_run_leaves_everything_that_shaped_it(faces, tmp_path):
    from btfer_builder.evaluate.signature import content_digests, set_digest
    from btfer_builder.training.results import read_run

    out = tmp_path / "runs" / "one"
    done = run(faces, SCRATCH, out, selection="10 % of train")
    left = {path.name for path in out.iterdir()} - {".lock"}
    assert left == {"model.keras", "model.btfer.toml", "history.csv", "curves.png", "run.json"}
    assert read_run(out) == done
    written = json.loads((out / "run.json").read_text())
    assert written["finished"] is True
    assert written["selection"] == "10 % of train"
    assert written["recipe"] == json.loads(msgspec.json.encode(SCRATCH))
    assert written["train"]["n"] == 30
    assert written["train"]["per_class"]["happy"] == 12
    assert written["train"]["sha256"] == set_digest(faces[0], content_digests(faces[0]))
    assert written["params"] == 169_271
    assert written["epochs"] == 2
    assert {"keras", "tensorflow", "numpy", "btfer-builder"} <= set(written["versions"])
    rows = history(out)
    assert [row["epoch"] for row in rows] == ["1", "2"]
    best = min(rows, key=lambda row: float(row["val_loss"]))
    assert (done.best_epoch, done.validation_loss) == (int(best["epoch"]), float(best["val_loss"]))


def test_btfer_eval_scores_the_model_as_training_did(faces, tmp_path):
    """The sidecar, the resizing and the saved weights say the same as the pipeline of the training."""
    from btfer_builder.config import EvalRecipe
    from btfer_builder.evaluate import evaluate_model

    done = run(faces, change(SCRATCH, size=60, balancing="conservative", finetune_epochs=3), tmp_path / "run")
    report = evaluate_model(done.model, faces[1], EvalRecipe(), tmp_path, lambda items: items)
    assert report.scores.accuracy == pytest.approx(done.validation_accuracy)
    assert report.evaluation.values["log_loss"] == pytest.approx(done.validation_loss, rel=1e-3)
    assert report.evaluation.declaration.source == "sidecar model.btfer.toml"


def test_the_same_seed_gives_the_same_model_and_another_seed_another(faces, tmp_path):
    recipe = change(SCRATCH, finetune_epochs=1)
    first, same, other = (
        run(faces, change(recipe, seed=seed), tmp_path / str(number)) for number, seed in enumerate((0, 0, 1))
    )
    assert same_weights(first.model, same.model)
    assert not same_weights(first.model, other.model)


def test_phase_1_leaves_the_base_alone_and_phase_2_begins_at_its_best_epoch(faces, tmp_path, tiny_network):
    import keras

    before = tiny_network("mobilenet", 48, classes=7, seed=0).get_layer("base").get_weights()
    with pytest.raises(KeyboardInterrupt):
        run(faces, BASE, tmp_path, watch=stop_after(2))
    kept = keras.saving.load_model(tmp_path / "model.keras", compile=False).get_layer("base").get_weights()
    assert all(np.array_equal(a, b) for a, b in zip(before, kept, strict=True))

    done = run(faces, BASE, tmp_path)
    assert [(phase.phase, phase.epochs) for phase in done.phases] == [(1, 2), (2, 3)]
    assert done.phases[0].trainable < done.phases[1].trainable
    assert [row["phase"] for row in history(tmp_path)] == ["1", "1", "2", "2", "2"]
    after = keras.saving.load_model(done.model, compile=False).get_layer("base").get_weights()
    assert done.best_phase == 2
    assert not any(np.array_equal(a, b) for a, b in zip(before, after, strict=True))


@pytest.mark.parametrize(
    ("settings", "phases"),
    [
        ({"pretraining": "scratch"}, [2]),
        ({"pretraining": "scratch", "paper": True}, [1, 2]),
        ({"head_epochs": 0}, [2]),
    ],
)
def test_only_a_pretrained_base_is_frozen_at_first(faces, tmp_path, tiny_network, settings, phases):
    done = run(faces, change(BASE, **({"head_epochs": 1, "finetune_epochs": 1} | settings)), tmp_path)
    assert [phase.phase for phase in done.phases] == phases


def test_phase_2_that_makes_nothing_better_leaves_the_model_of_phase_1(
    faces, tmp_path, tiny_network, monkeypatch
):
    recipe = change(BASE, head_epochs=3, finetune_epochs=4, early_stopping_patience=2)
    with pytest.raises(KeyboardInterrupt):
        run(faces, recipe, tmp_path, watch=stop_after(3))
    from btfer_builder.training import loop

    first = weights_of(tmp_path / "model.keras")
    monkeypatch.setattr(loop, "is_better", lambda *_: False)
    done = run(faces, recipe, tmp_path)
    assert done.best_phase == 1
    assert all(np.array_equal(a, b) for a, b in zip(first, weights_of(done.model), strict=True))


@pytest.mark.parametrize("stopped", [2, 5])
def test_a_plateau_lowers_the_rate_and_ends_the_phase_also_over_an_interruption(
    faces, tmp_path, monkeypatch, stopped
):
    """With a rate that changes nothing, the loss never gets better."""
    recipe = change(
        SCRATCH,
        finetune_epochs=20,
        learning_rate=1e-30,
        min_learning_rate=0.0,
        lr_patience=2,
        early_stopping_patience=5,
        lr_factor=0.5,
    )
    from btfer_builder.training import prepare

    # Batch statistics would change without any rate.
    monkeypatch.setattr(prepare, "build_network", _without_norm)
    with pytest.raises(KeyboardInterrupt):
        run(faces, recipe, tmp_path, watch=stop_after(stopped))
    done = run(faces, recipe, tmp_path)
    rates = [float(row["learning_rate"]) for row in history(tmp_path)]
    assert rates == pytest.approx([1e-30] * 3 + [0.5e-30] * 2 + [0.25e-30])
    assert done.epochs == 6
    assert done.best_epoch == 1
    assert done.phases[0].ended == "no better validation loss for 5 epochs"


def _without_norm(name, size, *, classes, seed, **_):
    import keras

    keras.utils.set_random_seed(seed)
    inputs = keras.layers.Input((size, size, 3))
    x = keras.layers.Flatten()(inputs)
    return keras.Model(inputs, keras.layers.Dense(classes, activation="softmax")(x))


def test_a_run_that_was_interrupted_ends_like_one_that_was_not(faces, tmp_path, tiny_network):
    whole = run(faces, BASE, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        run(faces, BASE, tmp_path / "parts", watch=stop_after(2))  # between the two phases
    parts = run(faces, change(BASE, workers=1), tmp_path / "parts")
    assert len(history(whole.path)) == len(history(parts.path))
    for row, other in zip(history(whole.path), history(parts.path), strict=True):
        assert {name: float(value) for name, value in row.items()} == pytest.approx(
            {name: float(value) for name, value in other.items()}, rel=1e-3
        )
    assert same_weights(whole.model, parts.model)
    assert (whole.best_epoch, whole.validation_loss) == pytest.approx(
        (parts.best_epoch, parts.validation_loss), rel=1e-3
    )


def test_a_finished_run_is_not_trained_again(faces, tmp_path):
    done = run(faces, SCRATCH, tmp_path)

    def watch(_moment):
        pytest.fail("it was trained again")

    again = run(faces, SCRATCH, tmp_path, watch=watch)
    assert again == done
    anew = run(faces, SCRATCH, tmp_path, restart=True)
    assert anew.validation_loss == pytest.approx(done.validation_loss, rel=1e-3)
    assert anew.seconds != done.seconds


def test_a_folder_with_another_run_is_left_alone(faces, tmp_path):
    run(faces, SCRATCH, tmp_path)
    with pytest.raises(BtferError, match=r"contains a run with learning_rate 0.001; choose another --out"):
        run(faces, change(SCRATCH, learning_rate=1e-4), tmp_path)
    with pytest.raises(BtferError, match="contains a run with validation"):
        run((faces[0], faces[1][1:]), SCRATCH, tmp_path)


def test_a_loss_that_is_no_number_stops_with_the_best_model_kept(faces, tmp_path, monkeypatch):
    import keras
    import tensorflow as tf

    from btfer_builder.training import loop
    from btfer_builder.training.results import read_run

    class Breaks(keras.losses.CategoricalCrossentropy):
        def call(self, y_true, y_pred):
            loss = super().call(y_true, y_pred)
            return loss / tf.where(self.calls.assign_add(1) > 8, 0.0, 1.0)  # in the second epoch's third step

    def breaks(_recipe):
        loss = Breaks()
        loss.calls = tf.Variable(0)
        return loss

    monkeypatch.setattr(loop, "loss_of", breaks)
    with pytest.raises(BtferError) as caught:
        run(faces, SCRATCH, tmp_path)
    message = str(caught.value)
    assert "the loss is NaN or infinite in epoch 2" in message
    assert "model.keras is the best so far, of epoch 1" in message
    assert "--learning-rate below 0.001" in message
    done = read_run(tmp_path)
    assert not done.finished
    assert done.stopped.startswith("the loss is NaN or infinite")
    assert len(weights_of(done.model)) > 0
    assert all(math.isfinite(weight.sum()) for weight in weights_of(done.model))


def test_a_full_disk_stops_with_the_best_model_kept_and_the_run_goes_on_later(faces, tmp_path, monkeypatch):
    import errno

    import keras

    from btfer_builder.training import loop

    monkeypatch.setattr(loop, "is_better", lambda *_: True)  # so that every epoch is written
    whole = run(faces, SCRATCH, tmp_path / "whole")
    save = keras.Model.save
    saved = []

    def full(self, path, *args, **kwargs):
        saved.append(path)
        path.write_bytes(b"half of it")
        if len(saved) > 1:
            raise OSError(errno.ENOSPC, "No space left on device")
        return save(self, path, *args, **kwargs)

    out = tmp_path / "parts"
    monkeypatch.setattr(keras.Model, "save", full)
    with pytest.raises(
        BtferError, match=r"No space left on device; .*model.keras is the best so far, of epoch 1"
    ):
        run(faces, SCRATCH, out)
    monkeypatch.setattr(keras.Model, "save", save)
    assert weights_of(out / "model.keras")
    assert not list(out.glob(".*part*"))
    assert same_weights(run(faces, SCRATCH, out).model, whole.model)


def test_a_damaged_state_is_said(faces, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run(faces, SCRATCH, tmp_path, watch=stop_after(1))
    (tmp_path / ".state.npz").write_bytes(b"PK\x03\x04 half of it")
    with pytest.raises(BtferError, match=r"damaged .* --restart"):
        run(faces, SCRATCH, tmp_path)


def test_two_processes_do_not_train_in_one_folder(faces, tmp_path):
    from filelock import FileLock

    with FileLock(tmp_path / ".lock"), pytest.raises(BtferError, match="another process is training there"):
        run(faces, SCRATCH, tmp_path)


def test_a_recipe_that_cannot_be_is_said_before_anything_is_decoded(faces, tmp_path):
    for settings, message in (
        ({"network": "resnet19"}, "is not a network"),
        ({"pretraining": "vggface"}, "there are no vggface weights"),
    ):
        with pytest.raises(BtferError, match=message):
            run(faces, change(SCRATCH, **settings), tmp_path)
    with pytest.raises(BtferError, match="name both"):
        run((faces[0], []), SCRATCH, tmp_path)


def test_the_authors_way_takes_nearest_neighbours_and_the_best_accuracy(faces, tmp_path, tiny_network):
    done = run(faces, change(BASE, paper=True, size=40), tmp_path, selection="test, as the authors")
    rows = history(tmp_path)
    best = max(float(row["val_accuracy"]) for row in rows)
    first = next(row for row in rows if float(row["val_accuracy"]) == best)
    assert done.best_epoch == int(first["epoch"])
    sidecar = (tmp_path / "model.btfer.toml").read_text()
    assert 'resize = "nearest"' in sidecar
    assert 'scale = "0,1"' in sidecar
    assert "mean" not in sidecar


def test_the_focal_loss_is_the_crossentropy_of_faces_that_are_still_wrong():
    from btfer_builder.training.loop import loss_of

    random = np.random.default_rng(0)
    answers = random.dirichlet(np.ones(7), 20).astype(np.float32)
    truth = np.eye(7, dtype=np.float32)[random.integers(0, 7, 20)]
    chance = (answers * truth).sum(axis=1)
    plain = float(loss_of(SCRATCH)(truth, answers))
    focal = float(loss_of(change(SCRATCH, loss="focal"))(truth, answers))
    assert plain == pytest.approx(float(np.mean(-np.log(chance))), rel=1e-4)
    assert focal == pytest.approx(float(np.mean(-((1 - chance) ** 2) * np.log(chance))), rel=1e-4)


def test_mixed_precision_ends_with_the_run_and_gives_a_model_that_loads(faces, tmp_path):
    import keras

    done = run(faces, change(SCRATCH, precision="mixed", finetune_epochs=1), tmp_path)
    assert keras.config.dtype_policy().name == "float32"
    model = keras.saving.load_model(done.model, compile=False)
    assert model.layers[1].compute_dtype == "bfloat16"
    answers = np.asarray(model(np.zeros((1, 48, 48, 3), np.float32)))
    assert answers.dtype == np.float32


def test_curves_are_drawn_for_one_epoch_and_for_two_phases():
    import io

    from PIL import Image

    from btfer_builder.training.curves import curves_png
    from btfer_builder.training.results import Epoch

    epoch = Epoch(1, 1, 1.9, 0.2, 1.8, 0.3, 1e-4, 1.0)
    rows = [dataclasses.replace(epoch, epoch=number, phase=1 + number // 3) for number in range(1, 6)]
    for drawn in ([epoch], rows):
        assert Image.open(io.BytesIO(curves_png(drawn, epoch, "val"))).size == (1800, 760)
