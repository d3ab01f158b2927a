"""The command `kdgat`: what every command of it promises, whatever it does."""

from __future__ import annotations

import importlib
import json
import os
import re
import shutil
import subprocess
import sys
import typing
from pathlib import Path

import pytest

import cli
from cli import app
from kdgat import terminal
from kdgat.errors import KdgatError

COMMANDS = [name for names in app.COMMANDS.values() for name in names]
HEAVY = ("torch", "pyarrow", "duckdb", "metaflow", "matplotlib", "numpy", "pydantic", "wandb", "optuna")
#: module that a person may run by its name → arguments of `kdgat`
MODULES = {
    "kdgat": [],
    "kdgat.catalog": ["catalog"],
    "kdgat.synthetic": ["synthetic"],
    "kdgat.tracking": ["track"],
    "kdgat.search": ["search"],
    "kdgat.selection": ["select"],
    **{
        f"analysis.{name}": [name]
        for name in ("freeze", "verify", "trace", "compare", "reproduce", "sql", "publish", "explore")
    },
}


def run(repo: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "cli", *arguments]
    return subprocess.run(command, cwd=repo, capture_output=True, text=True, env=os.environ | environment)


def one_line(done: subprocess.CompletedProcess[str]) -> str:
    """The error of a command that ended in one line and exit code 2."""
    assert done.returncode == 2 and done.stdout == "", (done.returncode, done.stdout)
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1, done.stderr
    return done.stderr


# ---- help ------------------------------------------------------------------------------------------------------------


