"""Rules about the sources: nothing from outside is unpickled or evaluated, no shell line is built from input."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

FOLDERS = ("kdgat", "analysis", "cli", "flows", "tools", "metaflow_extensions")
#: (file, call) that are as they should be, and why
ALLOWED = {
    # code of the paper's own cells, from the checkout
    ("analysis/reproduce.py", "exec"),
    # Metaflow's own store: artifacts that this user's runs wrote
    ("analysis/runs.py", "task.data"),
    # the name of a shell to complete in; none is started
    ("cli/completion.py", "shell"),
}
FORBIDDEN = {
    *("eval", "exec", "compile", "os.system", "os.popen", "pickle.load", "pickle.loads", "dill.load", "joblib.load"),
    *("torch.load", "marshal.loads", "shelve.open", "yaml.load", "tempfile.mktemp"),
}


def sources(repo: Path) -> list[Path]:
    return sorted(p for folder in FOLDERS if (repo / folder).is_dir() for p in (repo / folder).rglob("*.py"))


def name(node: ast.expr) -> str:
    """Dotted name of what is called, as far as it has one."""
    if isinstance(node, ast.Attribute):
        return f"{name(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def calls(text: str) -> list[tuple[int, str, ast.Call]]:
    return [(n.lineno, name(n.func), n) for n in ast.walk(ast.parse(text)) if isinstance(n, ast.Call)]


def wrong(text: str) -> list[tuple[int, str]]:
    """Calls that are forbidden: line and what."""
    problems = []
    for line, called, node in calls(text):
        if called in FORBIDDEN:
            problems.append((line, called))
        options = {k.arg: k.value for k in node.keywords}
        shell = options.get("shell")
        if shell is not None and not (isinstance(shell, ast.Constant) and shell.value is False):
            problems.append((line, "shell"))
        allow = options.get("allow_pickle")
        if allow is not None and not (isinstance(allow, ast.Constant) and allow.value is False):
            problems.append((line, "allow_pickle"))
    return problems


def test_no_source_unpickles_evaluates_or_starts_a_shell(repo: Path) -> None:
    hits = [
        f"{path.relative_to(repo)}:{line}: {what}"
        for path in sources(repo)
        for line, what in wrong(path.read_text())
        if (str(path.relative_to(repo)), what) not in ALLOWED
    ]
    assert hits == []


def test_text_is_utf8_whatever_the_computers_locale_is(repo: Path) -> None:
    """Where a locale is Latin-1, a file that is read without its encoding is other text, or none."""
    hits = []
    for path in sources(repo):
        for line, called, node in calls(path.read_text(encoding="utf-8")):
            method = called.rpartition(".")[2] or getattr(node.func, "attr", "")
            given = {k.arg for k in node.keywords}
            if called != "atomic.write_text" and method in ("read_text", "write_text") and "encoding" not in given:
                hits.append(f"{path.relative_to(repo)}:{line}: {method}")
    # git's objects and wheels' metadata have no such argument
    assert hits == []


@pytest.mark.parametrize(
    "text", ["eval('1')", "import os; os.system(x)", "subprocess.run(x, shell=True)", "np.load(f, allow_pickle=True)", "torch.load(f)"]
)  # fmt: skip
def test_the_rule_sees_what_it_forbids(text: str) -> None:
    assert wrong(text)


def test_stores_are_read_without_pickle(tmp_path: Path) -> None:
    """A .npy file that a stranger filled with a pickle is refused by what reads graph stores."""
    import numpy as np

    from kdgat.dataset.prepare import prepare
    from kdgat.graphs.store import GraphStore
    from tests.kdgat.small import CONFIG

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KDGAT_WORK", str(tmp_path))
        folder = prepare("synthetic", None, CONFIG, 0).folder / "train"
    np.save(folder / "x.npy", np.array([{"not": "numbers"}], object), allow_pickle=True)
    with pytest.raises(Exception, match=r"pickle|object"):
        GraphStore.open(folder)
