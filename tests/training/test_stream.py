"""Pictures that stay in their tars: the batches of a training from memory, however they are read, and clear errors."""

import json
import os
import threading
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from _training import TREE, config, same_weights

from semdf.artifacts import read_weights, write_table, write_weights
from semdf.errors import DataError, MissingError, SemdfError
from semdf.storage.tars import ShardWriter, encode_image
from semdf.training import distributed, stream
from semdf.training import train as training
from semdf.training.batches import Step, steps
from semdf.training.datasets import hold_out, load, select
from semdf.training.pairs import nearest_frames, partners
from semdf.training.stream import Stream, ahead

KINDS = {"original": "real", "Deepfakes": "Deepfakes", "expanded-eyes": "eyes"}


def crop(number: int) -> np.ndarray:
    """A crop that no other resembles: [128, 128, 3], its number in the colour of the first pixel, noise below."""
    image = np.random.default_rng(number).integers(0, 256, (128, 128, 3), dtype=np.uint8)
    image[0, 0] = number
    return image


@pytest.fixture(scope="module")
def manifests(tmp_path_factory) -> list[Path]:
    """Originals and Deepfakes of six people in one folder, forgeries of them in another, two tars a manipulation."""
    out = tmp_path_factory.mktemp("crops")
    tables: dict[str, list[dict]] = {"faces": [], "expanded": []}
    number = 0
    for kind, label in KINDS.items():
        folder = "expanded" if kind.startswith("expanded") else "faces"
        for v in range(6):
            shard = f"d/{kind}{'.1' if v > 2 else ''}.tar"
            for frame in range(2):
                row = {
                    "dataset": "d",
                    "manipulation": kind,
                    "video": f"d/{kind}/{v}",
                    "frame": frame,
                    "sample": f"d/{kind}/{v}/{frame}",
                    "label": label,
                    "split": "val" if v == 5 else "train",
                    "target": str(v),
                    "source": "" if label == "real" else str(v ^ 1),
                    "pristine": "" if label == "real" else f"d/original/{v}",
                    "shard": shard,
                    "member": f"{v}/{frame}.png",
                    "status": "ok",
                    "number": number,
                }
                tables[folder].append(row)
                number += 1
    for folder, rows in tables.items():
        for shard in {row["shard"] for row in rows}:
            with ShardWriter(out / folder / shard) as tar:
                for row in rows:
                    if row["shard"] == shard:
                        tar.add(row["member"], encode_image(crop(row["number"])))
        rows.append(rows[0] | {"frame": -1, "member": "", "shard": "", "status": "no face"})
        write_table(pd.DataFrame(rows), out / folder / "manifest.parquet")
    return [out / folder / "manifest.parquet" for folder in tables]


def both(manifests: list[Path], split: str = "train"):
    return [load(manifests, TREE, [split], reading=reading) for reading in ("memory", "stream")]


def alike(a: Step, b: Step) -> bool:
    pairs = [pair for pair in zip(a, b, strict=True) if pair != (None, None)]
    return all(torch.equal(x, y) for one, two in pairs for x, y in zip(one, two, strict=True))


def test_a_stream_holds_what_memory_would(manifests):
    memory, streamed = both(manifests)
    assert isinstance(streamed.images, Stream) and streamed.images.shape == memory.images.shape
    for name in ("targets", "observed", "partner"):
        assert torch.equal(getattr(memory, name), getattr(streamed, name))
    some = torch.tensor([7, 0, 29, 7])
    assert torch.equal(streamed.images[some], memory.images[some])
    assert torch.equal(streamed.images[3:9], memory.images[3:9])
    for column in streamed.rows:
        assert streamed.rows[column].tolist() == memory.rows[column].tolist(), column
    assert {"target", "source", "pristine"} <= set(streamed.rows)


