"""Methods that need another one's finished network: it learns first, once, and is part of the question."""

from dataclasses import dataclass

import pytest

from unlabeled import contracts, plan, pretrain
from unlabeled.contracts import Need
from unlabeled.errors import AbsentData, WrongCall
from unlabeled.resolve import Watch, resolve
from unlabeled.run import evaluate
from unlabeled.store import Store

NEEDING, NEEDED, VARIANT = "single_image_colorization", "image_colorization", "colour-net"


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return Store(tmp_path_factory.mktemp("store"))


def run(store, method=NEEDING, **asked):
    return evaluate(method, "davis2017", recipe="world", preset="nano", store=store, **asked)


def resolved(store, method, **asked):
    return resolve(plan.make(method, "davis2017", recipe="world", preset="nano", **asked), store, Watch())


def test_the_network_that_is_needed_learns_once_and_stands_in_the_record(store):
    record = run(store)
    told = record.method["needs"]["encoder"]
    assert record.status == "complete" and "pretrain" not in record.method
    assert told["method"] == NEEDED and told["dataset"] == "imagenet_folder" and told["sanity"]["n"] > 0
    assert [folder.name for folder in store.checkpoints.iterdir()] == [told["checkpoint"]]


def test_a_run_of_its_own_has_the_same_checkpoint(store):
    needing, alone = resolved(store, NEEDING), resolved(store, NEEDED, variant=VARIANT)
    ((name, need),) = needing.needs
    assert name == "encoder" and alone.pretrain is not None and need.key == alone.pretrain.key
    assert need.spec_key in " ".join(pretrain.marks(needing.needs))
    assert "unlabeled.methods.image_colorization" in needing.code.modules, "a change of that code is a change here"
    assert needing.spec_key != resolved(store, NEEDING, random_weights=True).spec_key


def test_weights_and_random_weights_need_nobody(store):
    record = run(store, random_weights=True)
    assert "needs" not in record.method and record.scores != run(store).scores
    assert "random weights: nothing was learned" in record.deviations


def test_another_seed_or_other_data_is_another_question(store, tmp_path):
    keys = {
        name: plan.make(NEEDING, "davis2017", preset="nano", recipe="world", seed=seed).needs[0][1].spec.seed
        for name, seed in (("first", 0), ("second", 1))
    }
    assert keys == {"first": 0, "second": 1}
    with pytest.raises(AbsentData, match="imagenet_folder"):
        run(store, pretrain_data=tmp_path)


@dataclass(frozen=True)
class Preset:
    size: int = 64


class Demanding(contracts.Method):
    id = "demanding"
    cite = ""
    roles = frozenset({"dense"})
    home = ()
    presets = {"nano": Preset()}
    requires = (Need("teacher", "supervised"),)

    def adapt(self, net, preset):
        return net


def test_what_learns_nothing_by_itself_cannot_be_needed():
    with pytest.raises(WrongCall, match="demanding needs supervised, which learns nothing before a benchmark"):
        plan.make(Demanding(), "davis2017", preset="nano", recipe="world")
