"""What comes from others stays data: none of its code runs, no path leaves its folder, no size is unbounded."""

import ast
import json
import os
import pickle
import tarfile
import zlib

import cv2
import nbformat
import numpy as np
import open_clip
import pandas as pd
import pytest
import torch
from _media import moving, write_video

from semdf import layouts
from semdf.artifacts import digest, read_weights, write_table
from semdf.errors import DataError, MissingError, SemdfError
from semdf.extraction.extract import extract
from semdf.extraction.video import Limits, read_frames
from semdf.faces import parsing, retinaface
from semdf.faces.finders import LARGEST, Annotated, Whole
from semdf.forging.expand import expand
from semdf.layouts.lists import inside
from semdf.method import hierarchy, towers
from semdf.pipeline import ROOT
from semdf.storage import tars
from semdf.storage.manifest import join
from semdf.storage.paths import LINKS, below
from semdf.storage.tars import ShardReader, ShardWriter, encode_png
from semdf.training import checkpoints, runs
from semdf.training.datasets import load

MODULES = sorted((ROOT / "semdf").rglob("*.py"))
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
#: Module of the pipeline that starts processes -> the first word of each command.
COMMANDS = {"committed": ["'git'", "'git'"], "dvc_repair": ["'git'", "'git'"], "reproduce": ["sys.executable"]}
#: Names of functions that run what they are given, or may.
FORBIDDEN = {
    "Unpickler",
    "__import__",
    "compile",
    "eval",
    "exec",
    "extractall",
    "full_load",
    "popen",
    "read_pickle",
    "run_line_magic",
    "set_ipython",
    "system",
    "unpack_archive",
    "unsafe_load",
}


def calls(code: str):
    """Every call of some code: the dotted name as written, and the node."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


def problems(code: str) -> list[str]:
    """Calls that could run what they read."""
    found = []
    for name, node in calls(code):
        last = name.rpartition(".")[2]
        given = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
        builtin = name == last or name.startswith("builtins.")
        if last in FORBIDDEN and (builtin or last not in ("eval", "compile", "exec")):
            found.append(name)
        if name in ("torch.load", "torch.jit.load") and given.get("weights_only") != "True":
            found.append(f"{name} without weights_only=True")
        if name in ("pickle.load", "pickle.loads", "joblib.load", "dill.load", "yaml.load"):
            found.append(name)
        if last == "YAML" and given.get("typ") != "'safe'":
            found.append(f"{name} that is not safe")
        if given.get("allow_pickle", "False") != "False" or given.get("shell", "False") != "False":
            found.append(f"{name}({given})")
        if name.startswith("subprocess."):
            found.append(name)
    return found


@pytest.mark.parametrize(
    "code",
    [
        "torch.load(f)",
        "torch.load(f, weights_only=False)",
        "pickle.load(f)",
        "eval(x)",
        "exec(x)",
        "YAML().load(f)",
        "yaml.load(f)",
        "np.load(f, allow_pickle=True)",
        "pd.read_pickle(f)",
        "tar.extractall()",
        "os.system(x)",
        "subprocess.run(x, shell=True)",
    ],
)
def test_the_search_finds_what_it_looks_for(code):
    assert problems(code)
    assert not problems("model.eval(); re.compile(x); torch.load(f, weights_only=True); YAML(typ='safe').load(f)")


def test_nothing_in_the_package_can_run_what_it_reads():
    found = {path.relative_to(ROOT).as_posix(): problems(path.read_text()) for path in MODULES}
    # a TorchScript archive, and only one whose hash is OpenAI's: test_only_published_scripts_are_loaded_as_scripts
    assert found.pop("semdf/method/towers.py") == ["torch.jit.load without weights_only=True"]
    # fixed commands without a shell: no word of them is read from a file
    for name, programs in COMMANDS.items():
        path = f"semdf/pipeline/{name}.py"
        assert all(what.startswith("subprocess.") for what in found.pop(path))
        started = [node for what, node in calls((ROOT / path).read_text()) if what.startswith("subprocess.")]
        assert [ast.unparse(node.args[0].elts[0]) for node in started] == programs
    assert not {name: what for name, what in found.items() if what}


def test_notebooks_run_nothing_from_data():
    for path in NOTEBOOKS:
        for cell in nbformat.read(path, 4).cells:
            if cell.cell_type == "code":
                assert not any(line.lstrip().startswith(("!", "%")) for line in cell.source.splitlines()), path.name
                assert not problems(cell.source), path.name


class Bomb:
    """Unpickling it makes a folder."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return os.mkdir, (str(self.mark),)


