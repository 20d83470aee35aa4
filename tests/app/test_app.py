"""The page in a browser: files are answered or refused, nothing is kept, no other host is asked."""

import base64
import json
import shutil
import tempfile
import threading
from importlib.util import find_spec
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import cv2
import numpy as np
import pytest
from _browser import Browser, find
from _cards import card
from _media import write_video

from semdf import params
from semdf.cli import main
from semdf.evaluation.detector import Detector
from semdf.explanation import wording
from semdf.extraction.video import read_frames
from semdf.faces.choose import choose
from semdf.pipeline import ROOT
from semdf.training import runs

pytestmark = pytest.mark.skipif(find_spec("flask") is None, reason="the extra `app` is not installed")
needs_browser = pytest.mark.skipif(not find(), reason="no Chromium is installed; $CHROMIUM may name one")


@pytest.fixture(scope="module")
def detector() -> Detector:
    """Random weights: what it answers does not matter here."""
    train = params.read(ROOT / "params.yaml")["train"].model_dump() | {"pretrained": ""}
    config = runs.configure("equal", 0, train, {"size": 112, "alignment": "native", "margin": 1.3})
    return Detector(runs.build(config).eval(), config)


@pytest.fixture(scope="module")
def known():
    """A card by which every probability is one of a forgery, and every map may be shown."""
    made = card(ranges={}).model_dump()
    for kind in ("picture", "video"):
        made[kind] |= {"forged_from": 0.0, "no_sign_to": 0.0}
    return type(card()).model_validate(made)


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """Where temporary files of these tests lie."""
    folder = tmp_path_factory.mktemp("kept")
    before = tempfile.tempdir
    tempfile.tempdir = str(folder)
    yield folder
    tempfile.tempdir = before


@pytest.fixture(scope="module")
def address(detector, known, kept):
    from werkzeug.serving import make_server

    from semdf.app.server import HOST, create

    server = make_server(HOST, 0, create(detector, choose("mtcnn", Path()), known, 4), threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://{HOST}:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def files(data, tmp_path_factory):
    """A rendered still, a larger one with two faces, a video, a text, and a picture of 5,000 pixels."""
    folder = tmp_path_factory.mktemp("files")
    still, other = sorted((data / "DiFF" / "DiFF_real" / "test").glob("*.jpg"))[:2]
    shutil.copy(still, folder / "still.jpg")
    pair = [read_frames(path, 1).images[0] for path in (still, other)]
    cv2.imwrite(str(folder / "pair.png"), np.concatenate(pair, axis=1)[:, :, ::-1])
    shutil.copy(sorted((data / "Celeb-DF-v2" / "Celeb-real").glob("*.mp4"))[0], folder / "clip.mp4")
    (folder / "notes.txt").write_text("not a picture\n" * 50)
    large = np.zeros((3750, 5000, 3), np.uint8)
    large[500:2900, 1000:3400] = cv2.resize(pair[0], (2400, 2400), interpolation=cv2.INTER_CUBIC)
    cv2.imwrite(str(folder / "large.jpg"), large[:, :, ::-1])
    write_video(folder / "sound.mp4", [], audio=True)
    return folder


def ask(address, path, **headers):
    """The lines that answer a file."""
    usual = {"X-Semdf-Name": path.name}
    with urlopen(Request(f"{address}judge", path.read_bytes(), usual | headers)) as answer:
        return [json.loads(line) for line in answer.read().decode().splitlines()]


# -- the server ------------------------------------------------------------------------------------------------------


def test_progress_is_told_and_then_the_result(address, files, kept):
    lines = ask(address, files / "clip.mp4")
    steps = [line["progress"] for line in lines[:-1]]
    assert [done for _, done in steps] == sorted(done for _, done in steps) and "looking for faces" in dict(steps)
    result = lines[-1]["result"]
    assert result["kind"] == "video" and result["status"] == "ok" and result["numbers"]["path"] == "clip.mp4"
    (face,) = result["faces"]
    assert len(face["curves"]["frames"]) == len(face["curves"]["p"]["fake"]) == 4
    assert face["answer"] == "forged" and "Measured: 4 % of real faces" in face["sentence"]
    assert list(kept.iterdir()) == [], "the file is gone"


def test_only_maps_that_point_better_than_chance_are_sent(address, files):
    (face,) = ask(address, files / "still.jpg")[-1]["result"]["faces"]
    assert [row["node"] for row in face["maps"]] == ["fake"] and "40 % of 80 forgeries" in face["maps"][0]["note"]
    data = base64.b64decode(face["maps"][0]["data"].partition(",")[2])
    assert cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR).ndim == 3


@pytest.mark.parametrize("name", ["notes.txt", "sound.mp4"])
def test_what_is_no_picture_is_refused_by_name(address, files, kept, name):
    (*_, last) = ask(address, files / name)
    assert list(last) == ["refused"] and name in last["refused"] and "must" in last["refused"]
    assert str(kept) not in last["refused"] and list(kept.iterdir()) == []


def test_names_lead_nowhere(address, files, kept):
    result = ask(address, files / "still.jpg", **{"X-Semdf-Name": "..%2F..%2Fetc%2Fa%20b.jpg"})[-1]["result"]
    assert "/" not in result["name"] and list(kept.iterdir()) == []
    assert ask(address, files / "still.jpg", **{"X-Semdf-Name": ".."})[-1]["result"]["name"] == "file"


