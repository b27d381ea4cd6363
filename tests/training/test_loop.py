"""The loop: steps against hand-written ones, exact resumption, and every way in which training stops."""

import csv
import multiprocessing
import os
import random
import signal
import sys
import time
import types
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from trainings import PLAN, Net, Plain, batches_of, loss, mean_loss, part, same

from unlabeled.contracts import Batch, Losses, Pretext, Request, Sanity, Train
from unlabeled.errors import UnlabeledError, WrongCall
from unlabeled.streams import Rng
from unlabeled.training import checkpoints, loop, optim
from unlabeled.training.loop import Every, Interrupted, pretrain, train

RNG = Rng(5)
OFTEN = Every(curve=1, save=1)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "key"


def trained(plan=PLAN, net=None, **options):
    """A network after the plan's steps."""
    net = Net() if net is None else net
    return train(net, batches_of(loop.part_size(plan)), options.pop("loss", loss), plan, RNG, **options).net


def curve(folder):
    with (checkpoints.working(folder) / checkpoints.CURVE).open() as stream:
        return list(csv.DictReader(stream))


class TestSteps:
    def test_a_plain_training_is_torchs(self):
        plan = Train(steps=5, batch=8, lr=0.1, weight_decay=0.01)
        net, by_hand = Plain(), Plain()
        train(net, batches_of(8), mean_loss, plan, RNG)
        optimiser = torch.optim.SGD(by_hand.parameters(), 0.1, momentum=0.9, weight_decay=0.01)
        for step in range(5):
            optimiser.zero_grad()
            mean_loss(by_hand, part(step, 8), RNG, None).players["main"].backward()
            optimiser.step()
        assert same(net, by_hand)

    def test_it_learns(self):
        net = trained(replace(PLAN, steps=300, opt="adam", lr=0.01)).eval()
        held_out = part(10_000, 400)
        assert (net(held_out.frames).argmax(1) == held_out.target).float().mean() > 0.8

    def test_accumulated_parts_equal_one_batch(self):
        def halves(first, stride=1):
            for k in range(first, 99):
                whole = part(k // 2, 16)
                mine = slice(8 * (k % 2), 8 * (k % 2) + 8)
                yield Batch(whole.ids[mine], whole.frames[mine], target=whole.target[mine])

        plan = Train(steps=6, batch=16, lr=0.1)
        whole, parts = Plain(), Plain()
        train(whole, batches_of(16), mean_loss, plan, RNG)
        train(parts, halves, mean_loss, replace(plan, accumulate=2), RNG)
        for one, other in zip(whole.parameters(), parts.parameters(), strict=True):
            assert torch.allclose(one, other, atol=1e-6, rtol=0)

    def test_clip_bounds_the_norm_of_the_step(self):
        plan = Train(steps=1, batch=8, lr=1.0, momentum=0.0, clip=0.01)
        net, before = Plain(), Plain()
        train(net, batches_of(8), mean_loss, plan, RNG)
        moves = [(a - b).flatten() for a, b in zip(net.parameters(), before.parameters(), strict=True)]
        assert torch.cat(moves).norm().item() == pytest.approx(0.01, rel=1e-4)

    @pytest.mark.parametrize("precision", ["bf16", "fp16"])
    def test_half_precision_is_near_full(self, precision):
        seen = []

        def watched(net, batch, rng, progress):
            seen.append(net(batch.frames).dtype)
            return mean_loss(net, batch, rng, progress)

        plan = Train(steps=4, batch=8, lr=0.05)
        half = trained(replace(plan, precision=precision), Plain(), loss=watched)
        full = trained(plan, Plain(), loss=mean_loss)
        assert seen[0] == {"bf16": torch.bfloat16, "fp16": torch.float16}[precision]
        for one, other in zip(half.parameters(), full.parameters(), strict=True):
            assert one.dtype == torch.float32
            assert torch.allclose(one, other, atol=5e-3)

    def test_draws_depend_on_the_step_alone(self):
        """Neither on torch's global generator before, nor does training move it."""
        torch.manual_seed(1)
        one = trained()
        torch.manual_seed(2)
        state = torch.get_rng_state()
        other = trained()
        assert same(one, other)
        assert torch.equal(torch.get_rng_state(), state)

    def test_parts_draw_from_streams_of_their_own(self):
        streams = []

        def noted(net, batch, rng, progress):
            streams.append((rng.path, progress.step, progress.steps, torch.rand(()).item()))
            return mean_loss(net, batch, rng, progress)

        trained(Train(steps=2, batch=8, lr=0.1, accumulate=2), Plain(), loss=noted)
        assert [entry[:3] for entry in streams] == [
            (("loss", str(step), str(k)), step, 2) for step in range(2) for k in range(2)
        ]
        assert len({entry[3] for entry in streams}) == 4

    def test_frozen_parts_stay_and_custom_groups_count(self):
        net = Net()
        net.trunk.requires_grad_(False)
        trained(PLAN, net)
        assert torch.equal(net.trunk[0].weight, Net().trunk[0].weight)
        assert not torch.equal(net.head.weight, Net().head.weight)
        net = Net()
        groups = (optim.Group(tuple(net.trunk.parameters()), scale=0.0), optim.Group(tuple(net.head.parameters())))
        trained(PLAN, net, players={"main": groups})
        assert torch.equal(net.trunk[0].weight, Net().trunk[0].weight)
        assert not torch.equal(net.head.weight, Net().head.weight)

    def test_after_step_comes_after_every_step(self):
        steps = []
        trained(
            Train(steps=3, batch=8, lr=0.1), Plain(), loss=mean_loss, after_step=lambda net, p: steps.append(p.step)
        )
        assert steps == [0, 1, 2]


class Pair(nn.Module):
    """A generator and a critic of single numbers."""

    def __init__(self):
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.g, self.d = nn.Linear(2, 2), nn.Linear(2, 1)


def adversaries(net, batch, rng, progress):
    real = batch.frames[:, 0, 0, :2]
    made = net.g(torch.from_numpy(rng.numpy("z").normal(size=(len(real), 2))).float())
    critic = nn.functional.softplus(net.d(made.detach())).mean() + nn.functional.softplus(-net.d(real)).mean()
    losses = {"g": nn.functional.softplus(-net.d(made)).mean(), "d": critic}
    return Losses(losses if progress.step % 2 == 0 else {"d": losses["d"]})


class TestPlayers:
    plan = Train(steps=4, batch=8, lr=0.1, opt="adam", momentum=0.5)

    def players(self, net):
        return {"g": optim.plain(net.g.parameters()), "d": optim.plain(net.d.parameters())}

    def test_each_moves_by_its_own_loss_alone(self):
        """Both from the same point, as two optimisers written out by hand; `g` sits every second step out."""
        net, by_hand = Pair(), Pair()
        train(net, batches_of(8), adversaries, self.plan, RNG, players=self.players(net))
        parts = {"g": by_hand.g, "d": by_hand.d}
        optimisers = {name: torch.optim.Adam(p.parameters(), 0.1, betas=(0.5, 0.999)) for name, p in parts.items()}
        for step in range(4):
            losses = adversaries(by_hand, part(step, 8), RNG.under("loss", step, 0), types.SimpleNamespace(step=step))
            grads = {
                name: torch.autograd.grad(value, [*parts[name].parameters()], retain_graph=True)
                for name, value in losses.players.items()
            }
            for name, values in grads.items():
                for param, value in zip(parts[name].parameters(), values, strict=True):
                    param.grad = value
                optimisers[name].step()
        assert same(net, by_hand)

    def test_resumed_with_both_memories(self, folder):
        whole, stopped, net = Pair(), Pair(), Pair()
        train(whole, batches_of(8), adversaries, self.plan, RNG, players=self.players(whole))
        options = dict(folder=folder, every=OFTEN)
        with pytest.raises(Interrupted):
            train(
                stopped, batches_of(8), adversaries, self.plan, RNG,
                players=self.players(stopped), watch=[terminate(3)], **options,
            )  # fmt: skip
        train(net, batches_of(8), adversaries, self.plan, RNG, players=self.players(net), **options)
        assert same(net, whole)
        assert [(row["step"], bool(row["loss.g"]), bool(row["loss.d"])) for row in curve(folder)] == [
            ("1", True, True), ("2", False, True), ("3", True, True), ("4", False, True)
        ]  # fmt: skip

    def test_two_players_in_fp16(self):
        net = Pair()
        train(net, batches_of(8), adversaries, replace(self.plan, precision="fp16"), RNG, players=self.players(net))
        assert not torch.equal(net.g.weight, Pair().g.weight) and not torch.equal(net.d.weight, Pair().d.weight)

    def test_a_loss_of_nobody(self):
        with pytest.raises(UnlabeledError, match="the loss is of g, d, players are main"):
            train(Pair(), batches_of(8), adversaries, self.plan, RNG)


def terminate(at):
    """A watcher that sends SIGTERM to this process."""

    def told(seen):
        if seen.step == at:
            os.kill(os.getpid(), signal.SIGTERM)

    return told


class TestResume:
    @pytest.mark.parametrize("opt", ["sgd", "adam", "adamw"])
    @pytest.mark.parametrize("precision", ["fp32", "fp16", "bf16"])
    def test_bit_for_bit_after_sigterm(self, folder, opt, precision):
        plan = replace(PLAN, opt=opt, weight_decay=0.01, lr=0.02, precision=precision, batch=8, accumulate=2)
        for at in (4, 9):
            with pytest.raises(Interrupted, match=f"stopped after step {at + 1} of 12\n  -> the same command goes on"):
                trained(plan, folder=folder, every=Every(curve=5, save=0), watch=[terminate(at)])
        whole_folder = folder.with_name("whole")
        whole = trained(plan, folder=whole_folder, every=Every(curve=5, save=0))
        assert same(trained(plan, folder=folder, every=Every(curve=5, save=0)), whole)

        def numbers(rows):
            return [{name: value for name, value in row.items() if name != "cpu_s"} for row in rows]

        assert numbers(curve(folder)) == numbers(curve(whole_folder))

    def test_sigterm_in_the_last_step_is_not_swallowed(self, folder):
        def late(net, batch, rng, progress):
            if progress.step == 11:
                os.kill(os.getpid(), signal.SIGTERM)
            return loss(net, batch, rng, progress)

        with pytest.raises(Interrupted, match="step 12 of 12"):
            trained(folder=folder, loss=late)
        assert same(trained(folder=folder, loss=None), trained())

    def test_the_handler_is_given_back(self, folder):
        before = signal.getsignal(signal.SIGTERM)
        trained(folder=folder)
        assert signal.getsignal(signal.SIGTERM) is before

    def test_killed_at_random_moments(self, folder):
        """Real processes, really killed, also while they write; each goes on where the last state lies."""
        plan, every = replace(PLAN, steps=120), Every(curve=3, save=1)
        draws = random.Random(time.time_ns())

        def reached():
            state = checkpoints.read_state(folder)
            return state.facts["step"] if state else 0

        for _ in range(4):
            before = reached()
            options = dict(folder=folder, every=every, watch=[lambda seen: time.sleep(0.005)])
            process = multiprocessing.get_context("fork").Process(target=trained, args=(plan,), kwargs=options)
            process.start()
            while reached() == before:
                assert process.is_alive()
            time.sleep(draws.uniform(0, 0.05))
            process.kill()
            process.join()
            assert process.exitcode == -signal.SIGKILL
        assert reached() >= 4
        assert same(trained(plan, folder=folder, every=every), trained(plan))
        assert [int(row["step"]) for row in curve(folder)] == list(range(3, 121, 3))
        left = sorted(file.name for file in checkpoints.working(folder).iterdir())
        assert left == [checkpoints.CURVE, checkpoints.PROGRESS]

    def test_a_finished_training_is_not_done_again(self, folder):
        whole = trained(folder=folder)

        def never(*_):
            raise AssertionError

        again = train(Net(), batches_of(8), never, PLAN, RNG, folder=folder)
        assert same(again.net, whole) and again.steps == 12 and set(again.losses) == {"loss", "right"}

    def test_other_settings_are_refused(self, folder):
        trained(folder=folder)
        for plan, rng, told in (
            (replace(PLAN, lr=0.01), RNG, "lr 0.05, now 0.01"),
            (replace(PLAN, steps=13), RNG, "steps 12, now 13"),
            (PLAN, Rng(6), "seed 5, now 6"),
        ):
            with pytest.raises(UnlabeledError, match=f"other settings: {told}(.|\n)*delete"):
                train(Net(), batches_of(8), loss, plan, rng, folder=folder)

    def test_another_network_is_refused(self, folder):
        trained(folder=folder)
        net = Net()
        net.head = nn.Linear(216, 7)
        with pytest.raises(UnlabeledError, match=r"head.bias has shape \(4,\)"):
            trained(net=net, folder=folder)

    def test_looks_and_thread_of_its_own(self, folder):
        """Looking at held-out data moves nothing; outside the main thread no signal is caught, and training runs."""
        import threading

        def look(net, step):
            torch.manual_seed(step)
            return {"held_out": step / 2}

        done = []
        worker = threading.Thread(
            target=lambda: done.append(trained(folder=folder, look=look, every=Every(curve=4, look=6)))
        )
        worker.start()
        worker.join()
        assert same(done[0], trained())
        rows = curve(folder)
        assert [(row["step"], row["held_out"]) for row in rows] == [("4", ""), ("6", "3.0"), ("8", ""), ("12", "6.0")]
        assert list(rows[0]) == ["step", "cpu_s", "lr", "loss", "right", "held_out"]


class TestStops:
    def test_loss_that_is_no_number(self, folder):
        def breaks(net, batch, rng, progress):
            good = loss(net, batch, rng, progress)
            return Losses({"main": good.players["main"] * (float("nan") if progress.step == 5 else 1)})

        plan = replace(PLAN, precision="bf16")
        with pytest.raises(UnlabeledError) as caught:
            trained(plan, folder=folder, loss=breaks, every=OFTEN)
        said = str(caught.value)
        assert "at step 5 of 12, learning rate 0.04415" in said and "the loss is nan" in said
        assert all(word in said for word in ("lower `lr` (0.05)", "raise `warmup` (3)", "set `clip`", "`precision`"))
        assert checkpoints.read_state(folder).facts["step"] == 5

    def test_loss_that_diverges(self):
        def explode(net, batch, rng, progress):
            return Losses({"main": mean_loss(net, batch, rng, progress).players["main"] * 30.0**progress.step})

        with pytest.raises(UnlabeledError, match=r"at step 3 of 12.*has diverged to"):
            trained(loss=explode)

    def test_weights_that_are_no_numbers_are_never_kept(self, folder):
        def spoil(net, progress):
            with torch.no_grad():
                net.head.bias[0] = float("inf")

        with pytest.raises(UnlabeledError, match="weights are no longer finite"):
            trained(folder=folder, after_step=spoil, every=OFTEN)
        assert checkpoints.read_state(folder) is None
        with pytest.raises(UnlabeledError, match="weights are no longer finite"):
            trained(Train(steps=1, batch=8, lr=0.1), after_step=spoil)

    @pytest.mark.parametrize(
        "fault",
        [
            torch.OutOfMemoryError("CUDA out of memory. Tried"),
            MemoryError(),
            RuntimeError("x can't allocate memory: y"),
        ],
    )
    def test_full_memory_names_what_to_lower(self, fault):
        def full(*_):
            raise fault

        with pytest.raises(UnlabeledError, match=r"parts of 4 items(.|\n)*raise `accumulate` \(2.*lower `batch` \(8\)"):
            trained(replace(PLAN, accumulate=2), loss=full)

    def test_other_faults_of_a_loss_come_through(self):
        def wrong(*_):
            raise RuntimeError("shapes do not match")

        with pytest.raises(RuntimeError, match="shapes do not match"):
            trained(loss=wrong)

    def test_data_that_end(self):
        with pytest.raises(UnlabeledError, match="the data ended in step 2 of 12"):
            train(Net(), lambda first, stride=1: iter([part(0, 8), part(1, 8)]), loss, PLAN, RNG)

    @pytest.mark.parametrize(
        ("losses", "told"),
        [
            (lambda v: Losses({}), "of nobody"),
            (lambda v: Losses({"main": v.expand(2)}), "no scalar"),
            (lambda v: Losses({"main": v.detach()}), "no scalar"),
            (lambda v: Losses({"main": v}, {"lr": 1.0}), "logs lr"),
            (lambda v: Losses({"main": v}, {"loss.g": 1.0}), "logs loss.g"),
        ],
    )
    def test_losses_of_another_form(self, losses, told):
        def strange(net, batch, rng, progress):
            return losses(mean_loss(net, batch, rng, progress).players["main"])

        with pytest.raises(UnlabeledError, match=told):
            trained(loss=strange)

    @pytest.mark.parametrize("device", ["tpu", "cpu:0", "cuda:x", *([] if torch.cuda.is_available() else ["cuda"])])
    def test_devices_that_are_not_here(self, device):
        with pytest.raises(WrongCall, match=device):
            trained(device=device)


class TestPretrain:
    plan = replace(PLAN, steps=6)

    def pretext(self, **parts):
        sanity = Sanity("accuracy", 0.25, lambda net, batch, rng: (torch.ones(1), None), {})
        return Pretext(Request("images", 8), self.plan, sanity, **parts)

    def test_artefacts_are_made_once_and_reach_the_loss(self, folder):
        calls = []

        class Centred(Plain):
            def __init__(self):
                super().__init__()
                self.register_buffer("mean", torch.zeros(3))

        def artefacts(batches, rng):
            calls.append(rng.path)
            means = [batch.frames.mean((0, 2, 3)).numpy() for batch in batches]
            return {"mean": np.mean(means, axis=0), "count": np.array(len(means))}

        def centred(net, batch, rng, progress):
            assert net.mean.abs().sum() > 0
            return Losses(
                {"main": nn.functional.cross_entropy(net(batch.frames - net.mean[:, None, None]), batch.target)}
            )

        pretext = self.pretext(loss=centred, artefacts=artefacts)
        whole, made = pretrain(Centred(), pretext, batches_of(8), RNG)
        assert made["count"] == 6
        with pytest.raises(Interrupted):
            pretrain(Centred(), pretext, batches_of(8), RNG, folder=folder, watch=[terminate(2)])
        resumed, again = pretrain(Centred(), pretext, batches_of(8), RNG, folder=folder)
        assert calls == [("artefacts",)] * 2
        assert same(resumed.net, whole.net) and np.array_equal(again["mean"], made["mean"])

    def test_an_artefact_of_another_shape(self):
        net = Plain()
        net.register_buffer("mean", torch.zeros(3))
        pretext = self.pretext(loss=mean_loss, artefacts=lambda batches, rng: {"mean": np.zeros(4)})
        with pytest.raises(UnlabeledError, match=r"artefact mean has shape \(4,\), the network's buffer \(3,\)"):
            pretrain(net, pretext, batches_of(8), RNG)

    def test_players_and_closed_forms(self):
        def players(net):
            return {"g": net.g.parameters(), "d": net.d.parameters()}

        plan = TestPlayers.plan
        pretext = replace(self.pretext(loss=adversaries, players=players), train=plan)
        by_train = Pair()
        train(by_train, batches_of(8), adversaries, plan, RNG, players=TestPlayers().players(by_train))
        assert same(pretrain(Pair(), pretext, batches_of(8), RNG)[0].net, by_train)
        seen = []
        fitted = self.pretext(fit=lambda net, batches, rng: seen.extend(batch.ids[0] for batch in batches))
        trained, _ = pretrain(Plain(), fitted, batches_of(8), RNG)
        assert seen == [f"{k}-0" for k in range(6)] and trained.steps == 0
        with pytest.raises(UnlabeledError, match="neither `loss` nor `fit`"):
            pretrain(Plain(), self.pretext(), batches_of(8), RNG)


class TestTensorBoard:
    def test_absent(self, monkeypatch, tmp_path):
        monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
        with pytest.raises(WrongCall, match=r"unlabeled\[log\]"):
            loop.tensorboard(tmp_path)

    def test_values_by_step(self, tmp_path):
        from tensorboard.backend.event_processing import event_accumulator as reader

        trained(watch=[loop.tensorboard(tmp_path)])
        events = reader.EventAccumulator(str(tmp_path)).Reload()
        assert {"lr", "loss", "right"} <= set(events.Tags()["scalars"])
        assert [event.step for event in events.Scalars("loss")] == list(range(1, 13))


def test_what_a_watcher_is_told():
    seen = []
    trained(watch=[seen.append])
    assert [(s.step, s.steps) for s in seen] == [(k, 12) for k in range(1, 13)]
    assert seen[0].lr == pytest.approx(0.05 / 3) and set(seen[0].values) == {"loss", "right"}
    assert 0 < seen[0].cpu_s <= seen[-1].cpu_s
