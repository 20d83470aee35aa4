"""Whatever a file holds, reading it ends: with what it says, or with an error of the package that names it.

`CASES` of them with every run of the tests; 25 times as many, others each time, with HYPOTHESIS_PROFILE=nightly.
"""

import copy
import io
import json
import os
import zipfile
from math import prod

import cv2
import numpy as np
import pandas as pd
import pytest
import torch
from _fuzz import LIMIT, Reader
from _media import draw, landmarks, moving, write_video
from _trees import PLACES, dfdc, own_table
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from semdf import layouts, params
from semdf.artifacts import read_table, write_table, write_weights
from semdf.errors import DataError, SemdfError
from semdf.evaluation import evaluate, interchange
from semdf.extraction.extract import extract
from semdf.faces.finders import Whole
from semdf.forging.expand import expand
from semdf.layouts import protocols, tree
from semdf.method import hierarchy
from semdf.pipeline import ROOT, literature
from semdf.storage.manifest import join
from semdf.storage.tars import ShardWriter, encode_png
from semdf.training.datasets import load

#: Inputs that are made up from bytes or cells of good ones, the hand-written ones apart.
CASES, NIGHTLY_CASES = 1120, 28_000
NIGHTLY = os.environ.get("HYPOTHESIS_PROFILE") == "nightly"
TREE = hierarchy.load("ffpp")


def fuzzed(count: int):
    """So many examples, the same each time; many more, and new ones, at night."""
    return settings(
        max_examples=count * (25 if NIGHTLY else 1),
        deadline=None,
        database=None,
        derandomize=not NIGHTLY,
        suppress_health_check=list(HealthCheck),
    )


#: What is done to the bytes of a good file: kind, place as a share of the file, length, new bytes.
EDITS = st.lists(
    st.tuples(
        st.sampled_from(["set", "flip", "cut", "insert", "repeat", "end"]),
        st.floats(0, 1, exclude_max=True) | st.floats(0, 0.02),
        st.integers(1, 200),
        st.binary(min_size=1, max_size=6) | st.sampled_from([b"\xff" * 4, b"\x7f\xff\xff\xff", b"\0" * 8, b"\x80"]),
    ),
    min_size=1,
    max_size=6,
)


def edited(data: bytes, edits: list[tuple[str, float, int, bytes]]) -> bytes:
    """The bytes after all edits."""
    for kind, share, length, new in edits:
        at = int(share * len(data))
        match kind:
            case "set":
                data = data[:at] + new + data[at + len(new) :]
            case "flip":
                data = data[:at] + bytes(b ^ 1 << length % 8 for b in data[at : at + 1]) + data[at + 1 :]
            case "cut":
                data = data[:at] + data[at + length :]
            case "insert":
                data = data[:at] + new + data[at:]
            case "repeat":
                data = data[: at + length] + data[at:]
            case "end":
                data = data[: max(at, 1)]
    return data


@pytest.fixture(scope="module")
def reader():
    reader = Reader()
    yield reader
    reader.close()


def ask(reader: Reader, what: str, path) -> dict:
    """The answer about a file, which is one that may be given."""
    answer = reader.ask(what, path)
    assert answer["kind"] in ("good", "refused"), answer
    assert answer["kind"] == "good" or path.name in answer["said"], answer
    return answer


# -- pictures, videos, tars, tables, weights: in a process of its own ------------------------------------------------


@pytest.fixture(scope="module")
def pictures() -> dict[str, bytes]:
    """A small good picture of every kind, by file name; some under the ending of another kind."""
    image = np.random.default_rng(0).integers(0, 255, (24, 20, 3), dtype=np.uint8)
    files = {}
    forms = {"a.jpg": "JPEG", "b.bmp": "BMP", "c.webp": "WEBP", "d.tif": "TIFF"}
    forms |= {"e.jpeg": "GIF", "f.tiff": "PPM", "g.png": "JPEG2000"}
    for name, form in forms.items():
        data = io.BytesIO()
        Image.fromarray(image).save(data, form)
        files[name] = data.getvalue()
    deep = cv2.imencode(".png", image.astype(np.uint16) * 257)[1].tobytes()
    return files | {"h.png": encode_png(image), "i.png": deep, "j.bmp": cv2.imencode(".pam", image)[1].tobytes()}


