"""Settings: one field of a preset, or one of a field below it."""

from dataclasses import replace

import pytest

from unlabeled import plan
from unlabeled.errors import WrongCall


def made(settings):
    return plan.make("shuffle_and_learn", "ucf101", preset="nano", settings=settings)


def test_a_setting_below_a_field():
    usual, changed = made({}), made({"train.batch": "8", "train.opt": "sgd", "hidden": "128"})
    assert changed.values == replace(usual.values, train=replace(usual.values.train, batch=8, opt="sgd"))
    assert changed.spec.settings == (("train.batch", 8), ("train.opt", "sgd")), "hidden is 128 anyway"
    assert changed.spec.as_dict()["settings"] == {"train.batch": 8, "train.opt": "sgd"}
    assert plan.setting(usual.values, "train.batch") == 48


@pytest.mark.parametrize(
    "name, value, told",
    [
        ("train.batsh", "8", r"no setting of shuffle_and_learn below train is called 'batsh'\n.*batch"),
        ("hidden.units", "8", r"hidden has no fields of its own \(it is 128\)"),
        ("train.batch", "many", r"train.batch=many.*int"),
        ("train.opt", "lamb", r"one of sgd, adam, adamw"),
        ("train", "8", r"a value of type Train is expected"),
    ],
)
def test_settings_that_are_refused(name, value, told):
    with pytest.raises(WrongCall, match=rf"(?s){told}"):
        made({name: value})


def test_where_a_pretext_learns(tmp_path):
    def learned(**asked):
        found = plan.make("shuffle_and_learn", "ucf101", **asked).pretrain
        return found.world, found.data

    # Presets made for the world learn from it, whatever they are scored on.
    assert learned(preset="mini", seed=3) == learned(preset="mini", seed=3, data=tmp_path) == ("mini:3", None)
    assert learned(preset="mini", data="world:nano:5") == ("nano:5", None)
    assert learned(preset="small", data=tmp_path) == ("", tmp_path)
    assert learned(preset="mini", data=tmp_path, pretrain_data="world:nano:1") == ("nano:1", None)
    assert learned(preset="mini", pretrain_data=tmp_path) == ("", tmp_path)
