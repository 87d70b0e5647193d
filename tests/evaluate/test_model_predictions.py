"""The name under which the predictions of a model are in the catalog."""

from dataclasses import fields, replace

from btfer_builder.evaluate import model_predictions
from btfer_builder.evaluate.inference.outputs import Labels
from btfer_builder.evaluate.inference.predict import ModelRun
from btfer_builder.evaluate.model_predictions import predictions_name
from btfer_builder.networks.preprocessing import Preprocessing


def test_the_name_is_that_of_version_0_1(brightness_model):
    labels = Labels(("sad", None), ("sad", "contempt"))
    job = ModelRun(brightness_model, labels, Preprocessing(48, 48, 1, "grey", "-1,1", mean=(0.5,)))
    # SHA-256 of "ab|Labels(outputs=…)|Feeding(height=48, …)", as 0.1.0 computes it
    assert predictions_name(job, "ab") == "c9cbfd618248065e"
    assert predictions_name(replace(job, labels=Labels(("sad",), ("sad",))), "ab") != "c9cbfd618248065e"


def test_what_the_outputs_are_is_part_of_the_name(brightness_model):
    job = ModelRun(brightness_model, Labels(("sad",), ("sad",)), Preprocessing(48, 48, 1, "grey", "-1,1"))
    names = {predictions_name(replace(job, activation=kind), "ab") for kind in ("auto", "logits", "sigmoid")}
    assert len(names) == 3


def test_every_setting_is_part_of_the_name():
    settings = tuple(field.name for field in fields(Preprocessing))
    named = (*model_predictions._NAMED, *model_predictions._LATER)
    assert settings == named, "a new setting changes the name, but its default does not"