@fuzzed(80)
@given(data=st.data(), edits=EDITS)
def test_pictures(reader, pictures, tmp_path, data, edits):
    name = data.draw(st.sampled_from(sorted(pictures)))
    (tmp_path / name).write_bytes(edited(pictures[name], edits))
    answer = ask(reader, "frames", tmp_path / name)
    if answer["kind"] == "good":
        ((height, width, channels),) = answer["shapes"]
        assert height * width <= LIMIT and channels == 3


@pytest.fixture(scope="module")
def videos(data, tmp_path_factory) -> dict[str, bytes]:
    """Two of the smallest shipped videos, and one of each other kind."""
    random = np.random.default_rng(0)
    folder = tmp_path_factory.mktemp("videos")
    smallest = sorted(data.rglob("*.mp4"), key=lambda path: (path.stat().st_size, path.name))[:2]
    made = {
        "c.avi": ("mpeg4", {}),
        "d.webm": ("libvpx-vp9", {"deadline": "realtime", "cpu-used": "8"}),
        "e.ts": ("libx264", {}),
        "f.h264": ("libx264", {}),
        "g.mkv": ("libx265", {"x265-params": "log-level=none"}),
    }
    files = {f"{letter}.mp4": path.read_bytes() for letter, path in zip("ab", smallest, strict=True)}
    for name, (codec, options) in made.items():
        files[name] = write_video(folder / name, moving(8, random), codec=codec, options=options).read_bytes()
    return files


@fuzzed(60)
@given(data=st.data(), edits=EDITS)
def test_videos(reader, videos, tmp_path, data, edits):
    name = data.draw(st.sampled_from(sorted(videos)))
    (tmp_path / name).write_bytes(edited(videos[name], edits))
    answer = ask(reader, "frames", tmp_path / name)
    if answer["kind"] == "good":
        assert answer["shapes"] and len(answer["shapes"]) == len(answer["indices"]) <= 5
        assert all(height * width <= LIMIT and channels == 3 for height, width, channels in answer["shapes"])


def faces(folder, people: int = 4) -> pd.DataFrame:
    """A manifest of drawn faces, whose crops lie in `folder`."""
    with ShardWriter(folder / "d" / "m.tar") as tar:
        for person in range(people):
            tar.add(f"{person}.png", encode_png(draw(landmarks((48, 48), 70), 96, person)))
    points = landmarks((48, 48), 70).ravel().round(3).tolist()
    rows = []
    for n in range(people):
        row = {
            "dataset": "d",
            "manipulation": "original",
            "video": f"d/original/{n}",
            "path": f"{n}.mp4",
            "label": "real",
            "split": "train",
            "target": f"{n}",
            "source": "",
            "pristine": "",
            "compression": "",
            "frame": 0,
            "sample": f"d/original/{n}/0000",
            "shard": "d/m.tar",
            "member": f"{n}.png",
            "regions_member": "",
            "box": [0.0, 0.0, 96.0, 96.0],
            "landmarks": points,
            "score": 1.0,
            "status": "ok",
        }
        rows.append(row)
    return pd.DataFrame(rows)


