"""`kdgat doctor | detect | import-results`, as a person types them."""

from __future__ import annotations

import csv
import io
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from analysis import detect, import_results
from analysis.checks import released
from analysis.releases.release import Release
from kdgat import doctor
from kdgat.captures.quarantine import BadRow
from kdgat.captures.reader import CaptureReader
from kdgat.errors import CaptureError, KdgatError
from kdgat.evaluation.adaptation import margins
from kdgat.evaluation.scored import ScoredWindows
from kdgat.evaluation.thresholds import logit


def run(repo: Path, *arguments: str, python: str = sys.executable) -> subprocess.CompletedProcess[str]:
    return subprocess.run([python, "-m", "kdgat", *arguments], cwd=repo, capture_output=True, text=True)


@pytest.fixture(scope="module")
def current() -> Release:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("KDGAT_RELEASE", raising=False)
        patch.delenv("KDGAT_FROZEN", raising=False)
        return Release.open()


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Thirty synthetic seconds as `candump -L` writes them, flooded in the middle."""
    from kdgat.synthetic import write
    from kdgat.synthetic.attacks import inject
    from kdgat.synthetic.bus import BUS_RANGES
    from kdgat.synthetic.vehicle import Vehicle

    rng = np.random.default_rng(5)
    frames = inject(Vehicle.draw(BUS_RANGES, rng).drive(30.0, rng), "dos", [(15.0, 20.0)], 0.0005, rng)
    path = tmp_path_factory.mktemp("log") / "my.log"
    write.write(frames, path, "candump")
    return path


# ---- doctor ----------------------------------------------------------------------------------------------------------


def test_doctor_says_what_is_there_and_what_its_absence_costs(repo: Path) -> None:
    done = run(repo, "doctor")
    assert done.returncode == 0, done.stdout + done.stderr
    for part in ("python", "extra paper", "extra train", "node", "quarto", "captures", "W&B key"):
        assert f"  {part} " in done.stdout
    for line in done.stdout.split("\nmissing  ")[1:]:
        assert "without it: " in line, line


def test_doctor_answers_before_anything_is_installed(repo: Path) -> None:
    done = subprocess.run(  # no site-packages at all
        [sys.executable, "-S", "-m", "kdgat", "doctor"], cwd=repo, capture_output=True, text=True
    )
    assert "Traceback" not in done.stderr, done.stderr
    assert done.returncode == 1 and "missing  core packages" in done.stdout
    assert "to get it: pip install -c requirements.lock -e '.[paper]'" in done.stdout


@pytest.mark.parametrize(
    ("package", "start"),
    [
        (
            "llvmlite",
            "sys.argv = ['kdgat', 'detect', 'tests/fuzz/corpus/captures/candump']; "
            "runpy.run_module('kdgat', run_name='__main__')",
        ),
        ("metaflow", "sys.path.insert(0, 'flows'); runpy.run_path('flows/kdgat_flow.py', run_name='__main__')"),
    ],
)
def test_a_package_that_is_not_installed_is_one_line(repo: Path, package: str, start: str) -> None:
    code = f"import runpy, sys; sys.modules[{package!r}] = None; {start}"
    done = subprocess.run([sys.executable, "-c", code], cwd=repo, capture_output=True, text=True)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith(f"error: {package} is missing: pip install ") and done.stderr.count("\n") == 1


def test_doctor_knows_every_extra_but_quarto(repo: Path) -> None:
    import tomllib

    extras = tomllib.loads((repo / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert set(doctor.EXTRAS) == set(extras) - {"quarto"}


def test_a_version_that_is_not_asked_for_is_missing() -> None:
    missing = doctor._absent(["numpy<1", "numpy>=1", "no-such-package>=3"])
    assert [f.split(" ")[0] for f in missing] == ["numpy", "no-such-package"] and "wanted <1" in missing[0]


# ---- detect ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def judged(repo: Path, log: Path) -> subprocess.CompletedProcess[str]:
    """What one student says of the log."""
    done = run(repo, "detect", str(log), "--seed", "0")
    assert done.returncode == 0, done.stderr
    return done


def test_detect_prints_windows_scores_and_alarms(
    repo: Path, log: Path, judged: subprocess.CompletedProcess[str]
) -> None:
    done = judged
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert list(rows[0]) == ["window", "begin_s", "end_s", "score", "alarm"]
    assert all(0 <= float(r["score"]) <= 1 and float(r["begin_s"]) < float(r["end_s"]) for r in rows)
    assert float(rows[0]["begin_s"]) >= 10, "the first ten seconds give the profile"
    alarms = sum(r["alarm"] == "1" for r in rows)
    assert f"{len(rows)} windows, {alarms} alarms" in done.stderr and "calibrated" in done.stderr
    inside = [float(r["score"]) for r in rows if float(r["begin_s"]) >= 15 and float(r["end_s"]) <= 20]
    outside = [float(r["score"]) for r in rows if float(r["end_s"]) < 15 or float(r["begin_s"]) > 20]
    assert np.median(inside) > np.median(outside), "a flood is more suspicious than none"
    only = run(repo, "detect", str(log), "--seed", "0", "--alarms")
    assert len(only.stdout.splitlines()) == 1 + alarms


def test_detect_judges_the_windows_of_a_pipe_as_they_come_and_as_those_of_a_file(
    repo: Path, log: Path, judged: subprocess.CompletedProcess[str]
) -> None:
    arguments = [sys.executable, "-m", "kdgat", "detect", "-", "--seed", "0"]
    with subprocess.Popen(
        arguments, cwd=repo, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None and process.stdout is not None and process.stderr is not None
        lines = log.read_text().splitlines(keepends=True)
        process.stdin.writelines(lines[:-1000])
        process.stdin.flush()
        output = [process.stdout.readline() for _ in range(50)]  # before the pipe ends
        process.stdin.writelines(lines[-1000:])
        process.stdin.close()
        output += process.stdout.readlines()
        errors = process.stderr.read()
    assert process.returncode == 0, errors
    piped, whole = (list(csv.DictReader(text.splitlines())) for text in ("".join(output), judged.stdout))
    assert [row | {"score": ""} for row in piped] == [row | {"score": ""} for row in whole]
    # how many windows are scored at once depends on when lines arrive, and with it the last digit
    np.testing.assert_allclose([float(r["score"]) for r in piped], [float(r["score"]) for r in whole], atol=2e-6)
    assert "from a window's last frame to its verdict: " in errors


def test_rows_that_are_set_aside_are_counted_by_their_reason(tmp_path: Path) -> None:
    """Frames and rows set aside add up to the lines of the file."""
    lines = [f"(1.{i:06d}) can0 12A#00FF\n" for i in range(20)]
    broken = {3: "(1.000003) can0 12A##000FF\n", 7: "(1.000007) can0 12A##000FF\n", 9: "no frame\n"}
    (tmp_path / "a.log").write_text("".join(broken.get(i, line) for i, line in enumerate(lines)))
    reader = CaptureReader(tmp_path / "a.log", on_bad_rows="quarantine")
    frames = sum(len(block) for block in reader)
    note = detect.set_aside(reader.bad)
    counts = [int(n) for n in re.findall(r"(\d+) × ", note)]
    assert note.startswith("3 rows set aside (2 × ") and sum(counts) == 3 and frames + 3 == len(lines)
    assert detect.set_aside([]) == "0 rows set aside"
    many = [BadRow(i, "row", f"reason {min(i, 6)}", "") for i in range(9)]
    assert detect.set_aside(many).endswith("; 1 × row: reason 3; 2 for other reasons)")


@pytest.mark.parametrize("count", [5, 7])
def test_episodes_that_are_not_shown_are_counted(count: int, capsys: pytest.CaptureFixture[str]) -> None:
    """Episode k is k + 1 windows long, with one window without an alarm after it."""
    alarms = [alarm for k in range(count) for alarm in [True] * (k + 1) + [False]]
    verdicts = [detect.Verdict(i, float(i), i + 0.5, 0.5, alarm) for i, alarm in enumerate(alarms)]
    reader = SimpleNamespace(live=False, bad=[])
    detection = SimpleNamespace(reader=reader, verdicts=verdicts, frames=100, read_at=0.0)
    detect._print(detection, None, alarms_only=True)  # type: ignore[arg-type]
    notes = capsys.readouterr().err.splitlines()
    assert notes[1] == f"{len(alarms)} windows, {sum(alarms)} alarms"
    assert [n for n in notes if "longest" in n] == ["the five longest of 7 episodes of alarms:"] * (count > 5)
    shown = ["one window" if n == 1 else f"{n} windows in a row" for n in range(count - 4, count + 1)]
    assert [n.partition("s: ")[2] for n in notes[-5:]] == shown


def test_a_short_capture_is_scored_without_a_profile(log: Path, current: Release, tmp_path: Path) -> None:
    short = tmp_path / "short.log"
    short.write_text("\n".join(log.read_text().splitlines()[:450]) + "\n")
    detection = detect.detect(short, current, *detect.choose(current, None, None))
    assert (detection.protocol, detection.profile_seconds) == ("zero-shot", 0.0) and len(list(detection.verdicts)) == 4


def test_detect_gives_the_released_scores(current: Release, captures_root: Path) -> None:
    """What `detect` says of a test capture is what the release says of it, window by window."""
    if "hcrl-sa" not in current.manifest["datasets"]:
        pytest.skip("the current release holds no hcrl-sa")
    dataset, seed = detect.choose(current, "hcrl-sa", None)
    place = (dataset, "calibrated", seed)
    rows = [r for r in current.table("predictions").to_pylist() if (r["dataset"], r["protocol"], r["seed"]) == place]
    capture = min({r["capture"] for r in rows})
    detection = detect.detect(captures_root / "hcrl-sa" / capture, current, dataset, seed)
    now = {v.window: v.score for v in detection.verdicts}
    frozen = {r["window"]: r["gat-student"] for r in rows if r["capture"] == capture}
    assert frozen.keys() <= now.keys() and len(frozen) > 100
    assert max(abs(now[w] - frozen[w]) for w in frozen) < 1e-4


def scored_windows_of(verdicts: list[detect.Verdict]) -> ScoredWindows:
    """The windows of one recording, by what was said of them."""
    number, begin, end = (np.array([getattr(v, name) for v in verdicts]) for name in ("window", "begin", "end"))
    nothing = np.zeros(len(verdicts), np.int64)
    return ScoredWindows(nothing, number, begin, end - begin, nothing, np.full(len(verdicts), "benign"))


def test_all_seeds_by_their_mean_logit_under_any_protocol(log: Path, current: Release, capsys) -> None:
    dataset, seed = detect.choose(current, None, None)
    seeds = released.seeds(current, dataset)
    seeds = seeds[:2]

    def judged(seeds: int | list[int], *knowledge: str | Path) -> tuple[detect.Detection, list[detect.Verdict]]:
        detection = detect.detect(log, current, dataset, seeds, knowledge=detect.Knowledge(*knowledge))
        return detection, list(detection.verdicts)

    detection, verdicts = judged(seeds)
    single = [judged(s) for s in seeds]
    for i in (0, len(verdicts) // 2):
        mean = np.mean([logit(one[i].score) for _, one in single])
        assert logit(verdicts[i].score) == pytest.approx(mean, abs=0.1)  # near 1 in float32
    assert logit(detection.threshold) == pytest.approx(np.mean([logit(one.threshold) for one, _ in single]), abs=1e-3)
    plain, of_plain = judged(seed, "zero-shot")
    adapted, of_adapted = judged(seed, "adapted")
    windows = scored_windows_of(of_plain)
    settings = released.configuration(current, dataset, seed).adaptation
    want = margins(windows, np.array([v.score for v in of_plain]), plain.threshold, settings)
    assert [v.score for v in of_adapted] == pytest.approx(list(want), abs=1e-5) and adapted.threshold == 0
    profiled, of_profiled = judged(seed, "profiled", log)
    assert profiled.protocol == "profiled" and len(of_profiled) == len(of_plain)
    assert detect.run([log, log], knowledge=detect.Knowledge("zero-shot"), seed=seed) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [r["capture"] for r in rows] == [str(log)] * 2 * len(of_plain)


def test_alarms_in_a_row_are_one_episode() -> None:
    flags = [0, 1, 1, 0, 1, 1, 1]
    verdicts = [detect.Verdict(i + (i > 5), i, i + 1, 0.0, bool(a)) for i, a in enumerate(flags)]
    assert list(detect.episodes(verdicts)) == [(1, 3, 2), (4, 6, 2), (6, 7, 1)]


@pytest.mark.parametrize(
    ("content", "arguments", "reason"),
    [
        (b"", [], "the file is empty"),
        (b"hello\nworld\n", [], "no known capture format"),
        (b"(1.0) can0 123#00\n" * 5, [], "5 frames; a window needs 100"),
        (b"(1.0) can0 123#0\n" * 200, [], "my.log:1: "),
        (b"(1.0) can0 123#00\n", ["--seed", "99"], "has no such weights"),
        (b"(1.0) can0 123#00\n", ["--zero-shot", "--adapted"], "one of --zero-shot, --adapted"),
        (b"(1.0) can0 123#00\n", ["--release", "../no-such"], "no release 'no-such' in .."),
    ],
)
def test_detect_ends_in_one_line(repo: Path, tmp_path: Path, content: bytes, arguments: list[str], reason: str) -> None:
    (tmp_path / "my.log").write_bytes(content)
    done = run(repo, "detect", str(tmp_path / "my.log"), *arguments)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert done.stderr.startswith("error: ") and reason in done.stderr and done.stderr.count("\n") == 1, done.stderr


# ---- import-results --------------------------------------------------------------------------------------------------

HEADER = "dataset,scenario,model,metric,value\n"


def test_imported_metrics_stand_beside_the_release_and_never_in_it(
    repo: Path, current: Release, tmp_path: Path
) -> None:
    entry = next(
        r for r in current.table("summary").to_pylist()
        if (r["attack"], r["protocol"], r["metric"]) == ("all", "zero-shot", "f1") and r["mean"] is not None
    )  # fmt: skip
    who = f"{entry['dataset']},{entry['scenario']},{entry['model']},f1"
    (tmp_path / "old.csv").write_text(f"{HEADER}{who},0.25\n{who},0.75\n{entry['dataset']},test_99,cnn,f1,0.125\n")
    before = current.manifest_sha256
    done = run(repo, "import-results", str(tmp_path / "old.csv"), "--folder", str(tmp_path / "kept"))
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert "imported, not traced" in lines[0] and current.name in lines[0]
    row = next(line for line in lines if f"| {entry['model']} |" in line)
    assert "| 0.500 |" in row, "the mean over rows of one key, as `summary` holds means over seeds"
    assert f"| {entry['mean']:.3f} |" in row
    assert "| 0.125 | not in it |" in next(line for line in lines if "test_99" in line)
    copies = list(csv.DictReader((tmp_path / "kept" / "old.csv").open()))
    assert len(copies) == 2 and {r["origin"] for r in copies} == {"imported, not traced"}
    assert Release.open().manifest_sha256 == before
    again = run(repo, "import-results", str(tmp_path / "old.csv"), "--folder", str(tmp_path / "kept"))
    assert again.returncode == 0, "the same file again changes nothing"


def test_other_content_under_one_name_is_refused(tmp_path: Path) -> None:
    source = tmp_path / "old.csv"
    source.write_text(f"{HEADER}d,test_01,m,f1,0.5\n")
    import_results.keep(import_results.parse(source), source, tmp_path / "kept")
    source.write_text(f"{HEADER}d,test_01,m,f1,0.6\n")
    with pytest.raises(KdgatError, match="exists with other content"):
        import_results.keep(import_results.parse(source), source, tmp_path / "kept")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no column dataset"),
        (HEADER, "no rows"),
        ("dataset,scenario\n", "no column model, metric, value"),
        (f"{HEADER}d,test_01,m,f1,high\n", ":2: value: 'high' is no number"),
        (f"{HEADER}d,test_01,m,f1,nan\n", "not finite"),
        (f"{HEADER}d,test_01,m,f1\n", "value: '' is no number"),
        (f"{HEADER}d,test_01,<script>,f1,1\n", "model: '<script>' is no name"),
        (f"{HEADER}d,../x,m,f1,1\n", "scenario: '../x' is no name"),
        (HEADER.replace("value", "value,protocol") + "d,test_01,m,f1,1,guess\n", "protocol: 'guess' is none of"),
    ],
)
def test_a_bad_table_of_metrics_names_its_line(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "old.csv").write_text(text)
    with pytest.raises(CaptureError) as error:
        import_results.parse(tmp_path / "old.csv")
    assert reason in str(error.value)
