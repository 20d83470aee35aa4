"""The site: it builds offline, asks nobody for anything, and reads well on a screen and on a phone."""

import functools
import http.server
import importlib.util
import re
import sys
import threading
from html.parser import HTMLParser
from urllib.parse import unquote, urldefrag

import nbformat
import pytest
from _browser import Browser, find

from semdf.pipeline import ROOT

NEEDED = ("sphinx", "myst_nb", "sphinx_book_theme", "latex2mathml")
MISSING = [name for name in NEEDED if not importlib.util.find_spec(name)]
pytestmark = pytest.mark.skipif(bool(MISSING), reason="the extra `site` is not installed: `make site` does it")


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    """The built site. Notebooks that no stage executes are shown as sources."""
    sys.path.insert(0, str(ROOT / "docs" / "site"))
    import build

    folder = tmp_path_factory.mktemp("site")
    build.gather(folder / "source")
    build.build(folder / "source", folder / "html")
    return folder / "html"


class Page(HTMLParser):
    """What a page links to, what it loads, and the names it gives to its parts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links, self.loads, self.names, self.images = [], [], set(), []
        self.feed(text)

    def handle_starttag(self, tag, attributes) -> None:
        known = dict(attributes)
        self.names |= {known.get("id"), known.get("name")} - {None}
        if tag == "a" and known.get("href"):
            self.links.append(known["href"])
        if tag == "img":
            self.images.append(known)
        if known.get("src"):
            self.loads.append(known["src"])
        if tag == "link" and known.get("href") and known.get("rel") not in ("canonical", "next", "prev"):
            self.loads.append(known["href"])


@pytest.fixture(scope="session")
def pages(site):
    return {path: Page(path.read_text()) for path in sorted(site.rglob("*.html")) if "_static" not in path.parts}


def test_it_shows_every_notebook_and_module(pages, site):
    shown = {path.relative_to(site).with_suffix("").as_posix() for path in pages}
    assert {f"notebooks/{path.stem}" for path in (ROOT / "notebooks").glob("*.ipynb")} <= shown
    assert {"index", "docs/course", "CONTRIBUTING", "search"} <= shown
    assert {"api/semdf", "api/semdf.evaluation.evaluate", "api/semdf.method.weighting"} <= shown


def test_no_page_loads_anything_from_elsewhere(pages, site):
    for path, page in pages.items():
        assert not [to for to in page.loads if re.match(r"(https?:)?//", to)], path.name
    for path in site.rglob("*.css"):
        assert not re.search(r"(@import|url\()\s*['\"]?(https?:)?//", path.read_text()), path.name


def test_internal_links_lead_somewhere(pages, site):
    dead = []
    for path, page in pages.items():
        for to in page.links + page.loads:
            if re.match(r"(https?:|mailto:|data:|javascript:|//)", to):
                continue
            place, name = urldefrag(unquote(to).split("?")[0])
            target = (path.parent / place).resolve() if place else path
            known = pages[target].names if target in pages else None
            if not target.is_file() or (name and known is not None and name not in known):
                dead.append(f"{path.relative_to(site)} -> {to}")
    assert not dead


def test_figures_have_texts(pages, site):
    seen = 0
    for path, page in pages.items():
        for image in page.images:
            seen += 1
            assert len(image.get("alt") or "") > 10, f"{path.relative_to(site)}: {image.get('src')}"
            assert not re.search(r"_images/|\.(png|svg)$", image["alt"]), f"{path.name}: {image['alt']}"
    assert seen > 20


def test_formulas_are_mathml(site):
    text = (site / "notebooks" / "06_bilevel_weighting.html").read_text()
    assert text.count("<math ") > 20 and "\\frac" not in re.sub(r"<(script|pre|code).*?</\1>", "", text, flags=re.S)


def test_solutions_are_folded_and_grades_are_left_out(pages, site):
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        solved = [c for c in nbformat.read(path, 4).cells if "solution" in c.metadata.get("tags", [])]
        text = (site / "notebooks" / f"{path.stem}.html").read_text()
        assert text.count("Show the solution") == len(solved), path.name
        assert "BEGIN SOLUTION" not in text and not re.search(r"Exercise \d: right", text), path.name


def test_no_page_tells_a_path_of_this_machine(site):
    for path in [*site.rglob("*.html"), site / "searchindex.js"]:
        assert str(ROOT) not in path.read_text(), path.relative_to(site)


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_) -> None:
        """Requests are not told."""


@pytest.fixture(scope="session")
def address(site):
    handler = functools.partial(Quiet, directory=str(site))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    if not (program := find()):
        pytest.skip("no Chromium on this machine (variable CHROMIUM names one)")
    chromium = Browser(program, tmp_path_factory.mktemp("chromium"))
    yield chromium
    chromium.close()


#: Wider than the window, and not within something that scrolls by itself.
WIDE = """
const free = e => ['auto', 'scroll', 'hidden'].includes(getComputedStyle(e).overflowX);
const scrolls = e => e.tagName != 'ARTICLE' && (free(e) || scrolls(e.parentElement));
const parts = [...document.querySelectorAll('article :is(table, img, pre, math, p)')];
parts.filter(e => e.getBoundingClientRect().right > innerWidth + 1 && !scrolls(e)).map(e => e.outerHTML.slice(0, 80))"""


def test_every_page_loads_and_fits_a_phone(pages, site, address, browser):
    wrong = {}
    for path in pages:
        browser.problems.clear()
        browser.asked.clear()
        browser.open(f"{address}/{path.relative_to(site).as_posix()}", width=360)
        found = {
            "said": list(browser.problems),
            "asked elsewhere": [url for url in browser.asked if not url.startswith((address, "data:", "about:"))],
            "broken": browser.evaluate("[...document.images].filter(i => !i.naturalWidth).map(i => i.src)"),
            "wide": browser.evaluate(WIDE),
            "page": browser.evaluate("Math.max(0, document.documentElement.scrollWidth - 360)"),
        }
        if any(found.values()):
            wrong[path.relative_to(site).as_posix()] = {k: v for k, v in found.items() if v}
    assert not wrong


def test_search_finds(address, browser):
    browser.open(f"{address}/search.html?q=hypergradient", width=1200)
    script = """new Promise(done => {
      const hits = () => document.querySelectorAll('#search-results li a').length;
      const look = left => hits() || !left ? done(hits()) : setTimeout(() => look(left - 1), 100);
      look(100);
    })"""
    assert browser.evaluate(script) > 0


def test_light_and_dark(address, browser):
    shades = []
    for dark in (False, True):
        browser.open(f"{address}/index.html", width=1200, dark=dark)
        shade = browser.evaluate("getComputedStyle(document.body).backgroundColor")
        shades.append(sum(map(int, re.findall(r"\d+", shade)[:3])))
    assert shades[0] > 600 > 200 > shades[1]