def test_the_list_names_every_command_with_a_line_and_every_exit_code(repo: Path) -> None:
    done = run(repo, "--help")
    assert done.returncode == 0 and done.stdout == run(repo).stdout
    for name in COMMANDS:
        assert re.search(rf"^  {name} +[A-Z]\w+ ", done.stdout, re.MULTILINE), name
    for code, meaning in cli.EXIT_CODES.items():
        assert re.search(rf"^ +{code}  {meaning}$", done.stdout, re.MULTILINE), code


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_imports_nothing_heavy_and_no_other_command(repo: Path, command: str) -> None:
    words = [*command.split(), "--help"]
    code = (
        "import json, sys\nfrom cli import __main__ as front_door\n"
        f"assert front_door.run({words!r}) == 0\nprint(json.dumps(sorted(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=repo, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    text, _, modules = done.stdout.strip().rpartition("\n")
    imported = set(json.loads(modules))
    assert text.startswith(f"Usage: kdgat {command}".rstrip())
    assert not imported & set(HEAVY)
    if command:
        others = {f"cli.{name.replace('-', '_')}" for name in COMMANDS} - {f"cli.{command.replace('-', '_')}"}
        assert imported & others <= {"cli.doctor"}, "doctor alone is there before a command is looked for"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_says_what_it_means(command: str) -> None:
    whole = app.build()[command]
    for one in [whole] if whole.default_command else [whole[name] for name in whole if not name.startswith("-")]:
        for argument in one.assemble_argument_collection(parse_docstring=True):
            assert argument.parameter.help, (command, argument.names)


def test_choices_that_are_written_out_are_those_of_the_method() -> None:
    from cli import synthetic
    from kdgat.synthetic import commands, virtual, write

    assert set(typing.get_args(synthetic.Format)) == set(write.FORMATS)
    assert set(typing.get_args(synthetic.Attack)) == {"benign", *commands.KINDS}
    assert set(typing.get_args(synthetic.Ranges)) == set(virtual.RANGES)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_completion_script_knows_commands_and_options(repo: Path, shell: str) -> None:
    done = run(repo, "completion", shell)
    assert done.returncode == 0, done.stderr
    for word in (*COMMANDS, "allow-synthetic", "intervals"):
        assert word in done.stdout
    if shutil.which(shell):
        subprocess.run([shell, "-n"], input=done.stdout, text=True, check=True)


# ---- output for programs ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "codes"),
    [
        (["doctor", "--json"], {0, 1}),
        (["catalog", "--root", "tests", "--json"], {0}),
        (["trace", "--json"], {0}),
        (["sql", "describe summary", "--json"], {0}),
        (["sql", "--list", "--json"], {0}),
        (["compare", "paper-3", "paper-3", "--json"], {0}),
        (["verify", "demo-1", "--json"], {0}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_json_is_all_of_stdout(repo: Path, arguments: list[str], codes: set[int]) -> None:
    done = run(repo, *arguments)
    assert done.returncode in codes, done.stderr
    assert json.loads(done.stdout)


def test_a_trace_as_json_leads_to_runs(repo: Path) -> None:
    keys = json.loads(run(repo, "trace", "--json").stdout)
    key = next(k for k in keys if k.endswith(".f1"))
    assert json.loads(run(repo, "trace", key, "--json").stdout)["numbers"][key]["runs"]


def test_captures_as_json_with_what_is_wrong(repo: Path, tmp_path: Path) -> None:
    file = tmp_path / "set_01" / "train_02_with_attacks" / "DoS-2.csv"
    file.parent.mkdir(parents=True)
    file.write_text("timestamp,arbitration_id,data_field,attack\n1.0,1,0,0\n")
    done = run(repo, "catalog", "--root", str(tmp_path), "--json")
    (capture,) = json.loads(done.stdout)["datasets"]["set_01"]["captures"]
    assert done.returncode == 1 and capture["split"] == "train" and "line 2" in capture["problems"][0]


# ---- what goes wrong -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        *([name, "--release", "nosuch"] for name in ("trace", "reproduce")),
        ["sql", "runs", "--release", "nosuch"],
        ["publish", "--out", "nowhere", "--release", "nosuch"],
        ["import-results", "nowhere.csv", "--release", "nosuch"],
        ["detect", "nowhere.log", "--release", "nosuch"],
        ["compare", "nosuch"],
        ["verify", "nosuch"],
    ],
    ids=lambda words: words[0],
)
def test_an_unknown_release_is_one_line(repo: Path, arguments: list[str]) -> None:
    assert "no release 'nosuch'" in one_line(run(repo, *arguments))


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["nosuch"], "nosuch"),
        (["trace", "nosuch"], "`kdgat trace` lists all keys"),
        (["verify", "--nosuch"], "Unknown option: --nosuch"),
        (["compare"], "requires an argument"),
        (["freeze", "--latest", "--min-seeds", "x"], "unable to convert"),
        (["freeze"], "one of --run ID, --latest, --tag TAG"),
        (["freeze", "--latest", "--tag", "x"], "one of --run ID, --latest, --tag TAG"),
        (["reproduce", "--level", "all"], "--level"),
        (["catalog", "fetch"], "which dataset"),
        (["catalog", "fetch", "nosuch"], "no dataset is called 'nosuch'"),
        (["sql"], "no query: `kdgat sql "),
        (["select", "--candidates", "nosuch"], "no candidate is called 'nosuch'"),
        (["select", "--seeds", "one"], "seeds are whole numbers"),
        (["select", "--seeds", "0,-1"], "seeds are whole numbers from 0 on"),
        (["select", "--jobs", "0"], "jobs are 1 or more, got 0"),
        (["select", "--data", "nowhere"], "no folder"),
        (["select", "--data", "README.md"], "no folder"),
        (["catalog", "--root", "README.md"], "no folder"),
        (["catalog", "--root", "nowhere"], "no folder"),
        (["sql", "select 1; select 2"], "a query is one statement, this is 2"),
        (["sql", ";"], "no query: `kdgat sql "),
        (["sql", "-- x y"], "Unknown option"),
        (["trace", "x", "--release", "../paper-8"], "a release has a folder or a name (up to 64 lower-case letters"),
        (["trace", "x", "--release", "Paper"], "is not a name of a release: up to 64 lower-case letters"),
        (["compare", "paper-8", "paper-8", "--metric", "nosuch"], "no metric is called 'nosuch'; known: "),
        (["publish", "--out", "README.md"], "README.md exists; choose another folder"),
        (["publish", "--out", "README.md/x"], "cannot write README.md/x: Not a directory"),
        (["reproduce", "--level", "train", "--seeds", "x"], "seeds are whole numbers from 0 on"),
        (["reproduce", "--level", "train", "--preset", "nosuch"], "no preset is called 'nosuch'"),
        (["synthetic", "write", "README.md/x"], "README.md: Not a directory"),
        (["detect", ""], "one of the arguments is empty"),
        (["detect", "x.log", "--profile", ""], "--profile is empty"),
        (["evaluate", "--data="], "--data is empty"),
        (["reproduce", "--table", ""], "--table is empty"),
        (["freeze", "--run", "", "--release", "x"], "--run is empty"),
    ],
)
def test_a_wrong_command_line_is_one_line(repo: Path, arguments: list[str], reason: str) -> None:
    assert reason in one_line(run(repo, *arguments))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_output_that_cannot_be_written_is_one_line(repo: Path, unbuffered: str) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "cli", "sql", "select 1"],
            cwd=repo, stdout=full, stderr=subprocess.PIPE, text=True, env=os.environ | {"PYTHONUNBUFFERED": unbuffered},
        )  # fmt: skip
    name = "standard output or a file" if unbuffered else "standard output"
    assert (done.returncode, done.stderr) == (2, f"error: {name}: No space left on device\n")