def test_selections_of_a_stream_are_those_of_memory(manifests):
    memory, streamed = both(manifests)
    chosen = np.arange(len(memory)) % 3 > 0
    for a, b in (
        (select(memory, chosen), select(streamed, chosen)),
        *zip(hold_out(memory, 0.4, 1)[:2], hold_out(streamed, 0.4, 1)[:2], strict=True),
        (nearest_frames(lonely(memory)), nearest_frames(lonely(streamed))),
    ):
        assert torch.equal(a.partner, b.partner) and (a.partner >= 0).any()
        assert torch.equal(a.images[:], b.images[:])
        pd.testing.assert_frame_equal(partners(a), partners(b), check_index_type=False)


def lonely(samples):
    """The samples without the originals' second frames, so that some fakes lack their own."""
    return select(samples, ~((samples.rows["label"] == "real") & (samples.rows["frame"] == 1)).to_numpy())


CASES = {
    "paired": {},
    "apart": {"paired": False, "same_view": False},
    "augmented": {"augment": "sjedd", "same_view": False},
    "no camera": {"camera": None, "random_crop": False},
}


@pytest.mark.parametrize("name", CASES)
def test_batches_are_equal_for_one_seed_however_they_are_read(manifests, name):
    memory, streamed = both(manifests)
    expected = list(steps(memory, memory, config(**CASES[name]), 1, 96))
    assert len(expected) == 2 and expected[0].upper is not None
    for readers in (0, 1, 3):
        found = list(steps(streamed, streamed, config(**CASES[name], readers=readers), 1, 96))
        assert len(found) == len(expected)
        assert all(map(alike, expected, found))
    assert not alike(expected[0], next(steps(streamed, streamed, config(**CASES[name]), 2, 96)))


def test_scaled_views_are_equal_too(manifests):
    memory, streamed = both(manifests)
    c = config()
    c = c.model_copy(update={"crop": c.crop.model_copy(update={"alignment": "similarity"})})
    assert all(map(alike, steps(memory, None, c, 0, 96), steps(streamed, None, c, 0, 96)))


def test_a_fake_shares_its_batch_with_its_own_source(manifests):
    _, s = both(manifests)
    for step in steps(s, None, config(batch=4, pairs=100, readers=2), 0, 96):
        fakes, sources = step.lower.indices.split(2)
        rows, own = s.rows.iloc[fakes.numpy()], s.rows.iloc[sources.numpy()]
        assert rows["pristine"].tolist() == own["video"].tolist() and rows["frame"].tolist() == own["frame"].tolist()
        assert step.upper is None


def test_a_training_has_the_bits_of_one_from_memory_and_resumes_to_them(manifests, tmp_path, monkeypatch):
    """Interrupted after its first epoch and taken up with another number of readers."""
    memory, streamed = both(manifests)
    watched = both(manifests, "val")
    whole = training.fit(memory, watched[0], config("auto_lambda", lambda_every=1))
    keep = training.keep

    def interrupted(*args) -> None:
        keep(*args)
        raise KeyboardInterrupt

    monkeypatch.setattr(training, "keep", interrupted)
    with pytest.raises(KeyboardInterrupt):
        training.fit(streamed, watched[1], config("auto_lambda", lambda_every=1, readers=2), checkpoints=tmp_path)
    monkeypatch.undo()
    rest = training.fit(streamed, watched[1], config("auto_lambda", lambda_every=1, readers=1), checkpoints=tmp_path)
    assert same_weights(whole.model, rest.model)
    pd.testing.assert_frame_equal(whole.history, rest.history)
    expected = training.predict(whole.model, watched[0])
    np.testing.assert_array_equal(expected, training.predict(rest.model, watched[1], readers=2))


#: A training of two processes: two steps of two pairs.
PAIR = {"processes": 2, "epochs": 1, "pairs": 4, "batch": 4}


def shared(manifests: list[Path], out: Path) -> None:
    """What each of two processes does: write down the pictures of its shares, and train from memory."""
    memory, s = both(manifests)
    seen = [step.lower.indices.tolist() for step in steps(s, None, config(**PAIR | {"pairs": 100}), 0, 96)]
    (out / f"{distributed.rank()}.json").write_text(json.dumps(seen))
    record = training.fit(memory, load(manifests, TREE, ["val"]), config(**PAIR))
    if distributed.rank() == 0:
        write_weights(record.model.state_dict(), out / "model.safetensors")


