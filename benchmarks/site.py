"""Speeds of the site as a reader meets it: `python -m benchmarks.site`, on the rendered `_site`.

Loopback, compressed as hosts do, a fresh profile of the system's Chromium for every page (nothing cached), no graphics card. Beside each
figure stands what is asked and what is aimed at: it measures, it is no test. What else runs on the machine counts: the load average stands below.
"""

from __future__ import annotations

import argparse
import functools
import gzip
import http.server
import os
import statistics
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kdgat import provenance
from kdgat.errors import KdgatError, cli
from kdgat.paths import REPO

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
#: pages whose first figure is waited for
FIGURES = (
    "leaderboard",
    "errors",
    "distillation",
    "fusion",
    "ablations",
    "curves",
    "datasets",
    "graph",
    "embeddings",
    "live",
    "runs",
)
#: name → (asked, aimed at), upper bounds
BOUNDS: dict[str, tuple[float, float]] = {
    "first figure, slowest page": (1.5, 0.8),
    "first figure, median page": (1.5, 0.8),
    "leaderboard's figure, 1.6 Mbit/s": (3, 2),
    "JavaScript without SQL, gzip, heaviest page": (250, 200),
    "of it our own, gzip": (80, 50),
    "first SQL answer": (4, 2.5),
    "threshold to redraw, 20,000 windows": (50, 16),
    "scatter drawn, 20,000 points": (50, 16),
    "live detector, one window": (10, 3),
    "outside requests": (0, 0),
    "console errors": (0, 0),
}
#: what hosts send compressed
TEXT = {".html", ".js", ".css", ".json", ".svg"}
#: a slow line: bits a second, milliseconds there and back
SLOW = (1.6e6, 150)
#: notes, in the page, when its first figure was put in
WATCH = """new MutationObserver((_, watch) => {
  if (document.querySelector(".kdgat-figure svg, .kdgat-figure canvas")) { window.firstFigure = performance.now(); watch.disconnect(); }
}).observe(document, {childList: true, subtree: true})"""
#: a figure is there, or a sentence says that there is none
READY = "window.firstFigure || document.querySelector('.kdgat-empty')"
#: 20,000 points: what a move of the threshold costs in its three views, and what a scatter costs to draw anew
REDRAW = """async () => {
  const kdgat = await import(new URL("../../assets/kdgat.js", document.baseURI));
  const n = 20000;
  const rows = Array.from({length: n}, (_, i) => ({
    window: i, capture: "a", t0: i / 20, duration: 0.05, injected: i % 5 ? 0 : 3, attack: i % 5 ? "benign" : "dos", scenario: "s", vehicle: "v",
    x: Math.sin(i) * i, y: Math.cos(i) * i, score: (i % 100) / 100, "gat-student": ((i * 7919) % 1000) / 1000
  }));
  const prepared = kdgat.scores(rows, "gat-student");
  const main = document.querySelector("main");
  const timed = (draw) => Array.from({length: 15}, (_, i) => {
    const begin = performance.now();
    const nodes = draw(i / 15);
    main.append(...nodes);
    nodes.forEach((node) => node.getBoundingClientRect());
    const took = performance.now() - begin;
    nodes.forEach((node) => node.remove());
    return took;
  });
  const slider = kdgat.threshold("measured", prepared, []);
  const views = [kdgat.confusionTable, kdgat.scoreHistogram, kdgat.rocCurve].map((draw) => draw(prepared, {threshold: slider}));
  main.append(...views);
  const threshold = Array.from({length: 15}, (_, i) => {
    const begin = performance.now();
    slider.value = i / 15;
    slider.dispatchEvent(new CustomEvent("input"));
    views.forEach((node) => node.getBoundingClientRect());
    return performance.now() - begin;
  });
  const scatter = timed(() => [kdgat.embedding(rows, {width: 700})]);
  return {threshold, scatter};
}"""


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Address of a folder on loopback."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            pass

        def do_GET(self) -> None:
            file = Path(self.translate_path(self.path))
            if file.suffix not in TEXT or not file.is_file():
                return super().do_GET()
            content = gzip.compress(file.read_bytes())
            self.send_response(200)
            self.send_header("Content-Type", self.guess_type(str(file)))
            self.send_header("Content-Encoding", "gzip")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    class Server(http.server.ThreadingHTTPServer):
        def handle_error(self, *_: Any, **__: Any) -> None:
            """A page that is closed while it loads breaks its connections: that is no error."""

    handler = functools.partial(Quiet, directory=str(folder))
    with Server(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


class Reader:
    """Opens pages with nothing cached and notes what they ask for."""

    def __init__(self, browser: Any, address: str) -> None:
        self.browser, self.address = browser, address
        self.outside: list[str] = []
        self.errors: list[str] = []
        self.asked: set[str] = set()

    @contextmanager
    def page(self, path: str, *, slow: bool = False) -> Iterator[Any]:
        """A fresh page at `path`, over a `SLOW` line if asked; `asked` then holds what it loaded, as paths of the site."""
        context = self.browser.new_context(viewport={"width": 1280, "height": 900})
        context.add_init_script(WATCH)
        page = context.new_page()
        self.asked = set()
        page.on("request", lambda request: self._note(request.url))
        page.on("console", lambda m: self.errors.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda e: self.errors.append(str(e)))
        if slow:
            bits, milliseconds = SLOW
            line = {
                "downloadThroughput": bits / 8,
                "uploadThroughput": bits / 8,
                "latency": milliseconds,
                "offline": False,
            }
            session = context.new_cdp_session(page)
            session.send("Network.enable")
            session.send("Network.emulateNetworkConditions", line)
        page.goto(self.address + path)
        yield page
        context.close()

    def _note(self, url: str) -> None:
        if url.startswith(self.address):
            self.asked.add(url.removeprefix(self.address).partition("?")[0])
        elif not url.startswith(("data:", "blob:")):
            self.outside.append(url)


def own_javascript() -> float:
    """Compressed size of what pages with figures load, without packages of others, kB."""
    figures = REPO / "paper" / "figures"
    with tempfile.TemporaryDirectory() as folder:
        options = ("--bundle", "--minify", "--format=esm", "--splitting", "--packages=external", "--loader:.sql=text")
        command = ["node", "node_modules/esbuild/bin/esbuild", "index.js", "page.js", *options, f"--outdir={folder}"]
        subprocess.run(command, cwd=figures, check=True, capture_output=True)
        return sum(len(gzip.compress(p.read_bytes())) for p in Path(folder).glob("*.js")) / 1000


def rows(browser: Any, address: str, site: Path) -> Iterator[dict[str, Any]]:
    """Rows in the shape of the table `benchmarks`: `site` is served at `address`."""

    def row(name: str, value: float, unit: str, n: int) -> dict[str, Any]:
        return {"name": name, "value": value, "unit": unit, "n": n, "machine": provenance.machine()}

    reader = Reader(browser, address)
    first, weight = {}, {}
    for name in FIGURES:
        with reader.page(f"paper/results/{name}.html") as page:
            page.wait_for_function(READY, timeout=60_000)
            if (seen := page.evaluate("window.firstFigure")) is not None:  # a release may hold nothing to draw there
                first[name] = seen / 1000
            page.wait_for_load_state("networkidle")
            # beyond the renderer's own: draft.js runs the cells, as Quarto's scripts do
            scripts = [path for path in reader.asked if path.startswith("assets/") and path != "assets/draft.js"]
            scripts = [path for path in scripts if path.endswith(".js")]
            weight[name] = sum(len(gzip.compress((site / path).read_bytes())) for path in scripts) / 1000
    yield row("first figure, slowest page", max(first.values()), "s", len(first))
    yield row("first figure, median page", statistics.median(first.values()), "s", len(first))
    with reader.page("paper/results/leaderboard.html", slow=True) as page:
        page.wait_for_function(READY, timeout=60_000)
        yield row("leaderboard's figure, 1.6 Mbit/s", page.evaluate("window.firstFigure") / 1000, "s", 1)
    yield row("JavaScript without SQL, gzip, heaviest page", max(weight.values()), "KB", len(weight))
    yield row("of it our own, gzip", own_javascript(), "KB", 1)
    with reader.page("paper/results/sql.html?q=select+count(*)+as+n+from+runs") as page:
        page.get_by_role("button", name="Run", exact=True).click(
            timeout=60_000
        )  # a query of the address waits for its reader
        page.wait_for_selector(".kdgat-result td", timeout=60_000)
        yield row("first SQL answer", page.evaluate("performance.now()") / 1000, "s", 1)
    with reader.page("paper/results/errors.html") as page:
        page.wait_for_function(READY, timeout=60_000)
        drawn = page.evaluate(REDRAW)
    yield row(
        "threshold to redraw, 20,000 windows", statistics.median(drawn["threshold"]), "ms", len(drawn["threshold"])
    )
    yield row("scatter drawn, 20,000 points", statistics.median(drawn["scatter"]), "ms", len(drawn["scatter"]))
    with reader.page("paper/results/live.html") as page:
        page.get_by_role("button", name="Start").click()
        page.locator(".kdgat-live tbody tr").first.wait_for(timeout=60_000)
        page.wait_for_timeout(6000)
        facts = page.locator(".kdgat-live .kdgat-facts")
        windows = int(page.locator(".kdgat-live tbody td:nth-child(2)").first.text_content())
        live = facts.locator("div", has_text="window, ms").locator("dd").text_content().partition(" / ")[0]
        yield row("live detector, one window", float(live), "ms", windows)
    yield row("outside requests", len(reader.outside), "", len(FIGURES) + 3)
    yield row("console errors", len(reader.errors), "", len(FIGURES) + 3)


def main() -> None:
    """Print every row beside its bounds."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.site", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--site", type=Path, default=REPO / "_site", help="rendered site (default _site)")
    folder = parser.parse_args().site
    if not (folder / "paper" / "results" / "live.html").is_file():
        raise KdgatError(f"{folder} holds no rendered site: run `make site`")
    if not CHROMIUM.exists():
        raise KdgatError(f"{CHROMIUM} is missing: make test-system")
    from playwright.sync_api import sync_playwright

    with served(folder) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        for row in rows(browser, address, folder):
            asked, aim = BOUNDS[row["name"]]
            value = f"{row['value']:14,.3f} {row['unit']:9} {row['n']} repetitions"
            print(f"{row['name']:44} {value:45} asked {asked:g}, aim {aim:g}", flush=True)
        browser.close()
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")


if __name__ == "__main__":
    cli(main)
