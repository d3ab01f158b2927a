"""A rendered site on loopback, and a browser in which every outside request fails the test."""

from __future__ import annotations

import functools
import http.server
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests import shared
from tests.rendering import NODE_MODULES, rendered

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
FLAGS += ["--disable-component-update", "--disable-sync"]


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="session")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site of a release with a real and a synthetic dataset."""
    if not CHROMIUM.exists():
        pytest.skip("Chromium is missing: make test-system")
    if not NODE_MODULES.is_dir():
        pytest.skip("paper/figures/node_modules is missing: npm ci")
    # under a sub-path, as on most hosts: nothing may assume the root
    folder = tmp_path_factory.mktemp("www") / "kd-gat"
    return shared.copy(rendered({"hcrl-sa": "real", "synthetic": "synthetic"}).site, folder)


@pytest.fixture(scope="session")
def site(pages: Path) -> Iterator[str]:
    """Its address."""
    handler = functools.partial(_Quiet, directory=str(pages.parent))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/kd-gat/"
        server.shutdown()


@pytest.fixture(scope="session")
def chromium(site: str):
    """The system's Chromium, headless."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        yield browser
        browser.close()


@dataclass
class Visit:
    """A page in the browser and what went wrong on it."""

    page: object
    site: str
    wrong: list[str] = field(default_factory=list)

    def open(self, path: str) -> None:
        """Go there and wait until the network is idle."""
        self.page.goto(self.site + path)
        self.page.wait_for_load_state("networkidle")


@pytest.fixture
def visit(site: str, chromium, request: pytest.FixtureRequest) -> Iterator[Visit]:
    """A fresh page; when the test ends there must have been no outside request, failed request or console error.

    Parametrise indirectly with context options (viewport, color_scheme …).
    """
    context = chromium.new_context(**getattr(request, "param", {"viewport": {"width": 1280, "height": 900}}))
    page = context.new_page()
    guest = Visit(page, site)

    def route(handler) -> None:
        if handler.request.url.startswith((site, "data:", "blob:")):
            handler.continue_()
        else:
            guest.wrong.append(f"asked for {handler.request.url}")
            handler.abort()

    context.route("**/*", route)
    page.on("console", lambda m: guest.wrong.append(f"console: {m.text}") if m.type == "error" else None)
    page.on("pageerror", lambda e: guest.wrong.append(f"error: {e}"))
    page.on("response", lambda r: guest.wrong.append(f"{r.status} {r.url}") if r.status >= 400 else None)
    yield guest
    context.close()
    assert guest.wrong == []
