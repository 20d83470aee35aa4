"""The shipped miniature benchmarks, their plan, and how they are rendered. Only rendering needs `semdf[people]`."""

import importlib.util
import json
import multiprocessing
import os
import shutil
import signal
from collections import Counter
from pathlib import Path

import av
import cv2
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from people.benchmarks.annotations import merge_annotations, write_annotations
from people.benchmarks.picture_plans import FFSC_LABELS, diff_jobs, diffusionface_jobs, ffsc_jobs, ffsc_label
from people.benchmarks.pictures import write_picture
from people.benchmarks.plan import FFPP, FFSC, MANIPULATIONS, PAIRED, Counts, split_pairs
from people.benchmarks.video import write_video
from semdf.artifacts import atomic
from semdf.errors import DataError, ParameterError
from semdf.pipeline import ROOT

pytest.importorskip("numba", reason="needs the extra people: pip install 'semdf[people]'")

DATA = ROOT / "data"
shipped = pytest.mark.skipif(
    not (DATA / "provenance.parquet").is_file(), reason="data/ is not here: dvc pull data.dvc, or make data"
)
needs_head = pytest.mark.skipif(
    importlib.util.find_spec("numba") is None or not (ROOT / "scratch" / "people" / "head.npz").exists(),
    reason="needs numba and the distilled head: pip install 'semdf[people]', make data",
)
LAYOUTS = {
    "FaceForensics++": "faceforensics++",
    "Celeb-DF-v2": "celeb-df-v2",
    "DFDC": "dfdc",
    "FFSC": "ffsc",
    "DeeperForensics-1.0": "deeperforensics-1.0",
    "DiFF": "diff",
    "DiffusionFace": "diffusionface",
}


def provenance() -> pd.DataFrame:
    return pd.read_parquet(DATA / "provenance.parquet")


def stems(folder: Path) -> set[str]:
    return {path.stem for path in folder.glob("*.mp4")}


