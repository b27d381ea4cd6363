"""Probes of clips: which frames, what is made of them, schedules of papers, held-out videos, a layer alone."""

import dataclasses

import numpy as np
import pytest
import torch
from clip_encoders import StepEncoder, red_film, rising_and_falling
from torch import nn

from unlabeled.benchmarks.probes import clips_features, clips_finetune, clips_linear, clips_views
from unlabeled.benchmarks.probes.clips_finetune import Epochs, planned
from unlabeled.benchmarks.probes.clips_views import Places, ResizedCrop, ShortSide, Stretched
from unlabeled.contracts import ClipSpec, Train, VideoItem
from unlabeled.errors import BadData, WrongCall
from unlabeled.registry import load
from unlabeled.streams import Rng

SHORT = Train(steps=60, batch=8, lr=0.05, opt="adam")


def ends(scores, items):
    """Share of right answers."""
    return float((scores.argmax(axis=1) == [item.target for item in items]).mean())


def sides(data):
    return ([item for item in data.items if item.sides[0] == side] for side in ("train", "test"))


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    return rising_and_falling(tmp_path_factory.mktemp("films"))


@pytest.fixture(scope="module")
def lengths(films):
    return {item.id: 12 for item in films.items}


# ---------------------------------------------------------------- which frames


def test_places_of_clips(tmp_path):
    item = VideoItem("a", red_film(tmp_path / "a", range(20)))
    clip = ClipSpec(4, 2, 8)
    assert clips_views.span(clip) == 7
    shown = Places("avid").shown(item, 20)
    assert Places("avid", count=2).views(shown, clip).tolist() == [[0, 2, 4, 6], [13, 15, 17, 19]]
    assert Places("vcop", count=2).views(shown, clip).tolist() == [[0, 2, 4, 6], [13, 15, 17, 19]]
    assert Places("consecutive").views(shown, clip).tolist() == [[0, 2, 4, 6], [7, 9, 11, 13]]
    short = np.arange(3)
    assert Places("vcop", count=1, short="hold").views(short, clip).tolist() == [[0, 2, 2, 2]]
    assert Places("avid", count=1).views(short, clip).tolist() == [[0, 2, 1, 0]]
    starts = {int(Places("avid").anywhere(shown, clip, np.random.default_rng(k))[0]) for k in range(200)}
    assert starts == set(range(14)), "a clip begins wherever it fits"


def test_a_rate_of_its_own_where_the_file_states_one(tmp_path):
    from films import number_frames, write_video

    item = VideoItem("v", write_video(tmp_path / "v.mkv", number_frames(10)))
    assert Places("avid", fps=5.0).shown(item, 10).tolist() == [0, 2, 4, 6, 8], "the file has ten frames a second"
    assert Places("avid").shown(item, 10).tolist() == list(range(10))
    folder = VideoItem("f", red_film(tmp_path / "f", range(10)))
    assert len(Places("avid", fps=5.0).shown(folder, 10)) == 10, "a folder states no rate"


def test_films_stay_in_memory_only_as_long_as_they_fit(tmp_path, monkeypatch):
    items = [VideoItem(name, red_film(tmp_path / name, [10, 20, 30])) for name in "ab"]
    opened = []
    some, every = clips_views.facts.some_frames, clips_views.facts.all_frames
    monkeypatch.setattr(clips_views.facts, "some_frames", lambda path, k: opened.append("some") or some(path, k))
    monkeypatch.setattr(clips_views.facts, "all_frames", lambda path: opened.append("all") or every(path))
    films = clips_views.Films(items, most=3 * 16 * 12 * 3 + 1)
    for _ in range(2):
        for k in (0, 1):
            assert films.read(k, np.array([2, 0]))[:, 0, 0, 0].tolist() == [30, 10]
    assert opened == ["all", "all", "some"], "the second film does not fit"


# ---------------------------------------------------------------- what is made of pictures