@pytest.fixture
def bomb(tmp_path):
    """(write a checkpoint with code in it, the mark that the code would leave)"""
    mark = tmp_path / "the code ran"

    def make(name: str, zipped: bool = True):
        path = tmp_path / name
        torch.save({"model": Bomb(mark)}, path, _use_new_zipfile_serialization=zipped)
        return path

    return make, mark


def test_the_bomb_works(bomb):
    make, mark = bomb
    with make("a.pt").open("rb") as file:
        torch.load(file, weights_only=False)
    assert mark.is_dir()


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("name", ["a.pt", "a.safetensors"])
def test_code_in_a_checkpoint_does_not_run(bomb, name, zipped):
    make, mark = bomb
    with pytest.raises(DataError, match=name):
        towers._load(torch.nn.Linear(2, 2), make(name, zipped))
    assert not mark.exists()


def test_a_bare_pickle_is_refused_everywhere(tmp_path, bomb):
    _, mark = bomb
    for name in ("model.safetensors", "a.pt", "notes.npz"):
        (tmp_path / name).write_bytes(pickle.dumps(Bomb(mark)))
    with pytest.raises(DataError, match=r"model\.safetensors"):
        read_weights(tmp_path / "model.safetensors")
    with pytest.raises(DataError, match=r"a\.pt"):
        towers._load(torch.nn.Linear(2, 2), tmp_path / "a.pt")
    with pytest.raises(DataError, match=r"notes\.npz"):
        Annotated(tmp_path / "notes.npz").find([np.zeros((4, 4, 3), np.uint8)], "a", [0])
    (tmp_path / "last.pt").write_bytes(pickle.dumps(Bomb(mark)))
    with pytest.raises((pickle.UnpicklingError, SemdfError)):
        checkpoints.resume(tmp_path, {})
    assert not mark.exists()


def test_a_run_s_weights_are_not_a_pickle(tmp_path, bomb):
    make, mark = bomb
    make("model.safetensors")
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(DataError):
        runs.load(tmp_path)
    assert not mark.exists()


EVIL = ["../a.png", "x/../../a.png", "/a.png", "C:/a.png", "C:\\a.png", "..\\a.png", "a\0.png", "..", "", "."]


@pytest.mark.parametrize("name", EVIL)
def test_a_list_names_nothing_outside_its_data_set(name):
    with pytest.raises(DataError, match="stay below the data set"):
        inside(name, "list")


@pytest.mark.parametrize("name", EVIL)
def test_a_table_names_nothing_outside_its_root(tmp_path, name):
    with pytest.raises(DataError, match="below the root"):
        extract(table(name), tmp_path, tmp_path / "out", Whole())
    assert not (tmp_path / "out").exists()


def table(path: str = "a.png", **changes) -> pd.DataFrame:
    """A layout's table of one picture."""
    row = {"dataset": "d", "manipulation": "m", "video": "d/m/a", "path": path, "label": "real", "split": "train"}
    return pd.DataFrame([row | changes])


