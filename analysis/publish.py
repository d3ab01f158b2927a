"""`python -m analysis.publish --release NAME --out FOLDER`: a release as an RO-Crate, ready for an archive with a DOI.

The crate holds the release as it is, model cards, CITATION.cff, LICENSE, checksums in the form that `sha256sum -c` reads, and
`ro-crate-metadata.json` (RO-Crate 1.1). Same release, same bytes: the publication date is that of the newest run.
"""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

from analysis.checks.verification import verify_release
from analysis.numbers import Numbers
from analysis.numbers.values import data_note
from analysis.reference import labels
from analysis.reference.format import count, slug
from analysis.releases.release import Release
from kdgat import atomic, records
from kdgat.errors import KdgatError
from kdgat.front_door import start
from kdgat.paths import REPO
from kdgat.provenance import sha256

_TYPES = {
    ".parquet": "application/vnd.apache.parquet",
    ".json": "application/json",
    ".md": "text/markdown",
    ".cff": "text/yaml",
    ".safetensors": "application/octet-stream",
    ".onnx": "application/octet-stream",
}


def model_card(numbers: Numbers, dataset: str) -> str:
    """Write the student's model card: what it is, its training, its results, and what it is not for."""
    release = numbers.release
    model = records.HEADLINE_MODEL
    rows = [
        r
        for r in release.table("summary").to_pylist()
        if (r["dataset"], r["model"], r["attack"], r["metric"]) == (dataset, model, "all", "f1")
    ]
    results = "\n".join(
        f"| {labels.scenario(r['scenario'])} | {r['protocol']} | {n.text} | {n.interval or 'n/a'} |"
        for r in rows
        if (n := numbers[".".join(map(slug, (dataset, r["scenario"], model, r["protocol"], "f1")))])
    )
    vehicles = sorted(
        {
            r["vehicle"]
            for r in release.table("datasets").to_pylist()
            if (r["dataset"], r["split"]) == (dataset, "train")
        }
    )
    points = [
        r for r in release.table("operating_points").to_pylist() if (r["dataset"], r["model"]) == (dataset, model)
    ]
    thresholds = "\n".join(f"- seed {r['seed']}, {r['protocol']}: {r['threshold']:.4f} ({r['source']})" for r in points)
    key = "config.augmentation.vehicles"
    virtual = numbers[key].text if key in numbers else "differs by run"
    size = numbers[f"{slug(dataset)}.parameters.{slug(model)}"].text
    return f"""# {labels.model(model)}, trained on {dataset}

A graph attention network that calls a window of CAN frames benign or attacked; distilled from a larger teacher. {size} parameters.
Release `{release.name}`, manifest sha256 `{release.manifest_sha256}`.

{numbers["release.data_note"].text}

## Trained on

Training captures of `{dataset}`: {", ".join(vehicles)}; virtual vehicles beside them: {virtual}. Test captures were read by the
evaluation only.

## Operating points

{thresholds}

## Results

F1, mean over {len(release.manifest["seeds"])} seeds, with 95 % intervals.

| Scenario | Protocol | F1 | Interval |
| :-- | :-- | --: | --: |
{results}

## Not for

Safety: this is research on recorded traffic of few vehicles. False alarms per hour, the limits of the data and what an adaptive
attacker can do are in the paper. Attacks that keep the timing of the traffic they replace must not be expected to be found.

## Files

`*.safetensors` with `*.json` (configuration, scalers, calibration, thresholds) for PyTorch; `*.onnx` for one window: standardised
node features, edge index, edge features and shares in, probability of an attack out.
"""


