"""The live detector: the frozen student scores in the browser as it does in Python, and the reader's attack is seen."""

from __future__ import annotations

import json

import numpy as np
import pytest

from kdgat.synthetic.commands import write_capture
from tests.rendering import student
from tools.live_vectors import VECTORS

FACTS = ".kdgat-live .kdgat-facts"


def test_the_browser_scores_as_python_does(visit):
    import onnxruntime

    from kdgat.graphs.scaling import Scalers

    captures = json.loads(VECTORS.read_text())["captures"]
    scalers = Scalers.from_dict(json.loads(student(".json"))["scalers"])
    windows = [window for capture in captures for window in capture["windows"]]
    # the vectors hold two feature sets: the student's is told by its width
    width = len(scalers.nodes.mean)
    windows = [w | {"x": next(w[k] for k in ("x", "memory") if len(w[k]) == width * len(w["ids"]))} for w in windows]
    session = onnxruntime.InferenceSession(student(".onnx"), providers=["CPUExecutionProvider"])
    want = []
    for window in windows:
        x = np.array(window["x"], np.float32).reshape(len(window["ids"]), -1)
        edges = np.array(window["edges"], np.float32).reshape(len(window["source"]), -1)
        feeds = {"x": scalers.nodes(x), "edge_attr": scalers.edges(edges), "share": x[:, 0]}
        feeds["edge_index"] = np.array([window["source"], window["target"]], np.int64)
        want.append(float(session.run(None, feeds)[0][0]))
    visit.open("paper/results/live.html")
    got = visit.page.evaluate(
        """async (windows) => {
            const kdgat = await import(new URL("../../assets/kdgat.js", document.baseURI));
            const release = kdgat.open(new URL("../../assets/release/", document.baseURI));
            const detector = await kdgat.openDetector(release, {dataset: "hcrl-sa", seed: 0});
            const scores = [];
            for (const w of windows) {
              const share = Float32Array.from(w.ids, (_, u) => w.x[(u * w.x.length) / w.ids.length]);
              scores.push(await detector.score({...w, share, x: Float32Array.from(w.x), edges: Float32Array.from(w.edges)}));
            }
            return scores;
        }""",
        windows,
    )
    assert got == pytest.approx(want, abs=1e-4)


def test_an_attack_is_let_loose_and_counted(visit):
    visit.open("paper/results/live.html?attack=spoofing&rate=1000&vehicle=3")
    assert "after Start" in visit.page.locator(FACTS).inner_text()
    visit.page.get_by_role("button", name="Start").click()
    cells = visit.page.locator(".kdgat-live table").first.locator("tbody tr")
    cells.first.wait_for(timeout=20_000)
    assert cells.first.locator("td").first.text_content() == "benign"
    visit.page.get_by_role("button", name="Attack").click()
    visit.page.wait_for_function("document.querySelectorAll('.kdgat-live tbody tr').length > 1")
    traffic = cells.locator("td:first-child").all_text_contents()
    assert "spoofing" in traffic
    visit.page.get_by_role("button", name="Pause").click()
    assert "n/a" not in visit.page.locator(FACTS).inner_text()
    visit.page.get_by_text("Data table").click()
    visit.page.locator(".kdgat-data tbody tr").nth(2).wait_for()


def test_an_attack_that_is_not_detected_is_told(visit):
    visit.open("paper/results/live.html?attack=suppress&vehicle=3")
    visit.page.get_by_role("button", name="Start").click()
    visit.page.locator(".kdgat-live table tbody tr").first.wait_for(timeout=20_000)
    visit.page.get_by_role("button", name="Attack").click()
    visit.page.get_by_text("Attack running, not detected").wait_for()


def test_nothing_is_loaded_before_it_is_started(visit):
    requests = []
    visit.page.on("request", lambda request: requests.append(request.url))
    visit.open("paper/results/live.html")
    assert not [url for url in requests if url.endswith((".wasm", ".onnx"))]


@pytest.mark.parametrize(("format", "traffic"), [("candump", {"not labelled"}), ("hcrl-csv", {"benign", "attacked"})])
def test_a_capture_of_the_readers_own_is_scored_in_the_page(visit, tmp_path, format: str, traffic: set[str]):
    path = tmp_path / f"own.{format}"
    write_capture(path, format, "spoofing", 1e-3, 24.0, 3)
    requests = []
    visit.open("paper/results/live.html")
    visit.page.on("request", lambda request: requests.append((request.method, request.url)))
    own = visit.page.locator(".kdgat-own")
    own.locator("input[type=file]").set_input_files(path)
    own.get_by_text("called an attack by the student").wait_for(timeout=30_000)
    assert set(own.locator("tbody td:first-child").all_text_contents()) == traffic
    assert own.locator("canvas").is_visible()
    assert all(method == "GET" and url.endswith((".onnx", ".json", ".wasm", ".js")) for method, url in requests)


def test_a_capture_that_cannot_be_read_is_refused_in_one_line(visit, tmp_path):
    visit.open("paper/results/live.html")
    own = visit.page.locator(".kdgat-own")
    for text, why in (("%PDF-1.7", "line 1 is none of"), ("(1.0) can0 1#00\n", "is too short")):
        name = f"own{len(text)}.log"  # the same file chosen again is no change to the browser
        (tmp_path / name).write_text(text)
        own.locator("input[type=file]").set_input_files(tmp_path / name)
        own.locator(".kdgat-error", has_text=why).wait_for()
        assert own.locator(".kdgat-error").count() == 1


def test_the_timing_rule_stands_beside_the_student(visit):
    visit.open("paper/results/live.html?attack=evade_midpoint&vehicle=3")
    visit.page.get_by_role("button", name="Start").click()
    table = visit.page.locator(".kdgat-live table").first
    table.locator("tbody tr").first.wait_for(timeout=20_000)
    assert table.locator("th").all_text_contents() == [
        "traffic",
        "windows",
        "called attack",
        "called attack by the rule",
    ]
    visit.page.get_by_role("button", name="Attack").click()
    table.get_by_text("evade_midpoint").wait_for()
    assert "by the timing rule" in visit.page.locator(".kdgat-live [role=img]").last.get_attribute("aria-label")
