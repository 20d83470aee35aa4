"""The server of the page. It listens on this machine alone, and a file that it was sent is gone when it is answered.

The answer to a file is a stream of lines, each a JSON object: `progress` (what is being done, 0 to 1) and at last
`result` or `refused`. Other pages in the same browser cannot ask it: requests need a header that browsers send to
their own origin alone, and the name of another host is refused.
"""

from __future__ import annotations

import base64
import json
import logging
import shutil
import threading
import webbrowser
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from queue import SimpleQueue
from typing import IO, Any
from urllib.parse import unquote

import click
import cv2
import numpy as np

from semdf.artifacts import temporary
from semdf.errors import MissingError, SemdfError
from semdf.evaluation.detector import Detector
from semdf.explanation import wording
from semdf.explanation.card import Card
from semdf.explanation.figure import look, nodes_of
from semdf.explanation.verdict import FaceVerdict, Verdict, judge, record
from semdf.faces.finders import FaceFinder

__all__ = ["HOST", "create", "serve"]

#: The only address that is listened on.
HOST = "127.0.0.1"
#: Larger files are refused, bytes (ours).
LARGEST = 4_000_000_000
#: The longest side of the frame that the page shows, pixels (ours).
SHOWN = 1200
#: The page may load and ask for what comes from this server, and nothing else.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
}
#: The files of the page.
PAGE = {"page.html": "text/html", "page.css": "text/css", "page.js": "text/javascript"}


def create(detector: Detector, finder: FaceFinder, card: Card | None, frames: int = 32) -> Any:
    """The page as a WSGI application (Flask).

    Args:
        detector: Of this machine.
        finder: Of faces.
        card: What was measured about the detector.
        frames: Of a video.

    Raises:
        MissingError: The extra `app` is not installed.
    """
    try:
        from flask import Flask, Response, abort, request
        from werkzeug.utils import secure_filename
    except ImportError as error:
        rule = "must have the package flask (pip install 'semdf[app]')"
        raise MissingError(f"semdf app: {rule}, found none") from error

    app = Flask(__name__, static_folder=None, template_folder=None)
    app.config["TRUSTED_HOSTS"] = [HOST, "localhost"]
    app.config["MAX_CONTENT_LENGTH"] = LARGEST
    desk = _Desk(detector, finder, card, frames)

    @app.after_request
    def guard(response: Response) -> Response:
        response.headers.update(HEADERS)
        return response

    @app.get("/", defaults={"name": "page.html"})
    @app.get("/<name>")
    def page(name: str) -> Response:
        if name not in PAGE:
            abort(404)
        return Response(Path(__file__).with_name(name).read_bytes(), mimetype=PAGE[name])

    @app.get("/about")
    def about() -> dict[str, Any]:
        return {"limit": wording.LIMIT, "largest": LARGEST}

    @app.post("/judge")
    def answer() -> Response:
        if "X-Semdf-Name" not in request.headers:
            abort(403)
        name = secure_filename(unquote(request.headers["X-Semdf-Name"])) or "file"
        return Response(desk.answer(request.stream, name), mimetype="application/x-ndjson")

    return app


class _Desk:
    """Answers one file at a time: two together would take as long for each."""

    def __init__(self, detector: Detector, finder: FaceFinder, card: Card | None, frames: int) -> None:
        self.detector = detector
        self.finder = finder
        self.card = card
        self.frames = frames
        self.turn = threading.Lock()

    def answer(self, stream: IO[bytes], name: str) -> Iterator[str]:
        """The lines that answer a file.

        Args:
            stream: Its bytes; they are read before this returns.
            name: What it is called.
        """
        kept = ExitStack()
        with kept:
            path = kept.enter_context(temporary()) / name
            with path.open("wb") as target:
                shutil.copyfileobj(stream, target, 1 << 20)
            kept = kept.pop_all()  # the worker deletes it
        lines: SimpleQueue[dict[str, Any] | None] = SimpleQueue()
        threading.Thread(target=self._work, args=(path, kept, lines), daemon=True).start()
        return _told(lines)

    def _work(self, path: Path, kept: ExitStack, lines: SimpleQueue[dict[str, Any] | None]) -> None:
        """Answer a file, then delete it."""
        try:
            with kept, self.turn:
                verdict = judge(
                    path,
                    self.detector,
                    self.finder,
                    self.frames,
                    self.card,
                    lambda what, done: lines.put({"progress": [what, done]}),
                )
                lines.put(_shown(verdict, path.name, self.detector, self.card))
        except SemdfError as error:
            lines.put({"refused": str(error)})
        except Exception as error:  # of a library, for a file that nobody foresaw: the page must say so
            logging.getLogger(__name__).exception("a file could not be answered")
            lines.put({"refused": f"{path.name}: must be a file that can be judged, found {type(error).__name__}"})
        finally:
            lines.put(None)


