"""The rendered people and the shipped miniature benchmarks. Only tests of rendering need `semdf[people]`."""

import importlib
import importlib.util
import json
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest

from semdf import ROOT
from semdf.errors import MissingError
from semdf.people.annotations import write_annotations
from semdf.people.distil import distil
from semdf.people.files import replace_file
from semdf.people.video import write_video

DATA = ROOT / "data"
FFPP, CELEB = DATA / "FaceForensics++", DATA / "Celeb-DF-v2"
MANIPULATIONS = ("Deepfakes", "Face2Face", "FaceSwap", "NeuralTextures")
HEAD = ROOT / "scratch" / "people" / "head.npz"

shipped = pytest.mark.skipif(
    not (DATA / "annotations").is_dir(), reason="data/ is not here: dvc pull data.dvc, or make data"
)
needs_head = pytest.mark.skipif(
    importlib.util.find_spec("numba") is None or not HEAD.exists(),
    reason="needs numba and the distilled head: pip install 'semdf[people]', make data",
)


def stems(folder: Path) -> set[str]:
    return {path.stem for path in folder.glob("*.mp4")}


def decode(path: Path) -> np.ndarray:
    with av.open(str(path)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


def splits() -> dict[str, list[list[str]]]:
    return {name: json.loads((FFPP / f"{name}.json").read_text()) for name in ("train", "val", "test")}


@shipped
def test_every_pair_is_forged_both_ways_by_every_method():
    originals = stems(FFPP / "original_sequences/youtube/c23/videos")
    pairs = [pair for group in splits().values() for pair in group]
    assert originals == {identity for pair in pairs for identity in pair}
    wanted = {f"{a}_{b}" for a, b in pairs} | {f"{b}_{a}" for a, b in pairs}
    for method in MANIPULATIONS:
        assert stems(FFPP / f"manipulated_sequences/{method}/c23/videos") == wanted


@shipped
def test_no_identity_is_in_two_splits():
    count = Counter(identity for group in splits().values() for pair in group for identity in pair)
    assert set(count.values()) == {1}


@shipped
def test_list_of_testing_videos_names_every_celeb_video_with_its_label():
    lines = [line.split() for line in (CELEB / "List_of_testing_videos.txt").read_text().splitlines()]
    listed = {path: label for label, path in lines}
    assert set(listed) == {path.relative_to(CELEB).as_posix() for path in CELEB.glob("*/*.mp4")}
    assert all((label == "0") == path.startswith("Celeb-synthesis/") for path, label in listed.items())


@shipped
@pytest.mark.parametrize("root", [FFPP, CELEB], ids=lambda root: root.name)
def test_every_video_has_annotations(root):
    with np.load(DATA / "annotations" / f"{root.name}.npz") as members:
        names = set(members.files)
        keys = [path.relative_to(root).with_suffix("").as_posix() for path in sorted(root.rglob("*.mp4"))]
        forged = {key for key in keys if key.startswith(("manipulated_sequences", "Celeb-synthesis"))}
        wanted = {f"{key}/{part}" for key in keys for part in ("landmarks", "regions")}
        assert names == wanted | {f"{key}/forged" for key in forged}
        for key in keys[:: max(1, len(keys) // 12)]:
            landmarks, regions = members[f"{key}/landmarks"], members[f"{key}/regions"]
            frames = decode(root / f"{key}.mp4")
            assert frames.shape == (*regions.shape, 3)
            assert landmarks.shape == (len(frames), 68, 2) and landmarks.dtype == np.float32
            assert regions.dtype == np.uint8
            assert np.all((landmarks > 0) & (landmarks < regions.shape[1]))
            if key in forged:
                altered = members[f"{key}/forged"]
                assert altered.shape == regions.shape and set(np.unique(altered)) <= {0, 1}
                assert 0.002 < altered.mean() < 0.3


@shipped
def test_landmarks_lie_in_their_regions():
    """Oracle: the mouth's landmarks fall on the mouth's mask, the eyes' on the eyes'."""
    bits = {"eye": (slice(36, 48), 2), "mouth": (slice(48, 68), 32), "nose": (slice(28, 31), 8)}
    with np.load(DATA / "annotations" / "FaceForensics++.npz") as members:
        folder = "original_sequences/youtube/c23/videos"
        hits = {name: [] for name in bits}
        for key in sorted(stems(FFPP / folder))[:20]:
            landmarks = members[f"{folder}/{key}/landmarks"][0].round().astype(int)
            regions = members[f"{folder}/{key}/regions"][0]
            for name, (where, bit) in bits.items():
                x, y = landmarks[where].T
                hits[name].append((regions[y, x] & bit > 0).mean())
    assert {name: float(np.mean(share)) > 0.75 for name, share in hits.items()} == dict.fromkeys(bits, True)


@shipped
def test_real_and_forged_videos_look_alike_to_the_container():
    """Same frame count and size, and outside the forged pixels nearly the same picture."""
    with np.load(DATA / "annotations" / "FaceForensics++.npz") as members:
        for a, b in splits()["val"][:2]:
            real = decode(FFPP / f"original_sequences/youtube/c23/videos/{a}.mp4")
            for method in MANIPULATIONS:
                path = f"manipulated_sequences/{method}/c23/videos/{a}_{b}"
                fake = decode(FFPP / f"{path}.mp4")
                assert fake.shape == real.shape
                difference = np.abs(fake.astype(int) - real).mean(-1)
                altered = members[f"{path}/forged"] > 0
                assert difference[altered].mean() > 2 * difference[~altered].mean()
                assert difference[~altered].mean() < 2


@shipped
def test_faces_have_the_promised_size():
    with np.load(DATA / "annotations" / "FaceForensics++.npz") as members:
        names = [name for name in members.files if name.startswith("original") and name.endswith("landmarks")]
        heights = []
        for name in names[:60]:
            points = members[name][0]
            heights.append(points[8, 1] - points[17:27, 1].mean())
            centre = (points.min(0) + points.max(0)) / 2
            assert np.all((centre > 64) & (centre < 128)), "a 128 px crop fits"
    assert 65 < np.median(heights) < 95


def test_annotation_bytes_are_stable(tmp_path):
    members = {
        "b/regions": np.arange(12, dtype=np.uint8).reshape(1, 3, 4),
        "a/landmarks": np.zeros((1, 68, 2)),
    }
    write_annotations(tmp_path / "one.npz", members)
    write_annotations(tmp_path / "two.npz", dict(reversed(members.items())))
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()
    with np.load(tmp_path / "one.npz") as read:
        assert np.array_equal(read["b/regions"], members["b/regions"])


def test_video_bytes_are_stable(tmp_path):
    """With macroblock trees, x264 wrote other bytes each time that memory was reused."""
    rng = np.random.default_rng(0)
    wide = np.cumsum(rng.normal(0, 3, (220, 220, 3)), axis=1) + 128
    frames = [np.clip(wide[i : i + 192, i : i + 192], 0, 255).astype(np.uint8) for i in range(8)]
    contents = set()
    for turn in range(4):
        junk = [rng.integers(0, 255, 100_000 * (turn + k + 1), dtype=np.uint8) for k in range(3)]
        del junk
        write_video(tmp_path / "video.mp4", frames, crf=18)
        contents.add((tmp_path / "video.mp4").read_bytes())
    assert len(contents) == 1
    assert decode(tmp_path / "video.mp4").shape == (8, 192, 192, 3)


def test_a_failed_write_leaves_nothing(tmp_path):
    with pytest.raises(RuntimeError), replace_file(tmp_path / "file.bin") as temporary:
        temporary.write_bytes(b"half")
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("package", ["numba", "anny"])
def test_a_missing_package_is_named(monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.setitem(sys.modules, "warp", None)
    monkeypatch.setenv("ANNY_CACHE_DIR", "unused")
    monkeypatch.delitem(sys.modules, "semdf.people.compiled", raising=False)
    with pytest.raises(MissingError, match=rf"{package}: .*semdf\[people\]"):
        if package == "numba":
            importlib.import_module("semdf.people.compiled")
        distil(Path("unused.npz"))


@needs_head
def test_equal_seeds_give_equal_pictures():
    from semdf.people.casting import draw_scene
    from semdf.people.render import photograph, render

    one, two = (draw_scene(np.random.default_rng(5)) for _ in range(2))
    picture = photograph(one)
    assert np.array_equal(picture, photograph(two))
    assert not np.array_equal(picture, photograph(one, frame=1)), "noise differs from frame to frame"
    regions = render(one).regions
    assert all((regions & bit).any() for bit in (1, 2, 4, 8, 16, 32, 128))


@needs_head
def test_equal_jobs_write_equal_bytes(tmp_path):
    from semdf.people.benchmarks import run_job
    from semdf.people.plan import CELEB, Counts, celeb_jobs

    job = list(celeb_jobs(Counts(celebrities=3, clips=1, swaps=1), seed=3))[0]
    one, two = (run_job(job, tmp_path / name) for name in ("one", "two"))
    assert one.keys() == two.keys() and all(np.array_equal(one[name], two[name]) for name in one)
    paths = sorted(path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*.mp4"))
    assert len(paths) == 2 and paths[0].parts[0] == CELEB
    assert all((tmp_path / "one" / path).read_bytes() == (tmp_path / "two" / path).read_bytes() for path in paths)


def test_plan_of_a_small_benchmark():
    from semdf.people.plan import Counts, celeb_jobs, ffpp_jobs, split_pairs

    counts = Counts().scaled(0.1)
    pairs = [identity for group in split_pairs(counts, 1).values() for pair in group for identity in pair]
    assert sorted(pairs) == [f"{i:03d}" for i in range(counts.identities)]
    jobs = [*ffpp_jobs(counts, 1), *celeb_jobs(counts, 1)]
    paths = [job.path for job in jobs] + [forgery[1] for job in jobs for forgery in job.forgeries]
    assert len(set(paths)) == len(paths)
    assert all(job.identity != forgery[2] for job in jobs for forgery in job.forgeries)


@needs_head
def test_a_window_shows_the_same_face():
    from semdf.people.casting import draw_scene
    from semdf.people.render import render

    scene = draw_scene(np.random.default_rng(6))
    whole, part = render(scene), render(scene, (40, 40, 152, 160))
    inner = slice(60, 140), slice(60, 130)
    assert np.abs(whole.light[inner] - part.light[inner]).mean() < 0.01
    assert np.mean(whole.regions[inner] == part.regions[inner]) > 0.999
    assert np.array_equal(whole.landmarks, part.landmarks)


@needs_head
def test_pasting_changes_the_face_alone():
    from semdf.people.casting import draw_camera
    from semdf.people.forgeries import FORGERIES, Shown, draw_settings, paste
    from semdf.people.motion import draw_clip
    from semdf.people.render import photograph, render

    def show(scene):
        picture = render(scene)
        return Shown(photograph(scene), picture.regions, picture.landmarks)

    rng = np.random.default_rng(7)
    clip, other = (draw_clip(rng, 2, draw_camera(rng)) for _ in range(2))
    target, donor = show(clip.scene(0)), show(clip.scene(0, person=other.person))
    for method in FORGERIES:
        shown, forged = paste(method, target, donor, draw_settings(method, np.random.default_rng(8)))
        changed = (shown.image != target.image).any(-1)
        assert forged.any() and np.mean(changed & (forged == 0)) < 0.002
        background = (target.regions | donor.regions) == 0
        assert forged[background].mean() < 0.02
        assert shown.landmarks.shape == (68, 2)


@needs_head
def test_landmarks_follow_the_expression():
    from semdf.people.casting import draw_scene
    from semdf.people.expressions import compose
    from semdf.people.parameters import Pose
    from semdf.people.render import render

    scene = replace(draw_scene(np.random.default_rng(9)), pose=Pose())
    rest, shout = (render(replace(scene, expression=compose(name))).landmarks for name in ("neutral", "shout"))
    gap = [points[66, 1] - points[62, 1] for points in (rest, shout)]
    assert gap[1] > gap[0] + 3
    assert np.abs(rest[27:31] - shout[27:31]).max() < 2
    assert rest[0, 0] < rest[8, 0] < rest[16, 0] and rest[36, 0] < rest[42, 0], "iBUG order"
