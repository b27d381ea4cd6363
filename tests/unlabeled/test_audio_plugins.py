"""HEAR modules and bare torch modules as methods: run as they are, refused when they lie."""

import importlib
import itertools

import pytest
import torch

from unlabeled import hear, pages, registry, run
from unlabeled.errors import BadData, UnlabeledError, WrongCall

HONEST = '''
"""Loudness in four parts of a frame."""
import torch

class Model(torch.nn.Module):
    sample_rate = RATE
    scene_embedding_size = 4
    timestamp_embedding_size = 4

def load_model(file=""):
    return Model()

def get_timestamp_embeddings(audio, model):
    hop = TRUE_RATE // 10
    frames = audio.unfold(1, hop, hop)
    parts = frames.abs().reshape(*frames.shape[:2], 4, -1).mean(-1)
    stamps = torch.arange(frames.shape[1]) * 100.0 + 50.0
    return parts, stamps.expand(len(audio), -1)

def get_scene_embeddings(audio, model):
    return get_timestamp_embeddings(audio, model)[0].mean(1)
'''
NUMBERS = itertools.count()


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Write a HEAR module under a fresh name; returns the name."""

    def write(rate=8000, true_rate=None, more=""):
        name = f"toy_hear_{next(NUMBERS)}"
        text = HONEST.replace("TRUE_RATE", str(true_rate or rate)).replace("RATE", str(rate)) + more
        (tmp_path / f"{name}.py").write_text(text)
        monkeypatch.syspath_prepend(str(tmp_path))
        importlib.invalidate_caches()
        return f"hear:{name}"

    return write


def evaluate(method, nano, store, **asked):
    return run.evaluate(method, "esc10", data=nano, preset="nano", store=store, **asked)


def test_a_hear_module_runs_as_it_is(module, nano, store):
    name = module()
    record = evaluate(name, nano, store, recipe="soundnet-svm", point="timestamp")
    assert record.status == "complete" and record.scores["accuracy"]["n"] == 100
    assert record.deviations == ("point timestamp (recipe: pool5)",)
    assert evaluate(name, nano, store, recipe="soundnet-svm", point="timestamp").id == record.id
    assert not pages.stale_because(record)


def test_its_source_is_in_its_key(module, nano, store, tmp_path):
    one, two = module(), module(more="\nANOTHER = 1\n")
    plain = evaluate(one, nano, store, recipe="soundnet-svm", point="timestamp")
    assert evaluate(two, nano, store, recipe="soundnet-svm", point="timestamp").keys["code"] != plain.keys["code"]


def test_an_absent_point_lists_those_there_are(module, nano, store):
    with pytest.raises(WrongCall, match=r"no point 'pool5'[\s\S]*scene \(4\), timestamp \(4\)"):
        evaluate(module(), nano, store)
    with pytest.raises(WrongCall, match="one vector a sound"):
        evaluate(module(), nano, store, recipe="soundnet-svm", point="scene")


def test_a_module_that_lies_about_its_rate(module, nano, store):
    with pytest.raises(BadData, match="states 8000 Hz"):
        evaluate(module(rate=8000, true_rate=20000), nano, store)
    with pytest.raises(BadData, match="states 8000 Hz"):
        evaluate(module(rate=8000, true_rate=3000), nano, store)


@pytest.mark.parametrize(
    "change, words", [("* float('nan')", "no numbers"), ("[:1]", r"not \(10, 4\)"), ("[:, :3]", r"not \(10, 4\)")]
)
def test_embeddings_that_cannot_be_used(module, nano, store, change, words):
    more = f"\nold = get_scene_embeddings\ndef get_scene_embeddings(a, m):\n    return old(a, m){change}\n"
    with pytest.raises(BadData, match=words):
        evaluate(module(more=more), nano, store, recipe="l3-svm", point="scene")


def test_no_hear_module(module, nano, store):
    with pytest.raises(UnlabeledError, match="cannot be loaded"):
        evaluate("hear:no_such_module_at_all", nano, store)
    with pytest.raises(UnlabeledError, match="no get_scene_embeddings"):
        evaluate(module(more="\ndel get_scene_embeddings\n"), nano, store)
    with pytest.raises(UnlabeledError, match="sample_rate"):
        evaluate(module(more="\nModel.sample_rate = 'high'\n"), nano, store)
    with pytest.raises(WrongCall):
        registry.find("methods", "hear:")


def test_the_step_is_measured(module):
    method = hear.method(module().removeprefix("hear:"))
    encoder = method.adapt(method.build(hear.Preset(), None), hear.Preset())
    assert encoder.points["timestamp"].step_s == pytest.approx(0.1)
    assert encoder.encode_wave(torch.zeros(2, 16000), "timestamp").shape == (2, 4, 20)


class Loud(torch.nn.Module):
    """Loudness of pieces of 500 samples, weighted."""

    def __init__(self, weight=1.0):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.tensor([weight]))

    def forward(self, waves):
        return (waves.unfold(1, 500, 500).abs().mean(-1) * self.weight)[:, None]


def test_a_bare_module_runs_and_is_told_by_its_weights(nano, store):
    one = evaluate(Loud(), nano, store, rate=8000, recipe="soundnet-svm", point="out")
    assert one.status == "complete" and one.spec["method"] == "module:Loud"
    assert evaluate(Loud(), nano, store, rate=8000, recipe="soundnet-svm", point="out").id == one.id
    assert evaluate(Loud(2.0), nano, store, rate=8000, recipe="soundnet-svm", point="out").id != one.id


def test_a_bare_module_needs_its_rate_and_gives_features(nano, store):
    with pytest.raises(WrongCall, match="rate"):
        evaluate(Loud(), nano, store)
    with pytest.raises(WrongCall, match="turns"):
        evaluate(torch.nn.Flatten(0), nano, store, rate=8000)