def look(path: Path) -> np.ndarray:
    """All pictures of a video or file `[T, H, W, 3]`."""
    if path.suffix != ".mp4":
        return cv2.imread(str(path))[None, ..., ::-1]
    with av.open(str(path)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


def splits() -> dict[str, list[list[str]]]:
    return {name: json.loads((DATA / FFPP / f"{name}.json").read_text()) for name in ("train", "val", "test")}


# the shipped data


@shipped
def test_every_item_has_its_file_and_every_file_its_row():
    table = provenance()
    assert table["path"].is_unique
    on_disk = {
        path.relative_to(DATA).as_posix()
        for dataset in LAYOUTS
        for path in (DATA / dataset).rglob("*")
        if path.suffix in (".mp4", ".png", ".jpg")
    }
    assert on_disk == set(table["path"])
    assert set(table["dataset"]) == set(LAYOUTS)


@shipped
@pytest.mark.parametrize("dataset", LAYOUTS)
def test_the_layout_reads_every_file_of_its_data_set(dataset):
    from semdf import layouts

    rows = layouts.load(LAYOUTS[dataset]).read(DATA / dataset)
    rows = rows[rows["status"] == "ok"]
    own = provenance().query("dataset == @dataset")
    read = {f"{dataset}/{path}" for path in rows["path"]}
    shifter = own["manipulation"] == "FaceShifter"
    assert set(own.loc[~shifter, "path"]) <= read <= set(own["path"])
    fakes = dict(zip(own["path"], own["fake"], strict=True))
    assert all((row.label != "real") == fakes[f"{dataset}/{row.path}"] for row in rows.itertuples())


@shipped
def test_every_pair_is_forged_both_ways_by_every_method():
    originals = stems(DATA / FFPP / "original_sequences/youtube/c23/videos")
    pairs = [pair for group in splits().values() for pair in group]
    assert originals == {identity for pair in pairs for identity in pair}
    wanted = {f"{a}_{b}" for a, b in pairs} | {f"{b}_{a}" for a, b in pairs}
    for method in MANIPULATIONS:
        assert stems(DATA / FFPP / f"manipulated_sequences/{method}/c23/videos") == wanted
    wanted = {name for a, b in splits()["test"] for name in (f"{a}_{b}", f"{b}_{a}")}
    assert stems(DATA / FFPP / "manipulated_sequences/FaceShifter/c23/videos") == wanted


@shipped
def test_no_identity_is_in_two_splits():
    count = Counter(identity for group in splits().values() for pair in group for identity in pair)
    assert set(count.values()) == {1}
    for dataset in ("FFSC", "DiFF"):
        table = provenance()
        own = table[table["dataset"] == dataset]
        top = own["path"].str.split("/").str
        split = top[1].where(~own["path"].str.startswith("DiFF/DiFF_real"), top[2])
        assert own.groupby("target")["path"].size().gt(0).all()
        assert split.groupby(own["target"]).nunique().max() == 1
        sources = own[own["source"] != ""]
        home = dict(zip(own["target"], split, strict=True))
        known = sources[sources["source"].isin(home)]
        assert (known["source"].map(home) == split[known.index]).all()


@shipped
def test_lists_name_every_video_with_its_label():
    celeb = DATA / "Celeb-DF-v2"
    lines = [line.split() for line in (celeb / "List_of_testing_videos.txt").read_text().splitlines()]
    listed = {path: label for label, path in lines}
    assert set(listed) == {path.relative_to(celeb).as_posix() for path in celeb.glob("*/*.mp4")}
    assert all((label == "0") == path.startswith("Celeb-synthesis/") for path, label in listed.items())
    labels = pd.read_csv(DATA / "DFDC/test/labels.csv")
    assert set(labels["filename"]) == {path.name for path in (DATA / "DFDC/test/videos").glob("*.mp4")}
    fakes = provenance().query("dataset == 'DFDC' and fake")["path"].str.rsplit("/", n=1).str[1]
    assert set(labels.query("label == 1")["filename"]) == set(fakes)


@shipped
@pytest.mark.parametrize("dataset", LAYOUTS)
def test_every_item_has_annotations(dataset):
    table = provenance().query("dataset == @dataset")
    keys = table["path"].str.removeprefix(f"{dataset}/").str.rsplit(".", n=1).str[0]
    with np.load(DATA / "annotations" / f"{dataset}.npz") as members:
        wanted = {f"{key}/{part}" for key in keys for part in ("landmarks", "regions")}
        assert set(members.files) == wanted | {f"{key}/forged" for key in keys[table["fake"]]}
        for row, key in list(zip(table.itertuples(), keys, strict=True))[:: max(1, len(keys) // 8)]:
            landmarks, regions = members[f"{key}/landmarks"], members[f"{key}/regions"]
            pictures = look(DATA / row.path)
            assert pictures.shape == (*regions.shape, 3)
            assert landmarks.shape == (len(pictures), 68, 2) and landmarks.dtype == np.float32
            assert regions.dtype == np.uint8
            centre = landmarks.mean(1) - np.array(regions.shape[2:0:-1]) / 2
            assert np.abs(centre).max() < 40, "the face is about the middle"
            if row.fake:
                altered = members[f"{key}/forged"]
                assert altered.shape == regions.shape and set(np.unique(altered)) <= {0, 1}
                assert altered.min() == 1 if row.area == "whole" else 0.002 < altered.mean() < 0.4


@shipped
def test_real_and_forged_videos_look_alike_to_the_container():
    """Same frame count and size, and outside the forged pixels nearly the same picture."""
    with np.load(DATA / "annotations" / "FaceForensics++.npz") as members:
        for a, b in splits()["val"][:2]:
            real = look(DATA / FFPP / f"original_sequences/youtube/c23/videos/{a}.mp4")
            for method in MANIPULATIONS:
                path = f"manipulated_sequences/{method}/c23/videos/{a}_{b}"
                fake = look(DATA / FFPP / f"{path}.mp4")
                assert fake.shape == real.shape
                difference = np.abs(fake.astype(int) - real).mean(-1)
                altered = members[f"{path}/forged"] > 0
                assert difference[altered].mean() > 1.5 * difference[~altered].mean()
                assert difference[~altered].mean() < 2


@shipped
def test_faces_have_the_promised_size():
    with np.load(DATA / "annotations" / "FaceForensics++.npz") as members:
        names = [name for name in members.files if name.startswith("original") and name.endswith("landmarks")]
        heights = []
        for name in names[:60]:
            points = members[name][0]
            heights.append(points[8, 1] - points[17:27, 1].mean())
    assert 65 < np.median(heights) < 95


@shipped
def test_headers_never_tell_real_from_forged():
    """Codec parameters and sizes of pictures and videos are those of the pristine item."""
    from people.audit.shortcuts import domains, measure_file

    for name, rows in domains(provenance()).items():
        real = rows[~rows["fake"]].set_index("target")["path"]
        fakes = rows[rows["fake"] & rows["target"].isin(real.index)]
        for row in fakes.iloc[:: max(1, len(fakes) // 3)].itertuples():
            one, two = (measure_file(DATA / path) for path in (row.path, real[row.target]))
            same = {key for key in one if key.startswith("headers.") and key != "headers.chunks"}
            assert all(one[key] == two[key] for key in same), (name, row.path)


# what the provenance says of them


@pytest.fixture
def drawable(monkeypatch) -> bool:
    """Whether the distilled head is here. Without it people are drawn all the same, but for their `local` changes, of
    which the head alone has the names: others take their place, as many and as many of them left and right."""
    from people.scenes import casting

    if (ROOT / "scratch" / "people" / "head.npz").is_file():
        return True
    whole = [name for name in casting.FEMININE if not name.startswith("*")]
    sides = [name[2:] for name in casting.FEMININE if name.startswith("*-")]
    sides += [f"side {i}" for i in range(31 - len(sides))]
    names = [*whole, *(f"{side}-{name}" for name in sides for side in "lr")]
    names += [f"other {i}" for i in range(139 - len(names))]

    class Names:
        local_names = tuple(names)

    monkeypatch.setattr(casting.heads, "load", lambda: Names)
    return False


def stated(row: dict, drawable: bool) -> dict:
    """A row of the provenance as far as it can be drawn here."""
    if drawable:
        return dict(row)
    return {**row, "person": {name: value for name, value in json.loads(row["person"]).items() if name != "local"}}


def alike(stated: object, value: object) -> bool:
    """Equal words and arrays, and numbers that are equal but for their last bits: a person's melanin comes out of a
    matrix product, whose last bit is that of the kernel which a library chooses for the processor."""
    if isinstance(value, float):
        return bool(np.isclose(stated, value, rtol=1e-12, atol=0))
    return np.array_equal(stated, value)


def drawn(row) -> dict:
    """The row as domain, seed, identity, clip and method of the item draw it: nothing else of it is looked at."""
    from people.benchmarks import jobs
    from people.benchmarks.domains import draw_target
    from people.benchmarks.donors import donor_scene
    from people.benchmarks.plan import Forgery, Job
    from people.benchmarks.provenance import describe_forgery, describe_pristine
    from people.forging.methods import METHODS

    path = row.path.removeprefix(f"{row.dataset}/")
    domain, identity, clip = row.target.split("/")
    target = draw_target(domain, row.seed, int(identity), int(clip))
    job = Job(row.dataset, domain, row.seed, int(identity), int(clip), path)
    if not row.fake:
        return describe_pristine(job, target, jobs._draw_codec(job))
    domain, identity, clip = row.source.split("/")
    forgery = Forgery(row.manipulation, path, int(identity), int(clip), domain)
    settings = jobs._draw_settings(job, forgery)
    source = draw_target(domain, row.seed, int(identity), int(clip))
    donor = donor_scene(METHODS[row.manipulation].donor, target, source, 0, settings.seed)
    return describe_forgery(job, forgery, donor, settings, jobs._draw_codec(job))


@shipped
@needs_head
def test_the_plan_has_every_item_with_its_people_and_method():
    from people.benchmarks.build import plan_jobs

    planned = {}
    for job in plan_jobs(Counts(), 0):
        target = f"{job.domain}/{job.identity}/{job.clip}"
        if job.path:
            planned[f"{job.dataset}/{job.path}"] = (target, "", "", False, job.seed)
        for f in job.forgeries:
            source = f"{f.domain}/{f.identity}/{f.clip}"
            planned[f"{job.dataset}/{f.path}"] = (target, source, f.method, True, job.seed)
    table = provenance().set_index("path")[["target", "source", "manipulation", "fake", "seed"]]
    assert dict(zip(table.index, table.itertuples(index=False, name=None), strict=True)) == planned


@shipped
@pytest.mark.parametrize("dataset", LAYOUTS)
def test_seed_person_and_clip_draw_what_the_provenance_states(dataset, drawable):
    """Two items of every method and eight pristine ones, drawn anew without rendering: every field of their rows."""
    own = provenance().query("dataset == @dataset")
    forged = own[own["fake"]].groupby("manipulation").nth([0, -1])
    real = own[~own["fake"]]
    for row in pd.concat([forged, real.iloc[:: max(1, len(real) // 8)][:8]]).itertuples(index=False):
        assert stated(drawn(row), drawable) == stated(row._asdict(), drawable), row.path
    assert set(forged["manipulation"]) == set(own.loc[own["fake"], "manipulation"])


@shipped
def test_seed_and_number_draw_the_people_of_the_stills(drawable):
    from people.benchmarks.stills import _flatten, draw_stills

    table = pd.read_parquet(DATA / "people" / "manifest.parquet")
    for identity in range(0, table["identity"].max() + 1, 37):
        own = table[table["identity"] == identity].to_dict("records")
        for still, row in zip(draw_stills(0, identity), own, strict=True):
            assert still.change == row["change"]
            for name, value in _flatten(still.scene).items():
                if drawable or name != "person.local":
                    assert alike(row[f"scene.{name}"], value), (row["id"], name)


@shipped
def test_another_person_or_clip_draws_another_row(drawable):
    table = provenance()
    row = next(table[table["fake"] & (table["donor"] == "identity")].itertuples(index=False))
    domain, identity, clip = row.source.split("/")
    other = drawn(row._replace(source=f"{domain}/{int(identity) + 1}/{clip}"))
    assert {name for name in ("person", "age") if other[name] != getattr(row, name)} == {"person", "age"}
    domain, identity, clip = row.target.split("/")
    assert drawn(row._replace(target=f"{domain}/{identity}/{int(clip) + 7}"))["scene"] != row.scene


# the plan


def test_plan_of_a_small_benchmark():
    from people.benchmarks.video_plans import celeb_jobs, dfdc_jobs, ffpp_jobs

    counts = Counts().scaled(0.1)
    pairs = [identity for group in split_pairs(counts, 1).values() for pair in group for identity in pair]
    assert sorted(pairs) == [f"{i:03d}" for i in range(counts.identities)]
    for plan in (ffpp_jobs, celeb_jobs, dfdc_jobs, ffsc_jobs, diff_jobs, diffusionface_jobs):
        jobs = list(plan(counts, 1))
        assert jobs == list(plan(counts, 1)) and len({job.name for job in jobs}) == len(jobs)
        paths = [job.path for job in jobs] + [forgery.path for job in jobs for forgery in job.forgeries]
        assert len(set(paths)) == len(paths)
        assert all(job.identity != forgery.identity for job in jobs for forgery in job.forgeries)


@pytest.mark.parametrize("count", [1.5, 0, -3])
def test_a_count_out_of_range_is_refused_by_name(count):
    with pytest.raises(ParameterError, match=f"train_pairs: must be a whole number of at least 1, found {count}"):
        Counts(train_pairs=count)
    with pytest.raises(ParameterError, match="scale: must be above 0 and at most 4, found -1"):
        Counts().scaled(-1)


def test_ffsc_digits_are_those_of_its_manipulation():
    jobs = list(ffsc_jobs(Counts().scaled(0.3), 0))
    found = {forgery.method: ffsc_label(forgery.path) for job in jobs for forgery in job.forgeries}
    assert len(found) == 16
    assert found["FNeVR"] == "100001111111" and found["BlendFace"] == "120010111111"
    assert found["diffae-gender"] == "120110111101" and found["fomm-expr"] == "101000101111"
    assert {ffsc_label(job.path) for job in jobs} == {"000000000000"}
    assert all(len(digits) == 12 for digits in FFSC_LABELS.values())


# files


def test_annotation_bytes_are_stable_and_merge_without_loss(tmp_path):
    members = {
        "b/regions": np.arange(12, dtype=np.uint8).reshape(1, 3, 4),
        "a/landmarks": np.zeros((1, 68, 2)),
        "a/b/landmarks": np.ones((1, 68, 2)),
    }
    write_annotations(tmp_path / "one.npz", members)
    write_annotations(tmp_path / "two.npz", dict(reversed(members.items())))
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()
    for number, names in enumerate((["b/regions"], ["a/b/landmarks", "a/landmarks"])):
        write_annotations(tmp_path / f"part{number}.npz", {name: members[name] for name in names})
    parts = [tmp_path / "part0.npz", tmp_path / "part1.npz"]
    merge_annotations(tmp_path / "merged.npz", parts)
    assert (tmp_path / "merged.npz").read_bytes() == (tmp_path / "one.npz").read_bytes()
    with np.load(tmp_path / "merged.npz") as read:
        assert set(read.files) == set(members)
        assert all(np.array_equal(read[name], members[name]) for name in members)
    with pytest.raises(DataError, match="one part alone"):
        merge_annotations(tmp_path / "twice.npz", parts + parts[:1])


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
    assert look(tmp_path / "video.mp4").shape == (8, 192, 192, 3)


def test_a_png_holds_the_decoded_jpeg(tmp_path):
    image = np.random.default_rng(1).integers(0, 255, (40, 40, 3), np.uint8)
    for name in ("a.png", "b.jpg"):
        write_picture(tmp_path / name, image, 90, "420")
    assert np.array_equal(cv2.imread(str(tmp_path / "a.png")), cv2.imread(str(tmp_path / "b.jpg")))
    for wrong in (dict(quality=0, chroma="420"), dict(quality=90, chroma="422")):
        with pytest.raises(ParameterError, match="must be .*, found"):
            write_picture(tmp_path / "c.png", image, **wrong)


def test_a_failed_write_leaves_nothing(tmp_path):
    with pytest.raises(RuntimeError), atomic(tmp_path / "file.bin") as temporary:
        temporary.write_bytes(b"half")
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


# rendering

TINY = {**dict.fromkeys(vars(Counts()), 1), **dict.fromkeys(PAIRED, 2), "celebrities": 3}


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


@pytest.fixture
def cheap(monkeypatch):
    """Jobs that write random pictures instead of rendering people."""
    from people.benchmarks import build, jobs

    def run(job, root):
        members, rows = {}, []
        for path, fake in [(job.path, False), *((forgery.path, True) for forgery in job.forgeries)]:
            rng = np.random.default_rng(len(path) + fake)
            write_picture(root / job.dataset / path, rng.integers(0, 255, (16, 16, 3), np.uint8), 90, "420")
            members[f"{path}/landmarks"] = rng.random((1, 68, 2))
            row = dict(dataset=job.dataset, path=f"{job.dataset}/{path}", fake=fake, source="")
            row.update(target=f"{job.identity}/0", manipulation="BlendFace" if fake else "")
            rows.append(row)
        return jobs.Made(members, rows)

    class Serial:
        def __init__(self, workers, context):
            assert context.get_start_method() == "spawn", "a fork copies the locks that torch holds while it distils"

        __enter__, __exit__ = (lambda self: self), (lambda self, *error: None)
        shutdown = staticmethod(lambda **options: None)

        def submit(self, function, *arguments):
            from concurrent.futures import Future

            future = Future()
            try:
                future.set_result(function(*arguments))
            except OSError as error:
                future.set_exception(error)
            return future

    monkeypatch.setattr(jobs, "_run", run)
    monkeypatch.setattr(build, "ProcessPoolExecutor", Serial)
    monkeypatch.setattr(build, "ensure_head", lambda: Path(__file__))
    return build


def test_a_full_disk_leaves_nothing_half_and_the_next_run_goes_on(tmp_path, cheap, monkeypatch):
    """The disk is full at every tenth file in turn; what `out` held stays, and in the end the bytes are the same."""
    from people.benchmarks import jobs

    counts, out = Counts(**TINY), tmp_path / "data"
    cheap.render_benchmarks(tmp_path / "whole", counts, 0, only=[FFSC])
    out.mkdir()
    (out / "mine.txt").write_text("not of the benchmarks")
    real, written = jobs.write_annotations, []

    def full(path, members):
        written.append(path)
        if len(written) % 3 == 0:
            path.write_bytes(b"half")
            raise OSError(28, "No space left on device")
        real(path, members)

    monkeypatch.setattr(jobs, "write_annotations", full)
    failures = 0
    while not (out / FFSC).is_dir():
        try:
            cheap.render_benchmarks(out, counts, 0, only=[FFSC])
        except OSError:
            failures += 1
            assert contents(out) == {"mine.txt": b"not of the benchmarks"}
            left = [path for path in tmp_path.glob("rendering-*/*") if path.name.startswith(".")]
            assert left == [], "no part without its end"
        assert failures < 9
    assert failures >= 1 and len(written) < 3 * (failures + 1) + 3, "finished jobs were not made again"
    assert contents(out) == contents(tmp_path / "whole") | {"mine.txt": b"not of the benchmarks"}
    assert {path.name for path in tmp_path.iterdir()} == {"data", "whole"}, "scratch is tidy"


def test_a_kill_leaves_nothing_that_counts_as_whole(tmp_path, cheap):
    context = multiprocessing.get_context("fork")
    process = context.Process(target=_render_killed, args=(tmp_path / "data",))
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    done = list(tmp_path.glob("rendering-*/*"))
    assert [path for path in done if path.name.startswith(".")], "the kill came in the middle of a job"
    assert not (tmp_path / "data").exists()
    cheap.render_benchmarks(tmp_path / "data", Counts(**TINY), 0, only=[FFSC])
    cheap.render_benchmarks(tmp_path / "whole", Counts(**TINY), 0, only=[FFSC])
    assert contents(tmp_path / "data") == contents(tmp_path / "whole")


def _render_killed(out: Path) -> None:
    """Rendering (with the cheap jobs of the parent) that is killed while the third job writes."""
    from people.benchmarks import build, jobs

    real, count = jobs.write_annotations, []

    def deadly(path, members):
        count.append(path)
        if len(count) == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        real(path, members)

    jobs.write_annotations = deadly
    build.render_benchmarks(out, Counts(**TINY), 0, only=[FFSC])


@needs_head
def test_one_data_set_anew_leaves_the_others(tmp_path, cheap):
    out, counts = tmp_path / "data", Counts(**TINY)
    cheap.render_benchmarks(out, counts, 0, only=[FFSC, "DiFF"])
    before = contents(out)
    rate = cheap.render_benchmarks(out, counts, 0, only=["DiFF"])
    assert rate > 0 and contents(out) == before
    assert set(pd.read_parquet(out / "provenance.parquet")["dataset"]) == {"FFSC", "DiFF"}


@needs_head
def test_a_kill_between_the_two_renames_loses_nothing(tmp_path, cheap, monkeypatch):
    out, counts = tmp_path / "data", Counts(**TINY)
    cheap.render_benchmarks(out, counts, 0, only=[FFSC])
    before = contents(out)
    out.rename(tmp_path / ".data.1.old")
    (tmp_path / ".data.1.part").mkdir()
    cheap.render_benchmarks(out, counts, 0, only=["DiFF"])
    assert before.items() - contents(out).items() == {
        item for item in before.items() if item[0] in ("README.md", "provenance.parquet")
    }
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


@needs_head
def test_wrong_parameters_are_refused_by_name(tmp_path):
    from people.benchmarks.build import main, render_benchmarks

    for wrong, said in (
        (dict(workers=0), "workers: must be at least 1, found 0"),
        (dict(seed=-1), "seed: must be at least 0, found -1"),
        (dict(stills=-5), "stills: must be at least 0, found -5"),
        (dict(only=["DF"]), "only: must be among FaceForensics.*, found 'DF'"),
    ):
        with pytest.raises(ParameterError, match=said):
            render_benchmarks(tmp_path / "out", Counts(), **{"seed": 0, **wrong})
    answer = CliRunner().invoke(main, ["--out", str(tmp_path / "out"), "--scale", "9"])
    assert answer.exit_code == 1 and "scale: must be above 0 and at most 4, found 9" in answer.output
    assert not (tmp_path / "out").exists()


@needs_head
def test_equal_jobs_write_equal_bytes(tmp_path):
    from people.benchmarks.jobs import run_job

    job = next(job for job in diffusionface_jobs(Counts(**TINY), seed=3) if job.forgeries)
    job = type(job)(**{**vars(job), "forgeries": job.forgeries[:2]})
    one, two = (run_job(job, tmp_path / name) for name in ("one", "two"))
    assert one.keys() == two.keys() and all(np.array_equal(one[name], two[name]) for name in one)
    assert len(contents(tmp_path / "one")) == 3 and contents(tmp_path / "one") == contents(tmp_path / "two")


@shipped
@needs_head
@pytest.mark.parametrize("dataset, most", [(FFSC, 1.0), (FFPP, 4.0)])
def test_a_job_rendered_anew_shows_what_is_shipped(tmp_path, dataset, most):
    """Equal bytes on the processor that rendered the data; elsewhere rounding, which a codec of videos enlarges."""
    from people.audit.compare import compare
    from people.benchmarks.build import plan_jobs
    from people.benchmarks.jobs import finish_job

    job = next(job for job in plan_jobs(Counts(), 0, [dataset]) if len(job.forgeries) > 3)
    finish_job(job, tmp_path)
    made = tmp_path / job.name / "files"
    for path in [path.relative_to(made) for path in made.rglob("*") if path.is_file()]:
        (tmp_path / "shipped" / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / "data" / path, tmp_path / "shipped" / path)
    table = compare(made, tmp_path / "shipped")
    assert table["files"].sum() == 1 + len(job.forgeries) and not "".join(table["other"])
    assert table["largest"].max() < most