@pytest.fixture(scope="module")
def products(tmp_path_factory) -> dict[tuple[str, str], bytes]:
    """A good file of every product: (how it is read, its name) -> bytes."""
    folder = tmp_path_factory.mktemp("products")
    manifest = faces(folder)
    state = {"a": torch.arange(6.0), "b": {"c": torch.ones(2, 2)}, "history": [{"epoch": 1}]}
    torch.save(state, folder / "new.pt")
    torch.save(state, folder / "old.pt", _use_new_zipfile_serialization=False)
    write_weights({"a": torch.arange(6.0), "b": torch.ones(2, 2)}, folder / "w.safetensors")
    write_table(manifest, folder / "m.parquet")
    write_table(manifest.drop(columns=["box", "landmarks"]).assign(box="", landmarks=""), folder / "m.csv")
    (folder / "t.tar").write_bytes((folder / "d" / "m.tar").read_bytes())
    points = np.random.default_rng(0).uniform(0, 12, (4, 68, 2)).astype(np.float32)
    maps = np.arange(576, dtype=np.uint8).reshape(4, 12, 12)
    arrays = {"a/landmarks": points, "a/regions": maps, "b/landmarks": points[:2], "c/landmarks": points.astype(int)}
    np.savez(folder / "stored.npz", **arrays)
    np.savez_compressed(folder / "deflated.npz", **arrays)
    for name, method in (("bzip2.npz", zipfile.ZIP_BZIP2), ("lzma.npz", zipfile.ZIP_LZMA)):
        with zipfile.ZipFile(folder / "stored.npz") as old, zipfile.ZipFile(folder / name, "w", method) as new:
            for member in old.namelist():
                new.writestr(member, old.read(member))
    read_as = {
        "new.pt": "tensors",
        "old.pt": "tensors",
        "w.safetensors": "weights",
        "m.parquet": "table",
        "m.csv": "table",
        "t.tar": "tar",
        "stored.npz": "annotations",
        "deflated.npz": "annotations",
        "bzip2.npz": "annotations",
        "lzma.npz": "annotations",
    }
    return {(what, name): (folder / name).read_bytes() for name, what in read_as.items()}


def test_good_products_are_read(reader, products, tmp_path):
    for (what, name), data in products.items():
        (tmp_path / name).write_bytes(data)
        answer = ask(reader, what, tmp_path / name)
        assert answer["kind"] == "good", answer
        if what == "annotations":
            assert answer["faces"] == {"a": [True] * 4, "b": [True, True, False, False], "c": [True] * 4}


@fuzzed(120)
@given(data=st.data(), edits=EDITS)
def test_products(reader, products, tmp_path, data, edits):
    what, name = data.draw(st.sampled_from([product for product in sorted(products) if product[0] != "annotations"]))
    (tmp_path / name).write_bytes(edited(products[what, name], edits))
    ask(reader, what, tmp_path / name)


@fuzzed(120)
@given(data=st.data(), edits=EDITS)
def test_annotations(reader, products, tmp_path, data, edits):
    name = data.draw(st.sampled_from([name for what, name in sorted(products) if what == "annotations"]))
    (tmp_path / name).write_bytes(edited(products["annotations", name], edits))
    ask(reader, "annotations", tmp_path / name)


# -- text: lists, parameters, tables of others -----------------------------------------------------------------------


def ends(work, *names: str):
    """What `work` returns, None if it refuses with an error that has one of the names."""
    assert names and all(names), "an empty name is in every text"
    try:
        return work()
    except SemdfError as error:
        assert any(name in str(error) for name in names), error
        return None


@pytest.mark.parametrize("name", PLACES)
@fuzzed(12)
@given(edits=EDITS)
def test_lists(name, tmp_path, edits):
    make, place = PLACES[name]
    root = tmp_path / "tree"
    good = root / f"{place}.good"
    if not good.exists():
        make(root)
        good.write_bytes((root / place).read_bytes())
    (root / place).write_bytes(edited(good.read_bytes(), edits))
    rows = ends(lambda: layouts.load(name).read(root), place.rpartition("/")[2])
    if rows is not None:
        assert len(rows) and rows["status"].isin(["ok", "missing file"]).all()
        extracted = extract(rows.assign(path="none.png"), root, tmp_path / "out", Whole(), size=16)
        assert set(extracted["video"]) == set(rows["video"]) and (extracted["status"] == "missing file").all()


