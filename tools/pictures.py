"""The README's pictures, from what `make site` rendered: `python -m tools.pictures` (Chromium and poppler)."""

from __future__ import annotations

import functools
import http.server
import io
import subprocess
import threading
from pathlib import Path

from kdgat import atomic
from kdgat.errors import KdgatError, cli_without_arguments
from kdgat.paths import REPO

TARGET = REPO / "docs" / "pictures"
#: name → page of the site, and the figure that is taken
PAGES = {
    "leaderboard": ("paper/results/leaderboard.html", ".kdgat-figure svg"),
    "graph": ("paper/results/graph.html", ".kdgat-figure svg"),
}
CHROMIUM = Path("/usr/bin/chromium")


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


def webp(png: bytes, width: int = 720) -> bytes:
    """A picture as small WebP."""
    from PIL import Image

    image = Image.open(io.BytesIO(png)).convert("RGB")
    image = image.resize((width, round(image.height * width / image.width)), Image.Resampling.LANCZOS)
    out = io.BytesIO()
    image.save(out, "WEBP", quality=70, method=6)
    return out.getvalue()


def site() -> dict[str, bytes]:
    """Screenshots of `PAGES`, from their first figure on."""
    from playwright.sync_api import sync_playwright

    pictures = {}
    handler = functools.partial(_Quiet, directory=str(REPO / "_site"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server, sync_playwright() as playwright:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1200, "height": 800})
        for name, (path, selector) in PAGES.items():
            page.goto(f"http://127.0.0.1:{server.server_port}/{path}")
            page.wait_for_selector(selector)
            page.locator(selector).first.evaluate("e => scrollBy(0, e.getBoundingClientRect().top - 140)")
            page.wait_for_timeout(500)  # figures fade in
            pictures[name] = page.screenshot()
        browser.close()
        server.shutdown()
    return pictures


def paper() -> bytes:
    """First page of the PDF."""
    command = ["pdftoppm", "-png", "-r", "110", "-f", "1", "-l", "1", str(REPO / "_site" / "paper" / "index.pdf")]
    return subprocess.run(command, check=True, capture_output=True).stdout


def main() -> None:
    """Write all pictures."""
    if not (REPO / "_site" / "index.html").is_file():
        raise KdgatError("nothing is rendered: make site")
    if not CHROMIUM.exists():
        raise KdgatError("Chromium is missing: make test-system")
    for name, png in (site() | {"paper": paper()}).items():
        data = webp(png)
        atomic.write_bytes(TARGET / f"{name}.webp", data)
        print(f"{TARGET / name}.webp: {len(data) / 1000:.0f} kB")


if __name__ == "__main__":
    cli_without_arguments(main)