def contents(release: Release) -> dict[str, bytes]:
    """Every file of the crate besides its metadata: path → bytes."""
    files = {name: (release.path / name).read_bytes() for name in release.files()}
    files["manifest.json"] = (release.path / "manifest.json").read_bytes()
    numbers = Numbers(release)
    for dataset in sorted({name.split("/")[1] for name in release.manifest["weights"]}):
        files[f"weights/{dataset}/README.md"] = model_card(numbers, dataset).encode()
    for name in ("CITATION.cff", "LICENSE"):
        files[name] = (REPO / name).read_bytes()
    files["schema.json"] = (json.dumps(schemas(), indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()
    sums = "".join(f"{sha256(data)}  {name}\n" for name, data in sorted(files.items()))
    return files | {"SHA256SUMS": sums.encode()}


def schemas() -> dict[str, Any]:
    """Meaning, type and unit of every column: what a reader without this code needs."""
    return {
        name: {
            "doc": s.doc,
            "key": list(s.key),
            "columns": {c.name: {"doc": c.doc, "type": str(c.type), "unit": c.unit} for c in s.columns},
        }
        for name, s in records.TABLES.items()
    }


def metadata(release: Release, files: dict[str, bytes]) -> dict[str, Any]:
    """`ro-crate-metadata.json`: the release, its files, and the runs that made them."""
    m = release.manifest
    runs = release.table("runs").to_pylist()
    described = {name: records.TABLES[name].doc for name in m["tables"]}
    parts = []
    for name, data in sorted(files.items()):
        path = Path(name)
        entity = {
            "@id": name,
            "@type": "File",
            "name": path.name,
            "description": described.get(path.stem, f"{path.name} of release {release.name}"),
            "encodingFormat": _TYPES.get(path.suffix, "text/plain"),
            "contentSize": str(len(data)),
            "sha256": sha256(data),
        }
        parts.append(entity)
    author = {"@id": "#authors", "@type": "Organization", "name": "KD-GAT contributors"}
    licence = {
        "@id": "https://spdx.org/licenses/MIT",
        "@type": "CreativeWork",
        "name": "MIT License",
        "description": "Applies to code, tables and weights; the captures are not part of this crate.",
    }
    action = {
        "@id": "#flow",
        "@type": "CreateAction",
        "name": f"Flow runs {', '.join(m['flow_runs'])}",
        "description": f"{count(len(runs))} runs of commit {', '.join(m['code']['commits'])} with preset "
        f"{', '.join(m['presets'])} over seeds {', '.join(map(str, m['seeds']))}",
        "startTime": min(r["started"] for r in runs),
        "endTime": max(r["started"] for r in runs),
        "instrument": {"@id": "#code"},
        "agent": {"@id": "#authors"},
        "result": [{"@id": p["@id"]} for p in parts if p["@id"].endswith((".parquet", ".safetensors", ".onnx"))],
    }
    code = {
        "@id": "#code",
        "@type": "SoftwareSourceCode",
        "name": "KD-GAT",
        "version": ", ".join(m["code"]["commits"]),
        "programmingLanguage": "Python",
    }
    root = {
        "@id": "./",
        "@type": "Dataset",
        "name": f"KD-GAT results, release {release.name}",
        "description": f"{data_note(m['datasets'])} {count(len(runs))} runs; every number of the paper is a query over these tables.",
        "datePublished": max(r["started"] for r in runs)[:10],
        "license": {"@id": licence["@id"]},
        "author": {"@id": "#authors"},
        "keywords": ["CAN bus", "intrusion detection", "graph neural network", "knowledge distillation"],
        "identifier": f"sha256:{release.manifest_sha256}",
        "hasPart": [{"@id": p["@id"]} for p in parts],
        "publisher": {"@id": "#authors"},
        "mentions": {"@id": "#flow"},
    }
    descriptor = {
        "@id": "ro-crate-metadata.json",
        "@type": "CreativeWork",
        "conformsTo": {"@id": "https://w3id.org/ro/crate/1.1"},
        "about": {"@id": "./"},
    }
    graph = [descriptor, root, author, licence, code, action, *parts]
    # the context of 1.1 knows no checksums; this is the term that later profiles use
    context = ["https://w3id.org/ro/crate/1.1/context", {"sha256": "https://w3id.org/ro/terms/workflow-run#sha256"}]
    return {"@context": context, "@graph": graph}


def publish(release: Release, out: Path) -> Path:
    """Write the crate to the new folder `out`; raises `KdgatError` if the release does not verify or `out` exists."""
    if problems := verify_release(release.path):
        raise KdgatError(f"{release.name} is not published: {problems[0]} ({len(problems)} problems)")
    files = contents(release)
    about = json.dumps(metadata(release, files), indent=1, ensure_ascii=False) + "\n"
    try:
        with atomic.new_directory(out) as folder:
            for name, data in {**files, "ro-crate-metadata.json": about.encode()}.items():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                (folder / name).write_bytes(data)
    except FileExistsError:
        raise KdgatError(f"{out} exists; choose another folder") from None
    return out


def pack(folder: Path) -> Path:
    """Write the crate as one zip beside it, atomically and with the same bytes each time."""
    target = folder.with_name(f"{folder.name}.zip")
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(p for p in folder.rglob("*") if p.is_file()):
            entry = zipfile.ZipInfo(f"{folder.name}/{file.relative_to(folder).as_posix()}")
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, file.read_bytes(), zipfile.ZIP_DEFLATED)
    atomic.write_bytes(target, packed.getvalue())
    return target


def run(release: str | None, out: Path, *, as_zip: bool = False) -> int:
    """Publish a release (None: the current one) as the new folder `out`, and as `<out>.zip` if `as_zip`; print both."""
    folder = publish(Release.open(release), out)
    print(f"{folder}: {sum(p.is_file() for p in folder.rglob('*'))} files")
    if as_zip:
        print(pack(folder))
    return 0


if __name__ == "__main__":
    start("publish")