#: What is done to the parts of a list that can be parsed: kind, two places, a value.
MOVES = st.lists(
    st.tuples(
        st.sampled_from(["delete", "double", "swap", "lift", "wrap", "empty", "rename", "set"]),
        st.integers(0, 10**6),
        st.integers(0, 10**6),
        st.sampled_from(
            [None, "", "a.mp4", "../a.mp4", "x\0y", 0, 1.5, True, [], {}, ["a"], {"frames": ["a"]}, "e\u0301.mp4"]
        ),
    ),
    min_size=1,
    max_size=4,
)


def places(content: object) -> list[tuple]:
    """(container, key) of every part of a document."""
    keys = list(content) if isinstance(content, dict) else range(len(content)) if isinstance(content, list) else ()
    return [place for key in keys for place in ((content, key), *places(content[key]))]


def double(at: dict | list, key: str | int) -> None:
    """Put a part in twice."""
    if isinstance(at, list):
        at.insert(key, copy.deepcopy(at[key]))
    else:
        at[f"{key}2"] = copy.deepcopy(at[key])


def moved(content: object, moves: list[tuple[str, int, int, object]]) -> object:
    """A document after some of its parts were deleted, doubled, swapped, lifted, wrapped, emptied, renamed or set."""
    top = [copy.deepcopy(content)]
    for kind, one, two, value in moves:
        all_places = places(top)
        (at, key), (other, there) = (all_places[number % len(all_places)] for number in (one, two))
        part = at[key]
        match kind:
            case "delete" if at is not top:
                del at[key]
            case "double":
                double(at, key)
            case "swap":
                at[key], other[there] = copy.deepcopy(other[there]), copy.deepcopy(part)
            case "lift" if isinstance(part, dict | list) and part:
                at[key] = next(iter(part.values() if isinstance(part, dict) else part))
            case "wrap":
                at[key] = {str(two): part} if two % 2 else [part]
            case "empty" if isinstance(part, dict | list):
                part.clear()
            case "rename" if isinstance(at, dict) and isinstance(there, str):
                at[there] = at.pop(key)
            case "set":
                at[key] = copy.deepcopy(value)
    return top[0]


def parsed(text: str, ending: str) -> object:
    """A list as a document: JSON, or lines of words."""
    separator = {".csv": ",", ".txt": None}
    return json.loads(text) if ending == ".json" else [line.split(separator[ending]) for line in text.splitlines()]


def written(content: object, ending: str) -> str:
    """The text of such a document, whatever has become of it."""
    if ending == ".json":
        return json.dumps(content)
    join = {".csv": ",", ".txt": " "}[ending].join
    lines = content if isinstance(content, list) else [content]
    return "\n".join(join(map(str, line)) if isinstance(line, list) else str(line) for line in lines)


#: How messages call a data set.
DATA_SETS = (*protocols.names(), "DeepfakeBench", "own")
LISTS = PLACES | {"table": (own_table, "videos.csv"), "dfdc labels": (dfdc, "test/labels.csv")}


@pytest.mark.parametrize("name", LISTS)
@fuzzed(24)
@given(moves=MOVES)
def test_the_parts_of_lists(name, tmp_path, moves):
    """What is refused names the list or the data set; what is read loses no file."""
    make, place = LISTS[name]
    root, ending = tmp_path / "tree", place[place.rindex(".") :]
    good = tmp_path / "good"
    if not good.exists():
        make(root)
        good.write_text((root / place).read_text())
    (root / place).write_text(written(moved(parsed(good.read_text(), ending), moves), ending))
    layout = layouts.load(name.split()[0])
    rows = ends(lambda: layout.read(root), place.rpartition("/")[2], *DATA_SETS)
    if rows is not None:
        assert len(rows) and rows["video"].is_unique and rows["status"].isin(["ok", "missing file"]).all()
        counted = {name for names in tree.rest(root, rows["path"], layout.apart).values() for name in names}
        there = {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}
        assert there == {*rows.loc[rows["status"] == "ok", "path"]} | counted


