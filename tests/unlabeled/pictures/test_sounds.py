"""Pictures of separated sounds: the worst mixture first, tones where they sound, copies that can be played."""

import numpy as np
import pytest
import soundfile
from PIL import Image

from unlabeled.given import GivenResults
from unlabeled.pictures import draw as drawing
from unlabeled.pictures import sounds
from unlabeled.run import evaluate

RATE, N = 8000, 6000
LEAKS = {"a": 0.1, "b": 0.9, "c": 0.3, "d": 0.5, "e": 0.2, "<i>": 0.7}


@pytest.fixture
def places(tmp_path):
    """Six mixtures of two sounds; the louder the other sound in an estimate, the worse it is."""
    data, results = tmp_path / "mixtures", tmp_path / "results"
    for name, leak in LEAKS.items():
        waves = np.random.default_rng(len(name)).uniform(-0.6, 0.6, (2, N))
        for folder in (data / name, results / name):
            folder.mkdir(parents=True)
        for k in range(2):
            soundfile.write(data / name / f"ref{k}.wav", waves[k], RATE, subtype="FLOAT")
            soundfile.write(results / name / f"est{k}.wav", waves[k] + leak * waves[1 - k], RATE, subtype="FLOAT")
    return data, results


def test_worst_and_best_mixtures_with_players(store, places, tmp_path):
    record = evaluate(GivenResults(places[1]), "music_separation", data=places[0], store=store)
    out = tmp_path / "out"
    page, *files = drawing.draw(record, store.records, store, out)
    assert [file.name for file in files] == [
        "01-b-spectrograms.png", "02--i--spectrograms.png", "03-e-spectrograms.png", "04-a-spectrograms.png"
    ]  # fmt: skip
    html = page.read_text()
    assert "b: NSDR" in html and "rank 6 of 6 (worst)" in html and "<i>" not in html and "&lt;i&gt;" in html
    assert html.count("<audio controls") == 4 * 5
    assert "made quieter by" in html and "estimate est0.wav: SDR" in html
    for file in files:
        picture = np.asarray(Image.open(file).convert("RGB"))
        assert max(picture.shape) <= 2000 and picture.std() > 5
    assert Image.open(files[0]).tobytes() != Image.open(files[-1]).tobytes()
    facts = soundfile.info(out / "01-b-0.wav")
    assert (facts.subtype, facts.samplerate, facts.frames) == ("PCM_16", RATE, N)
    assert all(
        (out / f"{number:02}-{name}-{k}.wav").is_file() for number, name in ((1, "b"), (4, "a")) for k in range(5)
    )


def test_copies_share_one_gain_and_are_not_clipped(tmp_path):
    waves = [("mixture", np.array([0.0, 2.0, -1.0])), ("source 0", np.array([0.5, 0.25, 0.0]))]
    players, quieter = sounds._listen(waves, RATE, "x", 1, tmp_path)
    loud, soft = (soundfile.read(file)[0] for _, file in players)
    assert loud == pytest.approx([0, 1, -0.5], abs=1e-4) and soft == pytest.approx([0.25, 0.125, 0], abs=1e-4)
    assert quieter == pytest.approx(6.0206, abs=1e-3)


@pytest.mark.parametrize("seconds", [0.01, 1.0, 200.0])
def test_a_tone_stands_at_its_frequency(seconds):
    wave = np.sin(2 * np.pi * 1000 * np.arange(int(seconds * RATE)) / RATE)
    picture, step = sounds.levels(wave, RATE)
    assert picture.shape[1] <= sounds.MOST_STEPS and abs((picture.shape[1] - 1) * step / RATE - seconds) < 0.2
    peaks = picture.argmax(axis=0) * RATE / (2 * (len(picture) - 1))
    assert np.abs(peaks - 1000).max() <= RATE / (2 * (len(picture) - 1))
