"""Contrastive pretraining and what is asked of it, on plain squares: a picture's colour is all there is to say."""

import json

import cv2
import numpy as np
import open_clip
import pandas as pd
import pytest
import torch
from ruamel.yaml import YAML
from torch.nn import functional as F

from semdf.artifacts import write_table, write_weights
from semdf.errors import DataError, MissingError, ParameterError
from semdf.method import towers
from semdf.params import Pretrain, check
from semdf.pipeline import ROOT
from semdf.pretraining import captioned, clip, zeroshot
from semdf.pretraining.captioned import mirror, view
from semdf.storage.tars import ShardWriter

BLOCK = YAML(typ="safe").load((ROOT / "params.yaml").read_text())["pretrain"]
COLOURS = {"red": (200, 40, 40), "green": (40, 180, 40), "blue": (40, 40, 200), "yellow": (200, 200, 40)}
TINY = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 32, "layers": [1, 1, 1, 1], "width": 8, "head_width": 16, "patch_size": None},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1},
}


@pytest.fixture(scope="session", autouse=True)
def tiny(tmp_path_factory):
    """An encoder with a hundredth of the miniature's cost, known to open_clip in this session."""
    path = tmp_path_factory.mktemp("encoders") / "tiny-test.json"
    path.write_text(json.dumps(TINY))
    open_clip.add_model_config(path)


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    return write_stills(tmp_path_factory.mktemp("people"))