def test_the_moves_are_what_they_say():
    content = {"a": [1, 2], "b": {"c": "d"}}
    assert places([content])[0] == ([content], 0) and len(places(content)) == 5
    assert moved(content, [("delete", 1, 0, None)]) == {"b": {"c": "d"}}
    assert moved(content, [("double", 1, 0, None)]) == {"a": [1, 2], "b": {"c": "d"}, "a2": [1, 2]}
    assert moved(content, [("double", 2, 0, None)]) == {"a": [1, 1, 2], "b": {"c": "d"}}
    assert moved(content, [("swap", 1, 4, None)]) == {"a": {"c": "d"}, "b": [1, 2]}
    assert moved(content, [("lift", 4, 0, None)]) == {"a": [1, 2], "b": "d"}
    assert moved(content, [("wrap", 2, 1, None)]) == {"a": [{"1": 1}, 2], "b": {"c": "d"}}
    assert moved(content, [("empty", 1, 0, None)]) == {"a": [], "b": {"c": "d"}}
    assert moved(content, [("rename", 1, 5, None)]) == {"b": {"c": "d"}, "c": [1, 2]}
    assert moved(content, [("set", 0, 0, None)]) is None and content == {"a": [1, 2], "b": {"c": "d"}}
    for text, ending in (('{"a": 1}', ".json"), ("a,b\nc,d", ".csv"), ("0 a/b.mp4\n1 c", ".txt")):
        assert written(parsed(text, ending), ending) == text


@fuzzed(60)
@given(edits=EDITS)
def test_parameters(tmp_path, edits):
    path = tmp_path / "params.yaml"
    path.write_bytes(edited((ROOT / "params.yaml").read_bytes(), edits))
    read = ends(lambda: params.read(path), "params.yaml")
    assert read is None or set(read) == set(params.SECTIONS)


YAML = [
    *("[" * 2000, "a: &a [1]\nb: [*a, *a]", "1: 2\n1: 3", "runs: 2020-99-99", "runs: !!python/name:os.system", "? [1]"),
    *("\0", "runs: .inf", "train: {lr: .inf}", "runs: &r {objective: *r}", "- 1", "5", "", "\ufeff", "%YAML 9"),
    *("runs: 0o9", "a: *x", "a: &x [1]\nb: &y [*x, *x]\nc: [*y, *y]"),
]


@pytest.mark.parametrize("text", YAML)
def test_odd_yaml(tmp_path, text):
    (tmp_path / "params.yaml").write_text(text)
    with pytest.raises(SemdfError, match=r"(?s)params\.yaml"):
        params.read(tmp_path / "params.yaml")


CLAIMS = ",".join(literature.COLUMNS) + "\nM,2020,V,FF++,X,video,0.5,no,a source\nN,2021,V,FF++,Y,frame,,yes,other\n"
SCORES = (
    "dataset,key,compression,label,score,status,method,n_frames,x_p_eye\nX,a,c23,1,0.75,ok,m,3,0.5\n"
    "X,b,c23,0,0.25,ok,,3,\nX,c,c23,0,,error,,,\n"
)
OTHERS = {"claims.csv": (CLAIMS, literature.read), "a.scores.csv": (SCORES, interchange.read_scores)}


