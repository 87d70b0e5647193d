"""Old names of settings: read wherever 0.1 wrote them, and the ids of its runs stay."""

import json
from pathlib import Path

import msgspec
import pytest

from btfer_builder.config import (
    CrawlRecipe,
    EvalRecipe,
    Recipe,
    TrainRecipe,
    changes,
    id_settings,
    load_recipe,
    outcome_settings,
    override,
    settings_of,
    stored_settings,
)
from btfer_builder.config.renamed import IN_IDS, OPTIONS, SETTINGS, with_new_names
from btfer_builder.errors import BtferError

NAMES = {field.name: type(field.default) for field in msgspec.structs.fields(Recipe)}
RENAMED = [
    (name, section, old, new)
    for name, section in NAMES.items()
    for old, new in SETTINGS.get(section, {}).items()
]

#: What 0.1.0 hashed into the ids of runs and into `scoring`, as it is in its code.
TRAINED_BY_0_1_0 = (
    '{"network": "resnet18", "size": 48, "pretraining": "scratch", "weights": "", "head": "auto", "units": "auto", '
    '"balancing": "none", "loss": "crossentropy", "batch_size": 32, "learning_rate": 0.0001, "phase1_epochs": 30, '
    '"phase2_epochs": 200, "plateau_patience": 10, "plateau_factor": 0.5, "min_learning_rate": 1e-10, '
    '"stop_patience": 20, "augment": true, "validation_share": 0.1, "seed": 0, "mixed_precision": false, '
    '"deterministic": false, "paper": false}'
)
SCORED_BY_0_1_0 = (
    '{"labels": ["angry", "disgust", "fear", "happy", "neutral", "sad", "surprise"], "scale": "0,1", "color": "auto", '
    '"size": 0, "mean": [], "std": [], "resize": "auto", "crop": 1.0, "preset": "none", "corruptions": false, '
    '"resolutions": [], "efficiency": false, "resamples": 10000, "seed": 0, "set_hash": ""}'
)


PAGE = Path(__file__).resolve().parents[2] / "docs" / "upgrading.md"


def other_value(section, name):
    """Return a valid value of a numeric setting that is not its default."""
    default = getattr(section(), name)
    return default / 2 if isinstance(default, float) else default + 1


def test_every_renamed_setting_exists_under_its_new_name_only():
    for section, names in SETTINGS.items():
        known = {setting.name for setting in settings_of(section)}
        assert set(names.values()) <= known
        assert not names.keys() & known


@pytest.mark.parametrize(("table", "section", "old", "new"), RENAMED, ids=str)
def test_an_old_name_in_btfer_toml_sets_the_new_setting(tmp_path, table, section, old, new):
    path, value = tmp_path / "btfer.toml", other_value(section, new)
    path.write_text(f"[{table}]\n{old} = {value}\n")
    assert getattr(load_recipe(path), table) == override(section(), **{new: value})
    path.write_text(f"[{table}]\n{old} = {value}\n{new} = {value}\n")
    with pytest.raises(BtferError, match=rf"btfer\.toml: {table}: {old} is now {new}, and both are given"):
        load_recipe(path)
    path.write_text(f"[{table}]\n{old} = -1\n")
    with pytest.raises(BtferError, match=rf"{table}\.{new} \(here under its old name {old}\): Expected"):
        load_recipe(path)


@pytest.mark.parametrize(("table", "section", "old", "new"), RENAMED, ids=str)
def test_a_stored_old_name_is_the_same_setting(table, section, old, new):
    value = other_value(section, new)
    stored = {**json.loads(json.dumps(outcome_settings(section()))), old: value}
    del stored[new]
    assert changes(stored, override(section(), **{new: value})) == []
    assert [change.name for change in changes(stored, section())] == [new]
    assert stored_settings(section, {old: value})[new] == value


@pytest.mark.parametrize(
    ("section", "hashed"), [(TrainRecipe, TRAINED_BY_0_1_0), (EvalRecipe, SCORED_BY_0_1_0)]
)
def test_ids_are_hashed_over_what_0_1_hashed(section, hashed):
    assert id_settings(section()) == json.loads(hashed)
    assert IN_IDS[section] == json.loads(hashed).keys()


def test_mixed_precision_of_0_1_is_a_precision_and_keeps_its_ids(tmp_path):
    path = tmp_path / "btfer.toml"
    for value, precision in (("true", "mixed"), ("false", "float32")):
        path.write_text(f"[train]\nmixed_precision = {value}\n")
        assert load_recipe(path).train == TrainRecipe(precision=precision)
        stored = outcome_settings(TrainRecipe()) | {"mixed_precision": value == "true"}
        del stored["precision"]
        assert changes(stored, TrainRecipe(precision=precision)) == []
    assert id_settings(TrainRecipe(precision="mixed")) == json.loads(TRAINED_BY_0_1_0) | {
        "mixed_precision": True
    }
    assert id_settings(TrainRecipe(device="cpu")) == id_settings(TrainRecipe())
    path.write_text('[train]\nmixed_precision = true\nprecision = "mixed"\n')
    with pytest.raises(BtferError, match="mixed_precision is now precision, and both are given"):
        load_recipe(path)
    for wrong in ("3", "1", "'true'", "[true]", "{ cpu = true }"):
        path.write_text(f"[train]\nmixed_precision = {wrong}\n")
        with pytest.raises(BtferError, match="mixed_precision: expected false or true, got "):
            load_recipe(path)


def test_what_cannot_change_the_result_is_in_no_id():
    assert id_settings(TrainRecipe(workers=7, memory=1)) == id_settings(TrainRecipe())
    fast = EvalRecipe(
        workers=7, memory=0, device="cpu", batch_size=1, scheduler="tcp://a:1", trust_model=True
    )
    assert id_settings(fast) == id_settings(EvalRecipe())
    assert id_settings(TrainRecipe(batch_size=1)) != id_settings(TrainRecipe())


def test_a_setting_added_since_is_in_an_id_only_if_it_is_not_at_its_default(monkeypatch):
    monkeypatch.setitem(IN_IDS, TrainRecipe, IN_IDS[TrainRecipe] - {"augment"})
    assert "augment" not in id_settings(TrainRecipe())
    assert id_settings(TrainRecipe(augment=False))["augment"] is False


def test_settings_without_old_names_are_returned_as_they_are():
    settings = {"per_query": 3, "timeout": 2}
    assert with_new_names(CrawlRecipe, settings) == settings


def test_the_page_about_upgrading_lists_every_renamed_setting_and_option():
    rows = PAGE.read_text(encoding="utf-8").splitlines()
    renamed = [(f"`{old}`", f"`{new}`") for old, new in OPTIONS.items()]
    renamed.append(("`mixed_precision`", "`precision`"))
    for table, _, old, new in RENAMED:
        flags = (f"`--{name.replace('_', '-')}`" for name in (old, new))
        renamed += [(f"`{old}`", f"`{new}`"), tuple(flags), (f"`[{table}]`", f"`{old}`")]
    for before, after in renamed:
        assert any(before in row and after in row for row in rows), (before, after)