def test_two_processes_share_an_epoch_without_duplicates_and_end_with_the_bits_of_memory(manifests, tmp_path):
    distributed.launch(shared, 2, manifests, tmp_path)
    parts = [json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(2)]
    s = load(manifests, TREE, ["train"], reading="stream")
    alone = [step.lower.indices for step in steps(s, None, config(pairs=100, batch=4, readers=0), 0, 96)]
    for one, two, whole in zip(*parts, alone, strict=True):
        assert len(one) == len(two) == 2 and sorted(one + two) == sorted(whole.tolist())
    fakes = Counter(index for part in parts for share in part for index in share[:1])
    assert max(fakes.values()) == 1 and sorted(fakes) == s.fakes.tolist()

    record = training.fit(s, load(manifests, TREE, ["val"], reading="stream"), config(**PAIR))
    memory = read_weights(tmp_path / "model.safetensors")
    assert all(torch.equal(value, memory[name]) for name, value in record.model.state_dict().items())


def test_a_missing_tar_is_named(manifests, tmp_path):
    table = pd.read_parquet(manifests[0])
    path = write_table(table, tmp_path / "manifest.parquet")
    with pytest.raises(MissingError, match=r"a tar file must be at .*original.*\.tar, found none"):
        load([path], TREE, ["train"], reading="stream")


def copied(manifests: list[Path], tmp_path: Path) -> tuple[Path, Path]:
    """The faces alone, in another folder: the manifest, and the tar of its first originals."""
    table = pd.read_parquet(manifests[0])
    for shard in set(table["shard"]) - {""}:
        (tmp_path / shard).parent.mkdir(exist_ok=True)
        (tmp_path / shard).write_bytes((manifests[0].parent / shard).read_bytes())
    return write_table(table, tmp_path / "manifest.parquet"), tmp_path / "d" / "original.tar"


def test_a_member_that_is_not_there_is_named(manifests, tmp_path):
    path, _ = copied(manifests, tmp_path)
    table = pd.read_parquet(path)
    table.loc[2, "member"] = "gone.png"
    write_table(table, path)
    with pytest.raises(MissingError, match=r"original\.tar: must have a member 'gone\.png', found 6 others"):
        load([path], TREE, ["train"], reading="stream")


def cut_off(tar: Path) -> None:
    tar.write_bytes(tar.read_bytes()[:3000])


def overwritten(tar: Path) -> None:
    data = bytearray(tar.read_bytes())
    data[512:530] = bytes(18)
    tar.write_bytes(data)


def replaced(tar: Path) -> None:
    with ShardWriter(tar) as other:
        other.add("first", bytes(700))
        other.add("0/0.png", encode_image(crop(0)))


DAMAGE = {
    "cut off": (cut_off, r"original\.tar: must stay as it was when training began, found no picture of \d+ bytes at"),
    "overwritten": (overwritten, r"original\.tar, 0/0\.png: must be a PNG or JPEG, found \d+ bytes that are none"),
    "replaced": (replaced, r"original\.tar: must stay as it was when training began, found no picture"),
    "removed": (os.remove, r"a tar file must be at .*original\.tar, found none"),
}


@pytest.mark.parametrize("readers", [0, 2])
@pytest.mark.parametrize("name", DAMAGE)
def test_a_tar_that_is_damaged_later_is_named(manifests, tmp_path, name, readers):
    path, tar = copied(manifests, tmp_path)
    s = load([path], TREE, ["train"], reading="stream")
    damage, words = DAMAGE[name]
    damage(tar)
    with pytest.raises(SemdfError, match=words) as found:
        list(steps(s, None, config(pairs=100, readers=readers), 0, 96))
    assert "Traceback" not in str(found.value)


def test_a_tar_that_is_damaged_before_is_named(manifests, tmp_path):
    path, tar = copied(manifests, tmp_path)
    tar.write_bytes(tar.read_bytes()[:3000])
    with pytest.raises(DataError, match=r"shard: .*original\.tar must be a tar file"):
        load([path], TREE, ["train"], reading="stream")