@pytest.mark.parametrize("name", OTHERS)
@fuzzed(60)
@given(edits=EDITS)
def test_tables_of_others(name, tmp_path, edits):
    text, read = OTHERS[name]
    (tmp_path / name).write_bytes(edited(text.encode(), edits))
    ends(lambda: read(tmp_path / name), name)


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("cell", ["inf", "-1", "nan", "1e400", "x", "", " ", "1,2", "\0", '"', "9" * 30])
@pytest.mark.parametrize("at", range(4))
def test_odd_cells_in_tables_of_others(name, tmp_path, cell, at):
    text, read = OTHERS[name]
    for number in ("0.75", "0.5", "2020", ",3,", ",1,"):
        for place, part in enumerate(text.split(number)[:-1]):
            if place == at:
                inner = f",{cell}," if "," in number else cell
                (tmp_path / name).write_text(part + inner + text[len(part) + len(number) :])
                ends(lambda: read(tmp_path / name), name)


@fuzzed(40)
@given(edits=EDITS)
def test_records_of_shards(tmp_path, edits):
    part = tmp_path / "out" / "shard-0000-of-0001"
    if not part.exists():
        (tmp_path / "a.png").write_bytes(encode_png(np.zeros((16, 16, 3), np.uint8)))
        row = {"dataset": "d", "manipulation": "m", "video": "d/m/a", "path": "a.png", "label": "real", "split": ""}
        extract(pd.DataFrame([row]), tmp_path, tmp_path / "out", Whole(), size=16, shard=(0, 1))
        (tmp_path / "good.json").write_bytes((part / "extract.json").read_bytes())
    (part / "extract.json").write_bytes(edited((tmp_path / "good.json").read_bytes(), edits))
    made = ends(lambda: join(tmp_path / "out"), "shard-0000-of-0001")
    assert made is None or len(made) == 1


# -- cells of manifests and score tables -----------------------------------------------------------------------------

ODD = st.sampled_from(
    ["", "..", "../x", "/etc/hosts", "a\0b", "x" * 5000, "ok", "real", "Deepfakes", "train", "none.png", "d", "\ud800",
     None, float("nan"), float("inf"), -1, 0, 10**18, 1.5, True, b"\xff", [], [1.0], [float("nan")] * 136,
     [1e300] * 136, [5.0] * 136, [-50.0, 400.0] * 68, [1.0, 2.0] * 5, [[1.0]], {"a": 1}]
)  # fmt: skip


def with_cell(frame: pd.DataFrame, column: str, row: int, value: object, all_rows: bool) -> pd.DataFrame:
    cells = [value if all_rows or i == row else cell for i, cell in enumerate(frame[column])]
    return frame.assign(**{column: pd.Series(cells, dtype=object)})


@pytest.fixture(scope="module")
def crops(tmp_path_factory):
    folder = tmp_path_factory.mktemp("crops")
    return folder, faces(folder)


@pytest.mark.parametrize("column", ["manipulation", "video"])
def test_a_name_that_no_tar_can_hold_is_refused_before_anything_is_forged(crops, tmp_path, column):
    """A tar cuts a name at a NUL: the forgery was written under half of it, and joining shards did not find it."""
    folder, good = crops
    frame = with_cell(good, column, 0, "a\0b", all_rows=True)
    with pytest.raises(DataError, match="manipulation and video must name a file, found .*a\\\\x00b"):
        expand(frame, folder, tmp_path / "out", seed=0)
    assert not list(tmp_path.rglob("*.tar"))


