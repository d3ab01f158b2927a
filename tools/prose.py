"""`python -m tools.prose`: plain English in what readers read, by proselint and by the rules below.

What is no prose is blanked first (`analysis.claims.words.readable`), so places are those of the source. `paper/proselint.json` is the style:
which of proselint's checks do not apply. A breach is printed as `file:line: rule`.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from analysis.claims.words import readable
from kdgat.errors import KdgatError, cli_without_arguments
from kdgat.paths import REPO

STYLE = REPO / "paper" / "proselint.json"
_VARIABLE = re.compile(r"\{\{<\s*var.*?>\}\}")
#: a line of proselint: file, line, rule and what it says
_FINDING = re.compile(r"^(.+?):(\d+):\d+: (.+)$", re.M)
#: words of a sentence that a reader takes in at once
LONGEST = 48
#: pattern → what to write instead
RULES = {
    r"\ba (?:mark|dot|row|line|panel|column|node|edge|bar|task|file) an? \w+": "one … for each …, not “a … a …”",
    r"\bwith one in no\b": "say what has how many",
    r"\bhad come to mean\b": "counted as, was taken for",
    r"\b(?:is|are|was|were) what\b[^.]*\b(?:is|are)\b": "say it without the detour",
    r"\bsays? (?:nothing|so|little)\b(?! about)": "say what is missing, or leave it out",
    r"\bno method\b": "not a method",
    r"\b(?:gone on with|found it to hold|at hand to be)\b": "say it plainly",
    r"\b(?:obviously|clearly|of course|needless to say|it is (?:well )?known|interestingly|notably)\b": "leave it out",
    r"\b(?:in order to|due to the fact that|the fact that|a number of|prior to|utili[sz]\w+|leverag\w+)\b": "to, because, several, before, use",
    r"\b(?:novel|cutting[- ]edge|state[- ]of[- ]the[- ]art|paradigm|holistic|seamless\w*)\b": "say what it does",
    r"\b(?:can not|could of|different than|less windows|amount of windows)\b": "cannot, could have, different from, fewer",
    r"\b(\w+) \1\b(?<!had had)(?<!that that)": "a word twice",
}


def sources() -> list[Path]:
    """Pages and sections, in reading order."""
    pages = [*REPO.glob("*.qmd"), *(REPO / "paper").glob("*.qmd")]
    return (
        sorted(pages)
        + sorted((REPO / "paper" / "sections").glob("*.qmd"))
        + sorted((REPO / "paper" / "results").glob("*.qmd"))
    )


def prose(text: str) -> str:
    """Keep what readers read, at its place; gaps are closed, so that no rule sees them."""
    # a number for each variable, so that what stands around it reads as a sentence
    page = readable(_VARIABLE.sub(lambda match: "1".ljust(len(match[0])), text))
    letters = [
        char if char != " " or before not in (" ", "\n") else ""
        for before, char in zip("\n" + page, page, strict=False)
    ]
    lines = "".join(letters).split("\n")
    return "\n".join(
        re.sub(r"\s+([.,;:)])", r"\1", re.sub(r"[\[\]*_\"]|^:::.*$|^[#>|]+ ?", "", line)) for line in lines
    )


def breaches(name: str, text: str) -> Iterator[str]:
    """Breaches of the rules, and sentences that are too long, as `file:line: rule`."""
    page = prose(text)
    for pattern, advice in RULES.items():
        for match in re.finditer(pattern, page, re.IGNORECASE):
            yield f"{name}:{page.count(chr(10), 0, match.start()) + 1}: {match[0]!r}: {advice}"
    at = 0
    for sentence in re.split(r"(?<=[.!?:;])\s|\n\s*\n|\n(?=- |\d+\. )", page):
        words = len(re.findall(r"[\w'’-]+", sentence))
        if words > LONGEST:
            line = page.count("\n", 0, page.index(sentence, at)) + 1
            yield f"{name}:{line}: a sentence of {words} words: {' '.join(sentence.split())[:70]} …"
        at = page.index(sentence, at) if sentence else at


def linted(texts: dict[str, str]) -> Iterator[str]:
    """Run proselint over some sources; yield its complaints as `file:line: rule`.

    Raises:
        KdgatError: proselint is not installed, or did not run.
    """
    program = Path(sys.executable).with_name("proselint")
    with tempfile.TemporaryDirectory() as folder:
        files = {Path(folder, f"{i}.txt"): name for i, name in enumerate(texts)}
        for file, name in files.items():
            file.write_text(prose(texts[name]), encoding="utf-8")
        shutil.copy(STYLE, Path(folder, ".proselintrc.json"))  # --config is not heeded
        command = [str(program), "check", *map(str, files)]
        try:
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
        except FileNotFoundError:
            raise KdgatError("proselint is not installed: pip install -c requirements.lock -e '.[dev]'") from None
        if done.returncode not in (0, 1):
            raise KdgatError(f"proselint failed: {done.stderr.strip()}")
        for file, line, message in _FINDING.findall(done.stdout + done.stderr):
            yield f"{files[Path(file)]}:{line}: {message}"


def main(names: Sequence[Path] | None = None) -> int:
    """Print every breach; 1 if there are any."""
    texts = {str(file.relative_to(REPO)): file.read_text(encoding="utf-8") for file in names or sources()}
    problems = [problem for name, text in texts.items() for problem in breaches(name, text)] + list(linted(texts))
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    cli_without_arguments(main)