def noise(n=3, height=24, width=32):
    return np.random.default_rng(0).integers(0, 256, (n, height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize("look", [Stretched(), ShortSide(), ShortSide(("crop", "flip", "jitter")), ResizedCrop()])
@pytest.mark.parametrize("size", [16, (12, 20), (20, 12)])
def test_every_look_gives_the_window(look, size):
    rows, columns = (size, size) if isinstance(size, int) else size
    for rng in (None, Rng(0).under("a")):
        found = look(noise(), size, rng)
        assert found.shape == (3, 3, rows, columns) and found.dtype == torch.float32
        assert float(found.min()) >= 0 and float(found.max()) <= 1
        again = look(noise(), size, rng)
        assert torch.equal(found, again)
    same = look(np.repeat(noise(1), 3, axis=0), size, Rng(1).under("b"))
    assert torch.equal(same[0], same[2]), "one draw for all frames"
    assert not torch.equal(look(noise(), size, Rng(2)), look(noise(), size, Rng(3)))


def test_videos_of_vcop_are_stretched_to_128_by_171():
    for height, width in ((240, 320), (240, 560)):
        assert Stretched().scaled(noise(1, height, width), 112).shape == (1, 3, 128, 171)
    middle = Stretched()(noise(1, 128, 171), 112, None)
    expected = torch.from_numpy(noise(1, 128, 171)[:, 8:120, 29:141]).permute(0, 3, 1, 2).float() / 255
    assert torch.equal(middle, expected)


def test_parts_of_pictures_have_the_areas_and_shapes_asked_for():
    look, seen = ResizedCrop(area=(0.2, 0.5)), []
    for k in range(300):
        top, left, rows, columns = look._part((240, 320), 1.0, np.random.default_rng(k))
        assert 0 <= top <= 240 - rows and 0 <= left <= 320 - columns
        seen.append((rows * columns / (240 * 320), columns / rows))
    area, shape = np.array(seen).T
    assert 0.19 < area.min() < 0.25 and 0.45 < area.max() < 0.51
    assert 0.74 < shape.min() < 0.8 and 1.25 < shape.max() < 1.35
    thin = ResizedCrop(area=(1.0, 1.0))
    assert thin._part((100, 400), 1.0, np.random.default_rng(0)) == (0, 133, 100, 133), "nothing fits: the middle"


def test_colours_change_by_as_much_as_is_asked():
    grey = np.full((1, 8, 8, 3), 100, np.uint8)
    still = ResizedCrop(colour=(0, 0, 0, 0))
    assert float((still(grey, 8, Rng(0)) - 100 / 255).abs().max()) < 1e-5
    light = [float(ResizedCrop(colour=(0.4, 0, 0, 0))(grey, 8, Rng(k)).mean()) * 255 for k in range(60)]
    assert 60 <= min(light) < 66 and 134 < max(light) <= 140.1


# ---------------------------------------------------------------- features


def test_features_of_clips_and_crops(tmp_path):
    item, role = VideoItem("a", red_film(tmp_path / "a", range(0, 120, 10))), StepEncoder(frames=4)
    features = clips_features.ClipFeatures(role, "", {"a": 12}, Places("consecutive"), ShortSide())
    (found,) = features.of([item])
    np.testing.assert_allclose(found[:, :3] * 25.5, 10, atol=1e-3)
    np.testing.assert_allclose(found[:, 3] * 255, [15, 55, 95], atol=1e-3)
    (ten,) = features.of([item], crops=10)
    assert ten.shape == (30, 4) and role.shown == [(3, 3, 4, 8, 8)] * 11
    features.of([item])
    assert len(role.shown) == 11, "features are remembered"


def test_untrained_encoders_are_calibrated_on_training_clips_alone(films, lengths):
    class Untrained(StepEncoder):
        def calibrate(self, batches):
            self.seen = [batch.shape for batch in batches]

    role, (train, _) = Untrained(), sides(films)
    features = clips_features.ClipFeatures(role, "", lengths, Places("avid"), ShortSide())
    features.learn(train, np.zeros(len(train)), Rng(0))
    assert role.seen == [(12, 3, 4, 8, 8)]


def test_features_must_be_numbers_of_the_promised_shape(tmp_path):
    item = VideoItem("a", red_film(tmp_path / "a", range(5)))
    for make, told in ((lambda out: out * torch.nan, "no numbers"), (lambda out: out[:, :2], "shape")):
        role = StepEncoder()
        role.net.register_forward_hook(lambda _, __, out, make=make: make(out))
        with pytest.raises(BadData, match=told):
            clips_features.ClipFeatures(role, "", {"a": 5}, Places("avid"), ShortSide()).of([item])
    with pytest.raises(WrongCall, match="fc9"):
        clips_features.ClipFeatures(StepEncoder(), "fc9", {"a": 5}, Places("avid"), ShortSide())


# ---------------------------------------------------------------- schedules of the papers


def test_schedules_in_steps():
    recipes = load("benchmarks", "ucf101").recipes
    vcop = planned(recipes["vcop"].train, 9537 - 800)
    assert (vcop.steps, vcop.batch, vcop.lr, vcop.weight_decay) == (163_819, 8, 1e-3, 5e-4)
    assert vcop.momentum == 0.9 and vcop.schedule == "constant"
    avid = planned(recipes["avid-8"].train, 9537)
    assert (avid.steps, avid.milestones, avid.gamma, avid.opt) == (23_842, (8941, 14_902, 20_862), 0.3, "adam")
    linear = planned(recipes["linear"].train, 9537)
    assert (linear.steps, linear.milestones, linear.lr) == (931, (559, 745), 1.0)
    other = load("benchmarks", "hmdb51").recipes
    assert planned(other["avid-8"].train, 3570).steps == 13_945 and other["vcop"].held_out == 400
    assert planned(other["avid-32"].train, 3570).steps == 11_156 and other["avid-8"].look.colour[0] == 1.0
    assert planned(SHORT, 5) is SHORT and clips_finetune.one_pass(SHORT, 80) == 10


def test_what_was_not_read_is_told():
    for name in ("ucf101", "hmdb51"):
        told = {key: bool(recipe.unverified) for key, recipe in load("benchmarks", name).recipes.items()}
        assert told["xdc"] and told["odd-one-out"] and told["shuffle-learn"]
        assert not (told["vcop"] or told["avid-8"] or told["avid-32"] or told["linear"])


def test_batches_take_every_video_once_a_pass():
    drawn = [clips_views.in_passes(part, 3, 5, Rng(0)) for part in range(10)]
    numbers = np.concatenate(drawn).reshape(6, 5)
    assert all(sorted(row) == [0, 1, 2, 3, 4] for row in numbers.tolist())
    assert len({tuple(row) for row in numbers.tolist()}) > 1


# ---------------------------------------------------------------- fine-tuning


def tuned(recipe, films, lengths, schedule=SHORT, encoder=None):
    role = encoder or StepEncoder()
    role.finetune = schedule
    train, test = sides(films)
    answer = recipe.answers(recipe.prepare(role, lengths), train, test, 3, Rng(0))[""]
    return answer, ends(answer.scores, test), role


@pytest.mark.parametrize("name", ["vcop", "avid-8", "odd-one-out", "xdc"])
def test_every_recipe_learns_which_way_films_go(films, lengths, name):
    answer, right, role = tuned(load("benchmarks", "hmdb51").recipes[name], films, lengths)
    assert right == 1.0 and not answer.scores[:, 2].any(), "class 2 has no training clip"
    assert torch.equal(role.net.scale, torch.ones(4)), "the encoder stays as it is"
    assert any("60 steps of 8 clips, not" in note for note in answer.notes)
    assert any("takes 4 frames 1 apart at 8 x 8, the recipe's" in note for note in answer.notes)


def test_the_linear_probe_learns_from_features(films, lengths):
    recipe, (train, test) = load("benchmarks", "ucf101").recipes["linear"], sides(films)
    answer = recipe.answers(recipe.prepare(StepEncoder(), lengths), train, test, 2, Rng(0))[""]
    assert ends(answer.scores, test) == 1.0 and answer.labels == 12
    net = clips_linear.probe(400, 3)
    assert float(net[1].weight.detach().std()) == pytest.approx(0.01, rel=0.1) and not net[1].bias.any()


def test_a_new_layer_learns_alone_first(films, lengths, monkeypatch):
    calls, real = [], clips_finetune.learn

    def watched(net, batches, loss, plan, rng, **more):
        before = net[0].scale.detach().clone(), net[1][1].weight.detach().clone()
        real(net, batches, loss, plan, rng, **more)
        calls.append((plan, torch.equal(before[0], net[0].scale), torch.equal(before[1], net[1][1].weight)))

    monkeypatch.setattr(clips_finetune, "learn", watched)
    recipe = dataclasses.replace(load("benchmarks", "ucf101").recipes["avid-8"], head_only=5)
    schedule = dataclasses.replace(SHORT, batch=4, schedule="step", milestones=(9,))
    tuned(recipe, films, lengths, schedule)
    (first, trunk_still, head_still), (second, trunk_moved, _) = calls[0], calls[1]
    assert trunk_still and not head_still and not trunk_moved and len(calls) == 2
    assert (first.steps, first.schedule, second) == (15, "constant", schedule), "12 videos, 4 a step, 5 passes"


def test_held_out_videos_choose_the_weights(films, lengths, monkeypatch):
    kept = []

    class Watched(clips_finetune.Best):
        def __call__(self, net, step):
            training = net.training
            told = super().__call__(net, step)
            assert net.training is training
            kept.append((told["held_out"], step))
            if step > 6:
                # Later weights are no better: the early ones must come back.
                self.lowest = -1.0
            return told

    monkeypatch.setattr(clips_finetune, "Best", Watched)
    recipe = dataclasses.replace(clips_finetune.VCOP, held_out=3)
    taken = []
    real = clips_finetune.TrainingClips.parts
    monkeypatch.setattr(
        clips_finetune.TrainingClips,
        "parts",
        lambda self, videos, *more: taken.append(videos) or real(self, videos, *more),
    )
    tuned(recipe, films, lengths, dataclasses.replace(SHORT, steps=9, batch=4))
    assert [step for _, step in kept] == [3, 6, 9], "11 of 12 videos are learned from: a pass is 3 steps"
    assert len(taken[0]) == 11, "an eighth of a small set is held out, not 3"


def test_the_best_weights_come_back(films, lengths):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(1, 2)

        def forward(self, clips):
            return self.linear(clips.mean((1, 2, 3, 4))[:, None])

    train, _ = sides(films)
    recipe = clips_finetune.VCOP
    role = clips_finetune.Prepared(StepEncoder(), lengths)
    labels = np.array([item.target for item in train])
    best = clips_finetune.Best(clips_finetune.TrainingClips(recipe, role, train, labels), np.arange(4), Rng(0))
    net, losses = Net(), []
    for step, bias in enumerate((5.0, 0.0, 9.0), 1):
        with torch.no_grad():
            net.linear.weight.zero_()
            net.linear.bias.copy_(torch.tensor([0.0, bias]))
        losses.append(best(net, step)["held_out"])
    assert losses[1] == min(losses) and best.weights["linear.bias"].tolist() == [0.0, 0.0]


def test_networks_with_random_weights_have_a_schedule_of_their_own(films, lengths):
    class Untrained(StepEncoder):
        def calibrate(self, batches):
            raise AssertionError("a trained network needs no statistics")

    recipe = dataclasses.replace(clips_finetune.ODD_ONE_OUT, train=SHORT, scratch=dataclasses.replace(SHORT, steps=2))
    answer, _, _ = tuned(recipe, films, lengths, None, Untrained())
    assert not any("schedule" in note for note in answer.notes)
    assert planned(Epochs(3, batch=4, lr=0.1), 1).steps == 1