@fuzzed(100)
@given(data=st.data(), row=st.integers(0, 3), value=ODD, all_rows=st.booleans())
def test_cells_of_manifests(crops, tmp_path, data, row, value, all_rows):
    """What is refused names the column, the tar that a cell led to, or a file that cannot have the cell's name."""
    folder, good = crops
    column = data.draw(st.sampled_from(list(good)))
    names = (column, "m.tar", "x" * 200)
    frame = with_cell(good, column, row, value, all_rows)
    made = ends(lambda: expand(frame, folder, tmp_path / "out", seed=0), *names)
    if made is not None:
        assert len(made) == ((frame["status"] == "ok") & (frame["label"] == "real")).sum()
        assert made["status"].map(bool).all()
    halves = [lambda i=i: expand(frame, folder, tmp_path / "parts", seed=0, shard=(i, 2)) for i in range(2)]
    parts = [ends(half, *names) for half in halves]
    assert made is None or [len(part) for part in parts] == [-(-len(made) // 2), len(made) // 2]
    joined = ends(lambda: join(tmp_path / "parts"), *names) if made is not None else None
    assert joined is None or joined["sample"].tolist() == made["sample"].tolist()
    path = folder / f"{os.getpid()}.parquet"
    try:
        frame.to_parquet(path, index=False)
    except Exception:  # no file can hold such a table
        return
    samples = ends(lambda: load([path], TREE, ["train"]), *names, path.name)
    assert samples is None or len(samples) == ((frame["status"] == "ok") & (frame["split"] == "train")).sum()


@fuzzed(60)
@given(data=st.data(), row=st.integers(0, 5), value=ODD, all_rows=st.booleans())
def test_cells_of_score_tables(tmp_path, data, row, value, all_rows):
    good = pd.DataFrame({"dataset": "d", "manipulation": "m", "video": [f"v{n // 2}" for n in range(6)]})
    good = good.assign(target="t", pristine="", label="real", split="test", frame=[n % 2 for n in range(6)])
    good = good.assign(status="ok", p_fake=0.5, p_eye=0.25)
    frame = with_cell(good, data.draw(st.sampled_from(list(good))), row, value, all_rows)
    try:
        frame.to_parquet(tmp_path / "frames.parquet", index=False)
    except Exception:  # no file can hold such a table
        return
    columns = (*evaluate.FRAME_COLUMNS, "p_eye")
    read = ends(lambda: read_table(tmp_path / "frames.parquet", columns), "frames.parquet")
    if read is not None:
        assert set(evaluate.video_scores(read)["video"]) == set(frame["video"])


@fuzzed(60)
@given(data=st.data(), value=ODD)
def test_cells_of_a_table_for_extraction(tmp_path, data, value):
    good = pd.DataFrame({"dataset": "d", "manipulation": "m", "video": ["d/m/0", "d/m/1"], "path": ["0.png", "1.png"]})
    good = good.assign(label="real", split="")
    column = data.draw(st.sampled_from(["dataset", "manipulation", "video", "path"]))
    frame = with_cell(good, column, 1, value, False)
    made = ends(lambda: extract(frame, tmp_path, tmp_path / "out", Whole(), size=16), column, "x" * 200)
    assert made is None or (set(made["video"]) == set(frame["video"]) and (made["status"] == "missing file").all())


def test_the_edits_are_what_they_say():
    assert edited(b"abcdef", [("set", 0.5, 1, b"xy")]) == b"abcxyf"
    assert edited(b"ab", [("flip", 0, 0, b"")]) == b"`b"
    assert edited(b"abcdef", [("cut", 0.5, 2, b"")]) == b"abcf"
    assert edited(b"ab", [("insert", 0.5, 1, b"x")]) == b"axb"
    assert edited(b"abcdef", [("repeat", 0.5, 2, b"")]) == b"abcdedef"
    assert edited(b"abcd", [("end", 0.5, 1, b"")]) == b"ab"


def test_the_number_of_cases_is_what_is_said():
    made = 0
    for name, function in globals().items():
        if name.startswith("test_") and hasattr(function, "hypothesis"):
            marks = [mark for mark in getattr(function, "pytestmark", []) if mark.name == "parametrize"]
            times = prod(len(mark.args[1]) for mark in marks)
            made += times * function._hypothesis_internal_use_settings.max_examples
    assert made == (NIGHTLY_CASES if NIGHTLY else CASES) and NIGHTLY_CASES == 25 * CASES
    for name in ("Makefile", "SECURITY.md"):
        said = (ROOT / name).read_text()
        assert f"{NIGHTLY_CASES:,}" in said and f"{CASES} " in said, name
