"""`kdgat publish --release NAME --out FOLDER`: a release as an RO-Crate, ready for an archive with a DOI.

The crate holds the release as it is, model cards, CITATION.cff, LICENSE, checksums in the form that `sha256sum -c` reads, and
`ro-crate-metadata.json` (RO-Crate 1.2, Workflow Run Crate 0.5). Same release, same bytes: the publication date is that of the
newest run.
"""

from __future__ import annotations

import io
import json
import tomllib
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from analysis.checks.anchor import History
from analysis.checks.released import classifier
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

#: the flow whose runs a release holds, in the checkout and in the crate
FLOW, WORKFLOW = Path("flows/kdgat_flow.py"), "workflow/kdgat_flow.py"
#: what a crate conforms to: that it describes runs, of a workflow, which is in it
PROFILES = (
    "https://w3id.org/ro/wfrun/process/0.5",
    "https://w3id.org/ro/wfrun/workflow/0.5",
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0",
)
_TYPES = {
    ".py": "text/x-python",
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
    model = classifier(release, dataset)
    taught = "distilled from a larger teacher" if model == records.HEADLINE_MODEL else "trained on labels alone"
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

A graph attention network that calls a window of CAN frames benign or attacked; {taught}. {size} parameters.
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


def workflow(release: Release) -> tuple[bytes, str]:
    """The flow's source as the release's first run was made from, and which one it is; without that commit, the checkout's own."""
    commit = min(release.table("runs").to_pylist(), key=lambda row: row["started"])["commit"]
    source = History().git("show", f"{commit}:{FLOW.as_posix()}")
    if source is None:
        return (
            REPO / FLOW
        ).read_bytes(), "as in the checkout that published it, which does not hold the commit of the runs"
    return source, f"as in commit {commit}"


def contents(release: Release) -> dict[str, bytes]:
    """Every file of the crate besides its metadata: path → bytes."""
    files = {name: (release.path / name).read_bytes() for name in release.files()}
    files["manifest.json"] = (release.path / "manifest.json").read_bytes()
    files[WORKFLOW], _ = workflow(release)
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
    """`ro-crate-metadata.json`: the release, its files, and the runs of the workflow that made them."""
    m = release.manifest
    runs = release.table("runs").to_pylist()
    parts = [_file(release, name, data) for name, data in sorted(files.items())]
    profiles = [
        {"@id": p, "@type": ["CreativeWork", "Profile"], "name": p.split("/")[-2], "version": p.split("/")[-1]}
        for p in PROFILES
    ]
    author = {"@id": "#authors", "@type": "Organization", "name": "KD-GAT contributors"}
    licence = {
        "@id": "https://spdx.org/licenses/MIT",
        "@type": "CreativeWork",
        "name": "MIT License",
        "description": "Applies to code, tables and weights; the captures are not part of this crate.",
    }
    actions = [_action(flow, runs, parts) for flow in m["flow_runs"]]
    root = {
        "@id": "./",
        "@type": "Dataset",
        "conformsTo": _references(profiles),
        "name": f"KD-GAT results, release {release.name}",
        "description": f"{data_note(m['datasets'])} {count(len(runs))} runs; every number of the paper is a query over these tables.",
        "datePublished": max(r["started"] for r in runs)[:10],
        "license": {"@id": licence["@id"]},
        "author": {"@id": "#authors"},
        "keywords": ["CAN bus", "intrusion detection", "graph neural network", "knowledge distillation"],
        "identifier": f"sha256:{release.manifest_sha256}",
        "hasPart": _references(parts),
        "mainEntity": {"@id": WORKFLOW},
        "publisher": {"@id": "#authors"},
        "mentions": _references(actions),
    }
    descriptor = {
        "@id": "ro-crate-metadata.json",
        "@type": "CreativeWork",
        "conformsTo": [{"@id": "https://w3id.org/ro/crate/1.2"}, {"@id": PROFILES[-1]}],
        "about": {"@id": "./"},
    }
    language = {
        "@id": "https://w3id.org/workflowhub/workflow-ro-crate#python",
        "@type": "ComputerLanguage",
        "name": "Python",
        "identifier": "https://www.python.org",
        "url": "https://www.python.org",
        "version": tomllib.loads((REPO / "pyproject.toml").read_text(encoding="utf-8"))["project"]["requires-python"],
    }
    graph = [descriptor, root, author, licence, *profiles, language, *actions, *parts]
    context = ["https://w3id.org/ro/crate/1.2/context", "https://w3id.org/ro/terms/workflow-run/context"]
    return {"@context": context, "@graph": graph}


def _references(entities: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    return [{"@id": entity["@id"]} for entity in entities]


def _file(release: Release, name: str, data: bytes) -> dict[str, Any]:
    """One file of the crate; the flow's source is a workflow, too."""
    path = Path(name)
    schema = records.TABLES.get(path.stem)
    entity: dict[str, Any] = {
        "@id": name,
        "@type": "File",
        "name": path.name,
        "description": schema.doc if schema and path.suffix == ".parquet" else f"{path.name} of release {release.name}",
        "encodingFormat": _TYPES.get(path.suffix, "text/plain"),
        "contentSize": str(len(data)),
        "sha256": sha256(data),
    }
    if name != WORKFLOW:
        return entity
    return entity | {
        "@type": ["File", "SoftwareSourceCode", "ComputationalWorkflow"],
        "name": "KD-GAT flow",
        "description": f"Metaflow flow that trains and evaluates, {workflow(release)[1]}",
        "programmingLanguage": {"@id": "https://w3id.org/workflowhub/workflow-ro-crate#python"},
        "license": {"@id": "https://spdx.org/licenses/MIT"},
        "version": ", ".join(release.manifest["code"]["commits"]),
    }


def _action(flow: str, runs: Sequence[Mapping[str, Any]], parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """One flow run: when, of what, by whom, and what came of it."""
    own = [r for r in runs if r["flow_run"] == flow]
    results = [p for p in parts if p["@id"].endswith((".parquet", ".safetensors", ".onnx"))]
    presets, seeds, commits = ({str(r[name]) for r in own} for name in ("preset", "seed", "commit"))
    return {
        "@id": f"#{flow}",
        "@type": "CreateAction",
        "name": f"Flow run {flow}",
        "description": f"{count(len(own))} runs of commit {', '.join(sorted(commits))} with preset {', '.join(sorted(presets))} "
        f"over seeds {', '.join(sorted(seeds))}",
        "actionStatus": {"@id": "http://schema.org/CompletedActionStatus"},
        "startTime": min(r["started"] for r in own),
        "endTime": max(r["started"] for r in own),
        "instrument": {"@id": WORKFLOW},
        "agent": {"@id": "#authors"},
        "result": _references(results),
    }


def publish(release: Release, out: Path) -> Path:
    """Write the crate to the new folder `out`; raises `KdgatError` if the release does not verify or `out` exists."""
    if out.exists():
        raise KdgatError(f"{out} exists; choose another folder")
    atomic.check_folder(out)
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