@pytest.fixture(scope="module")
def elsewhere(repo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The packages as pip would install them, without the repository around them."""
    folder = tmp_path_factory.mktemp("site-packages")
    for package in ("cli", "kdgat", "analysis"):
        shutil.copytree(repo / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


@pytest.mark.parametrize("command", ["doctor", "catalog", "trace", "verify", "explore"])
def test_outside_a_checkout_every_command_is_one_line(elsewhere: Path, command: str) -> None:
    assert f"works in a checkout of its repository, and {elsewhere} is none" in one_line(run(elsewhere, command))


def test_outside_a_checkout_there_is_help(elsewhere: Path) -> None:
    assert run(elsewhere, "freeze", "--help").returncode == 0


def test_a_module_without_the_command_line_above_it_is_one_line(repo: Path, tmp_path: Path) -> None:
    code = "import sys; sys.modules['cli'] = None; from kdgat.front_door import start; start('trace')"
    done = subprocess.run([sys.executable, "-c", code], cwd=repo, capture_output=True, text=True)
    assert "the package `cli` is missing" in one_line(done)


def test_control_c_and_a_closed_pipe_have_codes_of_their_own(repo: Path) -> None:
    for error, code in (("KeyboardInterrupt", 130), ("BrokenPipeError", 141)):
        program = f"from kdgat.errors import cli\ndef stop(): raise {error}\ncli(stop)"
        done = subprocess.run([sys.executable, "-c", program], cwd=repo, capture_output=True, text=True)
        assert done.returncode == code and code in cli.EXIT_CODES and "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "command",
    [
        *(
            ["-m", "cli", *words]
            for words in (["--help"], ["--version"], ["trace", "--help"], ["sql", "select 1"], ["no"])
        ),
        ["-m", "tools.draft", "--help"],  # by argparse
        ["flows/cluster.py", "--help"],
    ],
    ids=" ".join,
)
def test_a_reader_that_went_away_is_no_error(repo: Path, command: list[str]) -> None:
    """Of stdout and stderr both: nothing is left to say to anyone, and the code is that of a program that SIGPIPE ended."""
    buffered = os.environ | {"PYTHONUNBUFFERED": ""}  # else argparse itself passes over what it cannot write
    read, write = os.pipe()
    os.close(read)
    try:
        heard = subprocess.run(
            [sys.executable, *command], cwd=repo, stdout=write, stderr=subprocess.PIPE, text=True, env=buffered
        )
        deaf = subprocess.run([sys.executable, *command], cwd=repo, stdout=write, stderr=write, env=buffered)
    finally:
        os.close(write)
    wrong = command[-1] == "no"
    assert (heard.returncode, heard.stderr == "") == ((2, False) if wrong else (141, True)), heard.stderr
    assert deaf.returncode == 141


WITHOUT_ARGUMENTS = (
    *("tools.assets", "tools.coverage", "tools.draft", "tools.lint_sources", "tools.live_vectors", "tools.lock"),
    *("tools.pictures", "tools.prose", "analysis.prerender", "analysis.render"),
)


@pytest.mark.parametrize("module", WITHOUT_ARGUMENTS)
def test_a_module_without_arguments_refuses_them(repo: Path, module: str) -> None:
    """It does nothing then: some render or rewrite."""
    done = subprocess.run([sys.executable, "-m", module, "x"], cwd=repo, capture_output=True, text=True)
    assert done.returncode == 2 and done.stderr.startswith(f"usage: python -m {module} [-h]") and not done.stdout


# ---- one door --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("module", MODULES)
def test_a_module_that_is_run_by_its_name_is_the_command(repo: Path, module: str) -> None:
    done = subprocess.run([sys.executable, "-m", module, "--help"], cwd=repo, capture_output=True, text=True)
    assert done.stdout == run(repo, *MODULES[module], "--help").stdout != ""


def test_pip_installs_the_command(repo: Path) -> None:
    import tomllib

    (script,) = tomllib.loads((repo / "pyproject.toml").read_text())["project"]["scripts"].items()
    name, _, target = script[1].partition(":")
    assert script[0] == "kdgat" and callable(getattr(importlib.import_module(name), target))


def test_doctor_needs_the_standard_library_alone(repo: Path) -> None:
    for module in ("kdgat", "cli"):
        command = [sys.executable, "-S", "-m", module, "doctor", "--json"]
        done = subprocess.run(command, cwd=repo, capture_output=True, text=True)
        parts = {finding["part"]: finding for finding in json.loads(done.stdout)}
        assert done.returncode == 1 and done.stderr == ""
        assert not parts["core packages"]["ok"] and "cyclopts" in parts["core packages"]["detail"]


# ---- looks -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("terminal_there", "environment", "coloured"),
    [(True, {}, True), (False, {}, False), (True, {"NO_COLOR": "1"}, False), (True, {"TERM": "dumb"}, False)],
)
def test_colours_are_for_terminals_and_never_with_no_color(
    terminal_there: bool,
    environment: dict[str, str],
    coloured: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, value in ({"NO_COLOR": "", "TERM": "xterm"} | environment).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal_there, raising=False)
    terminal.error(str(KdgatError("it\nbroke")))
    terminal.progress(5_000_000, 10_000_000, "file.csv")
    errors = capsys.readouterr().err
    assert ("\033[" in errors) is coloured and "it broke" in errors
    assert ("5 of 10 MB" in errors) is terminal_there
