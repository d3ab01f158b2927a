"""Fills `assets/`, the only folder that rendered pages load from: the release's tables, the traces, the JavaScript."""

from __future__ import annotations

import filecmp
import html
import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pyarrow.compute as pc

from analysis.checks.verification import standing
from analysis.numbers import Numbers
from analysis.releases.release import Release, frozen_root
from kdgat import atomic
from kdgat.errors import cli_without_arguments
from kdgat.paths import REPO
from kdgat.records.storage import parquet_bytes
from kdgat.records.tables import TABLES

#: What a page may do. The point is that nothing comes from or goes to anywhere but the site itself; scripts inside pages cannot
#: be forbidden, nor allowed by their hashes: the renderers write some, Quarto also handlers in attributes, and OJS cells are
#: compiled in the browser (`unsafe-eval`, which WebAssembly needs too). `blob:` and `data:` never leave the page: DuckDB's worker, a figure that is saved.
POLICY = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "font-src 'self' data:",
        "connect-src 'self' data: blob:",
        "worker-src 'self' blob:",
        "object-src 'none'",
        "frame-src 'none'",
        "base-uri 'self'",
        "form-action 'none'",
    )
)
#: goes into every page's head. Pages with figures ask for all that they load in one go, not link by link. Pages stand at different depths: the site's root is where the renderer's own scripts are.
HEAD = """<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="referrer" content="no-referrer">
<meta name="kdgat-release" content="{name}">
<meta name="kdgat-main-dataset" content="{main}">
<script type="module">
const script = document.querySelector('script[src*="site_libs/"], script[src$="assets/draft.js"]');
const assets = new URL("assets/", script.src.replace(/(site_libs|assets)\\/.*$/, ""));
if (document.querySelector('.ojs-cell, script[type^="ojs"]')) {{
  const early = (file, kind) => document.head.append(Object.assign(document.createElement("link"), {{...kind, href: new URL(file, assets)}}));
  for (const file of {modules}) early(file, {{rel: "modulepreload"}});
  early("release/manifest.json", {{rel: "preload", as: "fetch", crossOrigin: "anonymous"}});
  import(new URL("kdgat.js", assets)).catch(() => {{
    document.body.classList.add("kdgat-failed");
    const text = "The figures cannot be loaded: load the page again. If that does not help, the site lacks a part of its folder assets/. Until then, pictures stand for them.";
    const attributes = {{className: "kdgat-empty kdgat-error", role: "alert", textContent: text}};
    document.querySelector("main").prepend(Object.assign(document.createElement("p"), attributes));
  }});
}}
// without it numbers say less and do nothing, which no reader has to be told
import(new URL("page.js", assets)).then(({{install}}) => install(document.body, new URL("traces/", assets)), () => {{}});
</script>
"""


def measured(current: Release, folder: Path) -> None:
    """Copy the speeds of the listed releases and of the shown one, as they are; `index.json` has their names in the order of time."""
    index = frozen_root() / "index.json"
    names = json.loads(index.read_text(encoding="utf-8")) if index.is_file() else {}
    releases = [current, *(Release.open(name) for name in names if name != current.name)]
    with_speeds = [r for r in releases if "benchmarks" in r.tables]
    with_speeds.sort(key=lambda r: (min(r.table("runs")["started"].to_pylist()), r.name))
    for release in with_speeds:
        (folder / release.name).mkdir(parents=True)
        shutil.copyfile(release.file("benchmarks"), folder / release.name / "benchmarks.parquet")
    folder.mkdir(exist_ok=True)
    (folder / "index.json").write_text(json.dumps([r.name for r in with_speeds]), encoding="utf-8")


def mirror(source: Path, target: Path) -> None:
    """Make `target` hold what `source` does: files replaced one by one, what is gone removed last.

    Folders are never taken away from under a renderer that walks them, and what is unchanged keeps its time.
    """
    files = {p.relative_to(source) for p in source.rglob("*") if p.is_file()}
    for name in sorted(files):
        if not (target / name).is_file() or not filecmp.cmp(source / name, target / name, shallow=False):
            atomic.write_bytes(target / name, (source / name).read_bytes())
    for old in [p for p in target.rglob("*") if p.is_file() and p.relative_to(target) not in files]:
        old.unlink()