def write_stills(folder, people=40):
    """Squares on grey: five pictures a person, all of one colour but for the shade."""
    random = np.random.default_rng(0)
    rows = []
    with ShardWriter(folder / "stills.tar") as shard:
        for i in range(people * 5):
            name = list(COLOURS)[(i // 5) % 4]
            image = np.full((64, 64, 3), 128, np.uint8)
            image[12:52, 12:52] = np.clip(COLOURS[name] + random.normal(0, 12, 3), 0, 255)
            shard.add(f"{i:04d}.jpg", cv2.imencode(".jpg", image[..., ::-1])[1].tobytes())
            corners = np.tile(np.array([[16, 16], [48, 16], [16, 48], [48, 48]], np.float32), (17, 1)).ravel()
            said = [f"a photo of a {name} square", f"a square that is {name}", f"a picture of a {name} thing"]
            split = ("train", "train", "train", "val", "test")[(i // 5) // 4 % 5]
            rows.append(
                {
                    "id": f"{i:04d}",
                    "identity": i // 5,
                    "split": split,
                    "caption": said[0],
                    "captions": said,
                    "colour": name,
                    "landmarks": corners,
                }
            )
    write_table(pd.DataFrame(rows), folder / "manifest.parquet")
    return folder


def settings(**changes) -> Pretrain:
    small = {"encoder": "tiny-test", "epochs": 2, "batch": 20, "threads": 1, "native": 0.0, "lr": 3e-3}
    return Pretrain(**(BLOCK | small | changes))


def same(a: torch.nn.Module, b: torch.nn.Module) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))


def parts(folder):
    return captioned.load(folder, ["train"]), captioned.load(folder, ["val"])


@pytest.fixture(scope="session")
def trained(folder):
    return clip.fit(*parts(folder), settings(epochs=12))


def test_it_learns_which_word_goes_with_which_picture(trained, folder, monkeypatch):
    classes = {name: (f"a {name} square",) for name in COLOURS}
    monkeypatch.setattr(zeroshot, "TASKS", {"colour": classes})
    unseen = captioned.load(folder, ["test"])
    table = zeroshot.table(trained.clip, unseen, resamples=50).iloc[0]
    assert table["balanced_accuracy"] > 0.9 and table["chance"] == 0.25 and table["people"] == 8
    assert trained.history["loss"].iloc[-1] < trained.history["loss"].iloc[0]


def test_untrained_towers_are_at_chance(folder, monkeypatch):
    monkeypatch.setattr(zeroshot, "TASKS", {"colour": {name: (f"a {name} square",) for name in COLOURS}})
    table = zeroshot.table(towers.create("tiny-test", seed=0), captioned.load(folder, ["test"]), resamples=50).iloc[0]
    assert abs(table["balanced_accuracy"] - 0.25) <= 0.25


def test_two_runs_with_one_seed_are_equal_to_the_bit(folder):
    one, two = (clip.fit(*parts(folder), settings()) for _ in range(2))
    assert same(one.clip, two.clip)
    pd.testing.assert_frame_equal(one.history, two.history, check_exact=True)
    other = clip.fit(*parts(folder), settings(seed=1))
    assert not same(one.clip, other.clip)


def test_an_interrupted_run_resumes_to_the_same_bits(folder, tmp_path, monkeypatch):
    whole = clip.fit(*parts(folder), settings(epochs=3))
    measure, seen = clip._validate, []

    def dies_in_the_second_epoch(*arguments):
        seen.append(1)
        if len(seen) == 2:
            raise KeyboardInterrupt
        return measure(*arguments)

    monkeypatch.setattr(clip, "_validate", dies_in_the_second_epoch)
    with pytest.raises(KeyboardInterrupt):
        clip.fit(*parts(folder), settings(epochs=3), checkpoints=tmp_path)
    monkeypatch.undo()
    resumed = clip.fit(*parts(folder), settings(epochs=3), checkpoints=tmp_path)
    assert same(whole.clip, resumed.clip)
    pd.testing.assert_frame_equal(whole.history, resumed.history, check_exact=True)


def test_the_loss_is_that_of_its_definition():
    random = torch.Generator().manual_seed(0)
    x, t = (F.normalize(torch.randn(6, 8, generator=random), dim=-1) for _ in range(2))
    logits = 7 * x @ t.T
    own = torch.arange(6)
    by_hand = -(logits.log_softmax(1)[own, own] + logits.log_softmax(0)[own, own]).mean() / 2
    torch.testing.assert_close(open_clip.ClipLoss()(x, t, torch.tensor(7.0)), by_hand)


def test_the_file_brings_back_both_towers_and_every_word(trained, folder, tmp_path):
    path = write_weights(clip.full_state(trained.clip), tmp_path / "model.safetensors")
    again = towers.create("tiny-test", path)
    unseen = captioned.load(folder, ["test"])
    torch.testing.assert_close(
        zeroshot.embed_images(again, unseen), zeroshot.embed_images(trained.clip, unseen), atol=5e-3, rtol=0
    )
    said = ["a photo of a red square", "words no caption has used"]
    torch.testing.assert_close(
        zeroshot.embed_sentences(again, said), zeroshot.embed_sentences(trained.clip, said), atol=5e-3, rtol=0
    )
    assert trained.clip.token_embedding.weight.shape == (49408, 16)


def test_words_that_no_caption_uses_stay_as_they_were(trained):
    start = towers.create("tiny-test", seed=0).token_embedding.weight
    moved = (trained.clip.token_embedding.weight != start).any(1)
    used = towers.tokenize(["a photo of a red square"]).unique()
    assert moved[used].all() and moved.sum() < 60


def test_siblings_share_a_batch_and_nobody_is_drawn_twice(folder):
    train = captioned.load(folder, ["train"])
    people = train.rows["identity"].to_numpy()
    for siblings in (1, 5):
        drawn = [i for i, *_ in clip.batches(train, settings(siblings=siblings), (0, 0), 32)]
        flat = torch.cat(drawn).tolist()
        assert len(flat) == len(set(flat)) == len(train)
        together = np.mean([len(np.unique(people[i.numpy()])) for i in drawn])
        assert together == 4 if siblings == 5 else together > 10


def test_the_native_view_is_cut_and_not_resampled(random):
    image = random.integers(0, 255, (100, 100, 3)).astype(np.uint8)
    corners = np.array([[40, 30], [70, 80]], float)
    cut = view(image, corners, 32, random, native=1.0)
    windows = np.lib.stride_tricks.sliding_window_view(image, (32, 32, 3))[:, :, 0]
    assert (windows == cut).all((2, 3, 4)).any()
    assert view(image, corners, 32).shape == (32, 32, 3)
    np.testing.assert_array_equal(view(image, corners, 32), view(image, corners, 32))


@pytest.mark.parametrize(
    "sentence, mirrored",
    [
        ("a man, looking to the left, lit from the right", "a man, looking to the right, lit from the left"),
        ("a photo of a face with full lips", "a photo of a face with full lips"),
    ],
)
def test_a_mirrored_picture_gets_a_mirrored_sentence(sentence, mirrored):
    assert mirror(sentence) == mirrored and mirror(mirrored) == sentence


def test_the_interval_resamples_people():
    """20 people with 5 pictures each, every person all right or all wrong: as wide as for 20 samples."""
    right = np.repeat(np.arange(20) % 2 == 0, 5)
    truth = np.tile(["a", "b", "a", "b", "a"], 20)
    low, high = zeroshot._interval(right, truth, np.repeat(np.arange(20), 5), 2000, 0)
    width = 2 * 1.96 * np.sqrt(0.25 / 20)
    assert (high - low) == pytest.approx(width, rel=0.15)


def test_retrieval_is_perfect_for_equal_features_and_chance_for_any(folder, monkeypatch):
    part = captioned.load(folder, ["test"])
    n = len(part)
    monkeypatch.setattr(zeroshot, "embed_images", lambda *_: torch.eye(n))
    monkeypatch.setattr(zeroshot, "embed_sentences", lambda *_: torch.eye(n).repeat_interleave(3, 0))
    table = zeroshot.retrieval(None, part)
    assert (table["recall"] == 1).all() and table["chance"].max() == 10 / n


def test_what_cannot_be_trained_is_refused(folder, tmp_path):
    train, val = parts(folder)
    with pytest.raises(ParameterError, match="batch: must be at most the 120 training pictures, found 500"):
        clip.fit(train, val, settings(batch=500))
    with pytest.raises(ParameterError, match="zoom: must be a rising pair"):
        clip.fit(train, val, settings(zoom=[2.0, 1.0]))
    with pytest.raises(MissingError, match="manifest"):
        captioned.load(tmp_path, ["train"])
    with pytest.raises(DataError, match="splits"):
        captioned.load(folder, ["nowhere"])
    with pytest.raises(ParameterError, match="pretrain.native must be less than or equal to 1, found 2"):
        check("pretrain", BLOCK | {"native": 2})
    with pytest.raises(DataError, match="stills: must vary"):
        zeroshot.table(towers.create("tiny-test", seed=0), val)