@pytest.mark.parametrize("name", EVIL[:2] + EVIL[2:3] + [".."])
@pytest.mark.parametrize("column", ["dataset", "manipulation", "video"])
def test_a_table_cannot_send_crops_elsewhere(tmp_path, column, name):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.png").write_bytes(encode_png(np.zeros((16, 16, 3), np.uint8)))
    with pytest.raises(DataError):
        extract(table(**{column: name}), tmp_path / "in", tmp_path / "in" / "out", Whole(), size=8)
    assert {p.name for p in tmp_path.rglob("*")} <= {"in", "a.png"}


def test_members_of_tars_are_no_paths_and_links_in_them_are_not_followed(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("secret")
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        for name, kind in (("link.png", tarfile.SYMTYPE), ("hard.png", tarfile.LNKTYPE)):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, str(secret)
            tar.addfile(info)
    with ShardWriter(tmp_path / "b.tar") as shard:
        shard.add("../../evil.png", b"x")
    assert ShardReader(tmp_path / "a.tar").members == ()
    assert ShardReader(tmp_path / "b.tar").read("../../evil.png") == b"x"
    assert {p.name for p in tmp_path.iterdir()} == {"secret", "a.tar", "b.tar"}


def crops(folder, **changes) -> pd.DataFrame:
    """A manifest of two people, whose crops lie in `folder`."""
    with ShardWriter(folder / "d" / "m.tar") as shard:
        for person in "12":
            shard.add(f"{person}.png", encode_png(np.full((64, 64, 3), 90, np.uint8)))
    x, y = np.meshgrid(np.linspace(16, 48, 17), np.linspace(16, 48, 4))
    points = np.column_stack([x.ravel(), y.ravel()]).ravel().tolist()
    rows = []
    for person in "12":
        row = {
            "dataset": "d",
            "manipulation": "original",
            "video": f"d/original/{person}",
            "path": f"{person}.mp4",
            "label": "real",
            "split": "train",
            "target": person,
            "source": "",
            "pristine": "",
            "compression": "",
            "frame": 0,
            "sample": f"d/original/{person}/0000",
            "shard": "d/m.tar",
            "member": f"{person}.png",
            "regions_member": "",
            "box": [0.0, 0.0, 64.0, 64.0],
            "landmarks": points,
            "score": 1.0,
            "status": "ok",
        }
        rows.append(row | changes)
    return pd.DataFrame(rows)


def test_a_manifest_reads_no_tar_outside_its_folder(tmp_path):
    crops(tmp_path)  # the tar that is not to be reached
    manifest = tmp_path / "inner" / "manifest.parquet"
    write_table(crops(tmp_path / "inner", shard="../d/m.tar"), manifest)
    with pytest.raises(DataError, match="shard: the path must lie below the root, found '../d/m.tar'"):
        load([manifest], hierarchy.load("ffpp"), ["train"])


def test_expansion_writes_nothing_outside_its_folder(tmp_path):
    out = tmp_path / "deep" / "out"
    faces = crops(tmp_path / "faces", dataset="../../evil")
    with pytest.raises(DataError, match="below the root, found '../../evil/"):
        expand(faces, tmp_path / "faces", out, preset="sjedd", seed=0)
    assert not (tmp_path / "evil").exists() and not list(out.rglob("*.tar"))


def test_join_writes_nothing_outside_its_folder(tmp_path):
    out = tmp_path / "deep" / "out"
    part = out / "shard-0000-of-0001"
    path = write_table(crops(part, dataset="../../evil"), part / "manifest.parquet")
    record = {"table": "t", "shard": [0, 1], "videos": 2, "files": "f", "manifest": digest(path)}
    (part / "extract.json").write_text(json.dumps(record))
    with pytest.raises(DataError, match="below the root, found '../../evil/"):
        join(out)
    assert not (tmp_path / "evil").exists() and not list(out.glob("*.tar"))


def test_a_shard_s_tars_lie_in_its_folder(tmp_path):
    part = tmp_path / "out" / "shard-0000-of-0001"
    path = write_table(crops(part, shard="../../d/m.tar"), part / "manifest.parquet")
    record = {"table": "t", "shard": [0, 1], "videos": 2, "files": "f", "manifest": digest(path)}
    (part / "extract.json").write_text(json.dumps(record))
    with pytest.raises(DataError, match="below the root, found '../../d/m.tar'"):
        join(tmp_path / "out")
    write_table(crops(part), path)
    with pytest.raises(DataError, match="written with its record"):
        join(tmp_path / "out")


def test_a_link_does_not_lead_out_of_the_data_set(tmp_path):
    (tmp_path / "secret.png").write_bytes(encode_png(np.full((32, 32, 3), 9, np.uint8)))
    root = tmp_path / "pictures"
    root.mkdir()
    (root / "a.png").symlink_to(tmp_path / "secret.png")
    made = extract(layouts.load("pictures").read(root), root, tmp_path / "out", Whole(), size=16)
    assert made["status"].tolist() != ["ok"] and made["status"].str.contains("outside").all()


def test_links_lead_where_they_may(tmp_path, monkeypatch):
    """Within the root, to a file of DVC's cache, and below a folder that the machine's owner names.

    What was refused is tried again when it is allowed.
    """
    picture = encode_png(np.full((32, 32, 3), 9, np.uint8))
    root, disk = tmp_path / "pictures", tmp_path / "disk"
    cached = tmp_path / "cache" / "files" / "md5" / "0a" / ("1f" * 15)
    for path in (root / "real" / "a.png", cached, disk / "d.png", disk / "deep" / "e.png"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(picture)
    for name, target in {"b": root / "real" / "a.png", "c": cached, "d": disk / "d.png", "e": disk / "deep"}.items():
        (root / "real" / (f"{name}.png" if target.is_file() else name)).symlink_to(target)
    names = {"a": "real/a.png", "b": "real/b.png", "c": "real/c.png", "d": "real/d.png", "e": "real/e/e.png"}
    rows = pd.concat([table(path, video=f"d/m/{name}") for name, path in names.items()], ignore_index=True)
    refused = extract(rows, root, tmp_path / "out", Whole(), size=16)["status"]
    assert (refused[:3] == "ok").all() and refused[3:].str.contains(LINKS, regex=False).all()
    monkeypatch.setenv(LINKS, f"{tmp_path / 'elsewhere'}{os.pathsep}{disk}")
    assert (extract(rows, root, tmp_path / "out", Whole(), size=16)["status"] == "ok").all()
    monkeypatch.setenv(LINKS, f"{tmp_path / 'dis'}")
    with pytest.raises(DataError, match="outside"):
        below(root, "real/d.png", "path")


def test_a_linked_tar_is_read_from_dvc_s_cache_alone(tmp_path):
    cached = tmp_path / "cache" / "files" / "md5" / "0a" / ("1f" * 15)
    manifest = write_table(crops(tmp_path / "faces"), tmp_path / "faces" / "manifest.parquet")
    tar = tmp_path / "faces" / "d" / "m.tar"
    cached.parent.mkdir(parents=True)
    cached.write_bytes(tar.read_bytes())
    tar.unlink()
    tar.symlink_to(cached)
    assert len(load([manifest], hierarchy.load("ffpp"), ["train"])) == 2
    tar.unlink()
    (tmp_path / "other.tar").write_bytes(cached.read_bytes())
    tar.symlink_to(tmp_path / "other.tar")
    with pytest.raises(DataError, match="shard: a link must stay below the root"):
        load([manifest], hierarchy.load("ffpp"), ["train"])


def test_limits_are_enforced_and_can_be_raised(tmp_path, random):
    (tmp_path / "a.png").write_bytes(encode_png(random.integers(0, 255, (20, 30, 3), dtype=np.uint8)))
    write_video(tmp_path / "b.mp4", moving(3, random, 32, 48))
    rows = pd.concat([table("a.png"), table("b.mp4", video="d/m/b")], ignore_index=True)
    found = {}
    for name, limits in (("tight", Limits(599)), ("small", Limits(10**6, 50)), ("raised", Limits(32 * 48))):
        manifest = extract(rows, tmp_path, tmp_path / name, Whole(), frames=1, size=8, limits=limits)
        found[name] = manifest["status"].tolist()
    assert all("pixels, the limit set" in status for status in found["tight"])
    assert all("50 bytes, the limit set" in status for status in found["small"])
    assert found["raised"] == ["ok", "ok"]


def test_what_is_promised_of_limits_is_what_holds():
    said = (ROOT / "SECURITY.md").read_text()
    assert "100 million pixels" in said and "16 GB" in said and "2^30" in said
    assert Limits() == Limits(100_000_000, 16_000_000_000)
    assert "2 GB once inflated (`--max-array`)" in said and LARGEST == 2_000_000_000


def test_a_picture_of_a_kind_that_pillow_does_not_know_is_not_decoded(tmp_path, random):
    image = random.integers(0, 255, (20, 30, 3), dtype=np.uint8)
    (tmp_path / "a.png").write_bytes(cv2.imencode(".pam", image)[1].tobytes())
    with pytest.raises(DataError, match="must be a picture with a header that Pillow can read"):
        read_frames(tmp_path / "a.png", 1, Limits(100))


def test_a_video_whose_frames_grow_is_limited_too(tmp_path, random):
    parts = [write_video(tmp_path / f"{n}.h264", moving(4, random, n, 2 * n)).read_bytes() for n in (32, 128)]
    (tmp_path / "a.h264").write_bytes(b"".join(parts))
    sample = read_frames(tmp_path / "a.h264", 8, Limits(32 * 64))
    assert sample.indices == [0, 1, 2, 3] and all(image.shape == (32, 64, 3) for image in sample.images)
    assert "more than 2048" in sample.problem and "the limit set" in sample.problem
    assert len(read_frames(tmp_path / "a.h264", 8, Limits(128 * 256)).images) == 8


def bomb_png(side: int) -> bytes:
    """A PNG of a few bytes whose header promises `side` x `side` pixels."""
    data = bytearray(encode_png(np.zeros((8, 8, 3), np.uint8)))
    data[16:24] = side.to_bytes(4, "big") * 2
    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
    return bytes(data)


def test_crops_in_tars_are_limited_too(tmp_path):
    with ShardWriter(tmp_path / "a.tar") as tar:
        tar.add("bomb.png", bomb_png(32000))
        tar.add("deep.png", cv2.imencode(".png", np.zeros((8, 8, 3), np.uint16))[1].tobytes())
        tar.add("grey.pam", cv2.imencode(".pam", np.zeros((8, 8, 3), np.uint8))[1].tobytes())
    for member, why in {
        "bomb.png": f"at most {tars.LARGEST} pixels, the limit set, found 1024000000",
        "deep.png": "uint8, found .* uint16",
        "grey.pam": "must be a PNG or JPEG",
    }.items():
        with pytest.raises(DataError, match=f"{member}: .*{why}"):
            tars.read_image(tmp_path, "a.tar", member)


def test_a_tar_whose_sizes_lie_is_refused(tmp_path):
    """A size of 2^60 would be asked of the memory, a negative one turns the reader back."""
    for number, size in enumerate((2**60, -1024, -512)):
        info = tarfile.TarInfo("a.png")
        header = bytearray(info.tobuf(tarfile.GNU_FORMAT))
        header[124:136] = tarfile.itn(size, 12, tarfile.GNU_FORMAT)
        header[148:156] = b" " * 8
        header[148:156] = b"%06o\0 " % sum(header)
        (tmp_path / f"{number}.tar").write_bytes(bytes(header) + bytes(2048))
        with pytest.raises(DataError, match=f"{number}.tar"):
            ShardReader(tmp_path / f"{number}.tar")


PLAYLISTS = {
    "hls": "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{}\n#EXT-X-ENDLIST\n",
    "concat": "ffconcat version 1.0\nfile '{}'\n",
    "dash": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" '
    'mediaPresentationDuration="PT1S"><Period><AdaptationSet mimeType="video/mp4"><Representation id="0" '
    'bandwidth="1"><BaseURL>{}</BaseURL></Representation></AdaptationSet></Period></MPD>',
}


@pytest.mark.parametrize("kind", PLAYLISTS)
@pytest.mark.parametrize("ending", [".mp4", ".m3u8", ".mpd", ".ts"])
def test_a_video_names_no_other_file(tmp_path, random, kind, ending):
    """FFmpeg would open what a playlist names: files beside it, on the disk, on the network."""
    write_video(tmp_path / "secret.ts", moving(3, random))
    (tmp_path / "set").mkdir()
    for name in ("secret.ts", str(tmp_path / "secret.ts"), f"file://{tmp_path}/secret.ts"):
        write_video(tmp_path / "set" / "secret.ts", moving(3, random))
        path = tmp_path / "set" / f"a{ending}"
        path.write_text(PLAYLISTS[kind].format(name))
        with pytest.raises(DataError, match=f"a{ending}: must be a video"):
            read_frames(path, 1)


def test_weights_that_are_fetched_have_the_bytes_that_were_pinned(tmp_path, monkeypatch):
    (tmp_path / "w.safetensors").write_bytes(b"others")
    monkeypatch.setattr(open_clip, "create_model", lambda *_, **__: torch.nn.Linear(2, 2))
    asked = []

    def fetch(*where):
        asked.append(where)
        return str(tmp_path / "w.safetensors")

    monkeypatch.setattr(towers, "download_pretrained_from_hf", fetch)
    with pytest.raises(DataError, match="w.safetensors must have the SHA-256 e6d1bd77.*, found "):
        towers.create("ViT-B-32", "openai")
    assert [len(revision) for _, _, revision in asked] == [40]
    monkeypatch.setattr(towers, "download_pretrained_from_hf", lambda *_: (_ for _ in ()).throw(OSError("no network")))
    with pytest.raises(
        MissingError, match=r"no network; run `semdf fetch ViT-B-32`, or put .* from https://.*SHA-256 e6d1"
    ):
        towers.create("ViT-B-32", "openai")
    with pytest.raises(MissingError, match=r"must be a file or one of \['openai'\], found 'laion2b_s34b_b79k'"):
        towers.create("ViT-B-32", "laion2b_s34b_b79k")


def test_only_published_scripts_are_loaded_as_scripts(tmp_path, monkeypatch):
    """OpenAI's files are TorchScript archives: such a file is run through TorchScript only if its hash is known."""
    assert len(towers._scripts()) >= 9 and all(len(found) == 64 for found in towers._scripts())
    own = towers.create("semdf-mini", seed=1)
    path = tmp_path / "RN.pt"
    torch.jit.trace(own.visual, torch.zeros(1, 3, 96, 96)).save(path)
    with pytest.raises(DataError, match="'RN.pt' must hold this encoder's state dict"):
        towers.create("semdf-mini", path)
    monkeypatch.setattr(towers, "_scripts", lambda: {towers._sha256(path)})
    visual = towers.create("semdf-mini", seed=2).visual
    towers._load(visual, path)
    assert all(
        torch.equal(a, b) for a, b in zip(visual.state_dict().values(), own.visual.state_dict().values(), strict=True)
    )


def test_weights_that_are_put_there_are_named_with_their_hash(tmp_path):
    for what in (parsing.Parser, retinaface.RetinaFace):
        with pytest.raises(MissingError, match="from https://github.com/xinntao/facexlib/.*SHA-256 [0-9a-f]{64}"):
            what(tmp_path)