def prefix(key: str) -> str:
    """File in which a number's trace lies: dataset, scenario and model, or whatever the key has of them (`provenance.js` says the same)."""
    return ".".join(key.split(".")[:-1][:3]) or key


def traces(release: Release, trace: dict[str, Any], folder: Path) -> None:
    """Write `trace.json` in parts, since a page opens few of thousands: a file per `prefix`, and what all share.

    The latter, `shared-facts.json`, is in no part's way: no key has a hyphen.
    """
    parts: dict[str, dict[str, Any]] = {}
    for key, number in trace["numbers"].items():
        parts.setdefault(prefix(key), {})[key] = number
    shared = {k: trace[k] for k in ("release", "manifest_sha256", "data_kind", "runs")}
    shared |= {"state": standing(release), "parts": sorted(parts)}
    folder.mkdir()
    for name, content in {"shared-facts": shared, **parts}.items():
        text = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        (folder / f"{name}.json").write_text(text, encoding="utf-8")


def summary(release: Release, folder: Path) -> None:
    """Write `summary` in parts by dataset and protocol, since a page shows one of them; `index.json` lists them."""
    table = release.table("summary")
    places = table.select(["dataset", "protocol"]).group_by(["dataset", "protocol"]).aggregate([])
    parts = []
    folder.mkdir()
    for place in places.sort_by([("dataset", "ascending"), ("protocol", "ascending")]).to_pylist():
        wanted = pc.and_(*(pc.equal(table[name], value) for name, value in place.items()))
        parts.append(place | {"file": f"{place['dataset']}.{place['protocol']}.parquet"})
        (folder / parts[-1]["file"]).write_bytes(parquet_bytes(table.filter(wanted)))
    (folder / "index.json").write_text(json.dumps(parts), encoding="utf-8")


def fill(assets: Path) -> None:
    """Write everything that pages load from the release that is shown ($KDGAT_RELEASE, else `data/frozen/current`)."""
    release = Release.open()
    shutil.copytree(REPO / "paper" / "figures" / "dist", assets, dirs_exist_ok=True)
    (assets / "release").mkdir()
    for name in (file for file in release.files() if file.endswith(".parquet")):
        (assets / "release" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(release.path / name, assets / "release" / name)
    for name in release.manifest["weights"]:  # the live page runs the classifier's student
        if Path(name).name.startswith("gat-student-") and not name.endswith(".safetensors"):
            (assets / "release" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(release.path / name, assets / "release" / name)
    shutil.copyfile(release.path / "manifest.json", assets / "release" / "manifest.json")
    measured(release, assets / "releases")
    shutil.copyfile(REPO / "trace.json", assets / "trace.json")
    summary(release, assets / "summary")
    schema = {
        name: {"doc": one.doc, "columns": {c.name: {"doc": c.doc, "unit": c.unit} for c in one.columns}}
        for name, one in TABLES.items()
    }
    (assets / "schema.json").write_text(json.dumps(schema), encoding="utf-8")
    traces(release, json.loads((REPO / "trace.json").read_text(encoding="utf-8")), assets / "traces")
    modules = (assets / "kdgat.modules.json").read_text(encoding="utf-8")
    name = html.escape(f"{release.name} {release.manifest_sha256}")
    main = html.escape(Numbers(release).main_dataset)
    (assets / "head.txt").write_text(
        HEAD.format(policy=POLICY, name=name, main=main, modules=modules), encoding="utf-8"
    )


def main() -> None:
    """Bring `assets/` up to date."""
    with tempfile.TemporaryDirectory() as folder:
        fill(Path(folder))
        mirror(Path(folder), REPO / "assets")


if __name__ == "__main__":
    cli_without_arguments(main)