def _told(lines: SimpleQueue[dict[str, Any] | None]) -> Iterator[str]:
    """The lines as text, until None."""
    while (line := lines.get()) is not None:
        yield json.dumps(line) + "\n"


def serve(
    detector: Detector, finder: FaceFinder, card: Card | None, *, frames: int, port: int, show: bool = True
) -> None:
    """Serve the page until the process is interrupted.

    Args:
        detector: As for `create`; so for finder, card and frames.
        port: 0 for any that is free.
        show: Whether to open the page in the user's browser.

    Raises:
        MissingError: The extra `app` is not installed.
    """
    app = create(detector, finder, card, frames)
    from werkzeug.serving import make_server

    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # names of files are nobody's business
    server = make_server(HOST, port, app, threaded=True)
    address = f"http://{HOST}:{server.server_port}/"
    click.echo(f"{address} (this machine alone; Ctrl-C ends it)")
    if show:
        webbrowser.open(address)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass
    finally:
        server.server_close()


def _shown(verdict: Verdict, name: str, detector: Detector, card: Card | None) -> dict[str, Any]:
    """The last line of an answer."""
    if not verdict.answered:
        told = verdict.status.replace(verdict.path, name)
        return {"refused": told if name in told else f"{name}: {told}"}
    main = verdict.main
    assert main is not None and main.evidence is not None, "or it would not be answered"
    image = main.evidence.image
    numbers = record(verdict, card) | {"path": name}
    faces = []
    for face in verdict.faces:
        faces.append(
            {
                "box": face.box,
                "answer": face.decision.answer or ("no answer" if face.problem else "not measured"),
                "sentence": wording.answer(face, verdict.kind, card),
                "maps": _maps(face, detector, card),
                "curves": _curves(face, detector, card) if verdict.kind == "video" else None,
            }
        )
    height, width = image.shape[:2]
    return {
        "result": {
            "name": name,
            "kind": verdict.kind,
            "status": verdict.status,
            "chosen": _chosen(verdict),
            "picture": {"data": _as_url(_shrunk(image), ".jpg"), "width": width, "height": height},
            "faces": faces,
            "numbers": numbers,
        }
    }


def _chosen(verdict: Verdict) -> str:
    """Which face of a video is answered."""
    if verdict.kind == "picture":
        return ""
    count = f"{verdict.frames} frame{'s' * (verdict.frames != 1)}"
    if verdict.most > 1:
        return f"The largest face of each of {count}; up to {verdict.most} faces are seen at once."
    return f"The face in {count}."


def _maps(face: FaceVerdict, detector: Detector, card: Card | None) -> list[dict[str, str]]:
    """The maps that may be shown: of a face called forged, those that point better than chance by measurement."""
    if card is None or face.evidence is None or face.decision.answer != "forged":
        return []
    nodes = [node for node in nodes_of(face, detector, card) if card.points(node)]
    if not nodes:
        return []
    image, planes = look(face.evidence, detector, nodes)
    shown = []
    for node, plane in zip(nodes, planes, strict=True):
        if not plane.any():  # a probability of 1 has no gradient: there is nothing to show
            continue
        blended = _as_url(_glow(image, plane), ".png")
        shown.append({"node": node, "data": blended, "note": wording.map_note(node, card)})
    return shown


def _curves(face: FaceVerdict, detector: Detector, card: Card | None) -> dict[str, Any] | None:
    """The marginals over the frames: of the root and of what is named."""
    if face.evidence is None:
        return None
    nodes = [detector.nodes[0], *(row.node for row in face.named)] if card else [detector.nodes[0]]
    seen = face.evidence
    lines = {node: seen.p[:, detector.nodes.index(node)].astype(float).round(4).tolist() for node in nodes}
    return {"frames": seen.frames.tolist(), "p": lines}


def _shrunk(image: np.ndarray) -> np.ndarray:
    scale = SHOWN / max(image.shape[:2])
    if scale >= 1:
        return image
    height, width = (max(round(side * scale), 1) for side in image.shape[:2])
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)


def _glow(image: np.ndarray, plane: np.ndarray) -> np.ndarray:
    """A map [H, W] in 0..1 over its picture [H, W, 3] uint8; the brighter, the more it counts."""
    heat = cv2.applyColorMap((255 * plane).astype(np.uint8), cv2.COLORMAP_MAGMA)[:, :, ::-1]
    share = 0.75 * plane[:, :, None]
    return (image * (1 - share) + heat * share).round().astype(np.uint8)


def _as_url(image: np.ndarray, ending: str) -> str:
    """An image [H, W, 3] uint8, sRGB, as an address that holds it."""
    _, data = cv2.imencode(ending, np.ascontiguousarray(image[:, :, ::-1]))
    kind = "jpeg" if ending == ".jpg" else "png"
    return f"data:image/{kind};base64,{base64.b64encode(data.tobytes()).decode()}"
