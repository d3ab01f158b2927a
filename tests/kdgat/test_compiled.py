"""Machine code is kept once for a user, whatever checkout asks for it, and nothing that cannot be written stands in its way."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from kdgat import compiled

PACKAGE = {
    "inner.py": "from kdgat.compiled import kernel\n@kernel\ndef twice(x):\n    return 2 * x\n",
    "outer.py": "from kdgat.compiled import kernel\nfrom small_package.inner import twice\n@kernel\ndef more(x):\n    return twice(x) + 1\n",
}
RUN = (
    "from small_package.outer import more; print(more(20), sum(more.stats.cache_hits.values()), more.stats.cache_path)"
)


def checkout(folder: Path) -> Path:
    (folder / "small_package").mkdir(parents=True)
    (folder / "small_package" / "__init__.py").touch()
    for name, text in PACKAGE.items():
        (folder / "small_package" / name).write_text(text)
    return folder


def run(repo: Path, folder: Path, **environment: str) -> list[str]:
    """What the kernel says in a process of its own: its result, how often its code was found, and where it is kept."""
    own = {k: v for k, v in os.environ.items() if k != "NUMBA_CACHE_DIR"} | environment
    own["PYTHONPATH"] = f"{folder}{os.pathsep}{repo}"
    done = subprocess.run([sys.executable, "-c", RUN], env=own, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_machine_code_is_found_again_by_another_checkout_and_never_after_a_change(repo: Path, tmp_path: Path) -> None:
    one, other = checkout(tmp_path / "one"), checkout(tmp_path / "other")
    home = {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    assert run(repo, one, **home)[:2] == ["41", "0"]
    result, hits, where = run(repo, other, **home)
    assert (result, hits) == ("41", "1") and Path(where).parent == tmp_path / "cache" / "kdgat"
    inner = other / "small_package" / "inner.py"
    inner.write_text(inner.read_text().replace("2 * x", "3 * x"))  # of what the kernel calls, in another file
    assert run(repo, other, **home)[:2] == ["61", "0"]


def test_without_a_folder_of_its_own_it_is_kept_in_the_temporary_one_or_nowhere(repo: Path, tmp_path: Path) -> None:
    folder, temporary = checkout(tmp_path / "one"), tmp_path / "tmp"
    temporary.mkdir()
    home = tmp_path / "home"  # root may write everywhere: a folder whose name is taken by a file cannot be made
    home.mkdir()
    (home / "kdgat").touch()
    nowhere = {"XDG_CACHE_HOME": str(home), "TMPDIR": str(temporary)}
    assert run(repo, folder, **nowhere)[1] == "0" and run(repo, folder, **nowhere)[1] == "1"
    shutil.rmtree(temporary / f"kdgat-{os.getuid()}")
    (temporary / f"kdgat-{os.getuid()}").touch()
    assert run(repo, folder, **nowhere)[:2] == ["41", "0"]


def test_code_that_can_only_be_read_is_copied_unless_anybody_could_have_put_it_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = checkout(tmp_path) / "small_package"
    image, own = tmp_path / "image", tmp_path / "own"
    own.mkdir()
    monkeypatch.setattr(compiled, "_folders", lambda: iter([image, own]))
    monkeypatch.setattr(compiled, "_own", lambda folder: folder == own)
    cache = compiled._cache_folder.__wrapped__(package)
    assert cache is not None and cache.parent == own and not cache.exists()
    (image / cache.name).mkdir(parents=True)
    (image / cache.name / "code").touch()
    (image / cache.name).chmod(0o777)
    compiled._cache_folder.__wrapped__(package)
    assert not cache.exists()
    (image / cache.name).chmod(0o755)
    compiled._cache_folder.__wrapped__(package)
    assert (cache / "code").exists()
