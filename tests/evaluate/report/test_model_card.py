"""The model card: what the Hugging Face Hub reads is what was measured, whatever the names are."""

import re
from dataclasses import replace

import pytest
import yaml

from btfer_builder.config import EvalRecipe
from btfer_builder.evaluate.evaluate import score_models
from btfer_builder.evaluate.metrics.registry import METRICS
from btfer_builder.evaluate.report.model_card import model_card, model_index, write_model_card

HOSTILE = 'a: "b"\n---\n[x](y)<script>'


@pytest.fixture
def evaluation(make_set, brightness_model):
    faces = make_set({"happy": [115, 80, 116], "sad": [185, 185], "fear": [80, 10]})
    model = replace(brightness_model, name=HOSTILE, loader="function")
    (done,) = score_models([model], faces, EvalRecipe(resamples=50), set_name="My Set (v1)")
    return done


def head_of(card):
    _, head, body = re.split(r"^---$", card, maxsplit=2, flags=re.MULTILINE)
    return yaml.safe_load(head), body


def test_the_head_is_the_index_and_says_what_was_measured(evaluation, tmp_path):
    path = write_model_card(evaluation, tmp_path)
    head, body = head_of(path.read_text())
    (entry,) = head["model-index"]
    (result,) = entry["results"]
    # The published form: https://github.com/huggingface/hub-docs/blob/main/modelcard.md
    assert result["task"]["type"] == "image-classification"
    dataset = result["dataset"]
    assert dataset["type"] == "my-set-v1"
    assert dataset["name"] == "My Set (v1)"
    assert dataset["revision"] == evaluation.set_digest
    assert dataset["args"]["faces"] == 7
    values = {metric["name"]: metric["value"] for metric in result["metrics"]}
    defined = {
        METRICS[name].text.label: value for name, value in evaluation.values.items() if value is not None
    }
    assert values == defined, "in full precision"
    kinds = [(metric["type"], metric.get("args", {}).get("average")) for metric in result["metrics"]]
    assert ("f1", "macro") in kinds
    assert len(set(kinds)) == len(kinds)
    assert "<script>" not in body
    assert "5 of 7 faces" in body
    assert all(face.face_id not in path.read_text() for face in evaluation.faces)


def test_metrics_without_a_value_are_left_out(evaluation):
    evaluation = replace(evaluation, values=evaluation.values | {"log_loss": None}, intervals={})
    (entry,) = model_index(evaluation)
    metrics = entry["results"][0]["metrics"]
    assert "log_loss" not in {metric["type"] for metric in metrics}
    assert all("interval_95" not in metric.get("args", {}) for metric in metrics)


def test_the_hub_reads_it_and_writes_it_alike(evaluation):
    pytest.importorskip("huggingface_hub")
    from huggingface_hub import ModelCard
    from huggingface_hub.repocard_data import eval_results_to_model_index

    card = ModelCard(model_card(evaluation), ignore_metadata_errors=False)
    index = model_index(evaluation)
    assert card.data.model_name == index[0]["name"]
    assert len(card.data.eval_results) == len(index[0]["results"][0]["metrics"])
    assert eval_results_to_model_index(card.data.model_name, card.data.eval_results) == index