def test_pictures_of_another_size_are_named(manifests, tmp_path):
    path, tar = copied(manifests, tmp_path)
    with ShardWriter(tar) as other:
        for row in pd.read_parquet(path).query("shard == 'd/original.tar'").itertuples():
            side = 100 if row.member == "1/1.png" else 128
            other.add(row.member, encode_image(crop(row.number)[:side, :side]))
    s = load([path], TREE, ["train"], reading="stream")
    with pytest.raises(DataError, match=r"original\.tar, 1/1\.png: .* one size, found \(100, 100, 3\)"):
        s.images[:]


def test_a_table_that_lacks_what_training_needs_is_refused(manifests, tmp_path):
    table = pd.read_parquet(manifests[0])
    for changed, words in (
        (table.drop(columns="pristine"), "must have the columns .*pristine"),
        (table.assign(label=None), "'label' must be text"),
        (table.assign(frame="0"), "'frame' must be a whole number"),
    ):
        path = write_table(changed, tmp_path / "manifest.parquet")
        with pytest.raises(DataError, match=words):
            load([path], TREE, ["train"], reading="stream")
    with pytest.raises(DataError, match=r"'test'.*none"):
        load(manifests, TREE, ["test"], reading="stream")


def test_an_error_of_a_reader_comes_when_its_batch_is_asked_for():
    def work(item: int) -> int:
        if item == 3:
            raise DataError("the fourth is damaged")
        return item

    made = ahead(work, range(10), 2)
    assert [next(made) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(DataError, match="the fourth is damaged"):
        next(made)


def test_readers_end_with_who_asked_them():
    before = threading.active_count()
    made = ahead(abs, range(1000), 3)
    next(made)
    assert before < threading.active_count() <= before + 3
    made.close()
    assert threading.active_count() == before


# -- memory: bounded by what is held, not by what was measured ---------------------------------------------------------


def test_a_stream_decodes_one_picture_until_batches_are_drawn(manifests, monkeypatch):
    decoded = []
    decode = stream.read_image
    monkeypatch.setattr(stream, "read_image", lambda *place: decoded.append(place) or decode(*place))
    s = load(manifests, TREE, ["train"], reading="stream")
    held_out = hold_out(s, 0.4, 1)
    assert len(decoded) == 1
    for part in (s, held_out.lower):  # a picture is held by three numbers, whatever its size
        per_picture = sum(getattr(part.images, name).nbytes for name in ("number", "offset", "size")) / len(part)
        assert per_picture == 20


def test_no_more_batches_are_held_than_readers_may_be_ahead():
    """The readers are given a next batch when one is taken: what is under way never grows."""
    drawn = 0

    def items():
        nonlocal drawn
        for number in range(50):
            drawn += 1
            yield number

    for taken, made in enumerate(ahead(abs, items(), 3), 1):
        assert made == taken - 1
        assert drawn - taken <= 3 * stream.BATCHES
    assert taken == drawn == 50


def test_few_tars_are_open_at_a_time(manifests, monkeypatch):
    monkeypatch.setattr(stream, "OPEN", 2)
    s = load(manifests, TREE, ["train"], reading="stream")
    assert len(s.images.tars) == 6
    folder = Path("/proc/self/fd")
    if not folder.is_dir():
        pytest.skip("needs /proc")
    before = len(list(folder.iterdir()))
    s.images[:]
    assert 0 < len(list(folder.iterdir())) - before <= 2
    list(ahead(s.images.__getitem__, [slice(None)] * 4, 2))
    assert len(list(folder.iterdir())) - before <= 2  # those of threads that ended are closed


def test_texts_of_rows_are_held_once(manifests):
    s = load(manifests, TREE, ["train"], reading="stream")
    texts = s.rows.drop(columns="frame")
    assert all(isinstance(kind, pd.CategoricalDtype) for kind in texts.dtypes)
    assert not {"member", "sample", "shard", "landmarks"} & set(s.rows)