def test_other_pages_and_other_hosts_are_turned_away(address, files):
    """A page of another origin may send a form, but not this header; and a name that leads here is no name of ours."""
    body = (files / "still.jpg").read_bytes()
    for request, code in (
        (Request(f"{address}judge", body), 403),
        (Request(address, headers={"Host": "attacker.example"}), 400),
        (Request(f"{address}server.py"), 404),
    ):
        with pytest.raises(HTTPError) as error:
            urlopen(request)
        assert error.value.code == code
    with urlopen(address) as answer:
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        assert answer.headers["Access-Control-Allow-Origin"] is None


def test_it_listens_on_this_machine_alone(address):
    assert address.startswith("http://127.0.0.1:")


def test_without_the_extra_it_says_what_to_install(monkeypatch, detector):
    import sys

    from semdf.app import server
    from semdf.errors import MissingError

    monkeypatch.setitem(sys.modules, "flask", None)
    with pytest.raises(MissingError, match=r"flask \(pip install 'semdf\[app\]'\), found none"):
        server.create(detector, choose("mtcnn", Path()), None)


def test_the_command_explains_itself():
    from click.testing import CliRunner

    assert "keeps no file" in CliRunner().invoke(main, ["app", "--help"]).output


# -- in a browser ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    opened = Browser(find(), tmp_path_factory.mktemp("profile"))
    opened.call("DOM.enable")
    yield opened
    opened.close()


def drop(browser, address, path, width=1000):
    """Choose a file on the page, and wait for its answer."""
    browser.open(address, width)
    root = browser.call("DOM.getDocument")["root"]["nodeId"]
    node = browser.call("DOM.querySelector", nodeId=root, selector="#file")["nodeId"]
    browser.call("DOM.setFileInputFiles", nodeId=node, files=[str(path)])
    done = "!document.getElementById('refused').hidden || !document.getElementById('result').hidden"
    browser.evaluate(f"new Promise(done => {{ const ask = () => ({done}) ? done(1) : setTimeout(ask, 50); ask(); }})")


def shown(browser, selector):
    script = f"[...document.querySelectorAll({selector!r})].filter(e => e.offsetParent).map(e => e.textContent)"
    return browser.evaluate(script)


@needs_browser
@pytest.mark.parametrize("width", [1000, 400])
def test_a_still_shows_its_face_in_a_box_with_sentence_and_map(browser, address, files, width):
    drop(browser, address, files / "still.jpg", width)
    assert shown(browser, "#name") == ["still.jpg"] and shown(browser, "#refused") == []
    assert shown(browser, "h3.forged") == ["forged"] and "Measured: 4 %" in shown(browser, "#faces p")[0]
    assert wording.LIMIT in shown(browser, "#limit")
    image, box, map_ = (
        browser.evaluate(
            f"(r => [r.x, r.y, r.right, r.bottom])(document.querySelector({name!r}).getBoundingClientRect())"
        )
        for name in ("#image", ".box", ".map img")
    )
    assert image[0] < box[0] < box[2] < image[2] and image[1] < box[1] < box[3] < image[3]
    assert 0.2 < (box[2] - box[0]) / (image[2] - image[0]) < 0.8 and map_[2] - map_[0] > 50
    assert browser.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing sticks out"


@needs_browser
def test_each_of_two_faces_has_its_box_and_answer(browser, address, files):
    drop(browser, address, files / "pair.png")
    assert len(shown(browser, "#faces h3")) == len(shown(browser, ".box b")) == 2


@needs_browser
def test_a_video_shows_its_curve(browser, address, files):
    drop(browser, address, files / "clip.mp4")
    assert shown(browser, "#chosen") == ["The face in 4 frames."]
    assert browser.evaluate("document.querySelectorAll('#faces svg circle').length") == 4 * 2, "fake and mouth"
    assert json.loads(browser.evaluate("document.getElementById('numbers').textContent"))["kind"] == "video"


@needs_browser
def test_a_text_is_refused_and_the_next_file_answered(browser, address, files):
    drop(browser, address, files / "notes.txt")
    (told,) = shown(browser, "#refused")
    assert told.startswith("notes.txt: must be") and shown(browser, "#result") == []
    drop(browser, address, files / "still.jpg")
    assert shown(browser, "#refused") == []


@needs_browser
def test_a_picture_of_5000_pixels_is_answered_and_shown_smaller(browser, address, files, kept):
    drop(browser, address, files / "large.jpg")
    assert len(shown(browser, "#faces h3")) == 1
    assert browser.evaluate("document.getElementById('image').naturalWidth") == 1200
    assert list(kept.iterdir()) == []


@needs_browser
def test_no_request_leaves_for_another_host(browser, address, files):
    """Asked once more at the end, when all of the tests above have run: everything that the browser wanted."""
    drop(browser, address, files / "still.jpg")
    asked = [url for url in browser.asked if not url.startswith(("data:", "about:"))]
    assert len(asked) > 5 and all(url.startswith(address) for url in asked), asked
    assert browser.problems == []
