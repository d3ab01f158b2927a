"""Code cells: Python cells run in one kernel per page, OJS cells become scripts that the page runs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from tools.draft.project import DraftError

#: seconds of the clock that one cell may take
LIMIT = 900
CELL = re.compile(r"^```\{(\w+)\}\n(.*?)^```$", re.S | re.M)
OPTIONS = {"label", "tbl-cap", "fig-cap", "echo", "output", "fig-alt"}


def options(code: str, mark: str, place: str) -> tuple[dict[str, Any], str]:
    """Cell options (`#| key: value` or `//| key: value`) and the code below them."""
    lines = code.split("\n")
    head = [line[len(mark) :] for line in lines if line.startswith(mark)]
    values = yaml.safe_load("\n".join(head)) or {}
    unknown = set(values) - OPTIONS
    if unknown:
        raise DraftError(f"{place}: cell option {sorted(unknown)[0]!r} is not supported")
    return values, "\n".join(line for line in lines if not line.startswith(mark))


def run(body: str, place: str, root: Path) -> str:
    """`body` with every cell replaced by what it shows."""
    python = [options(code, "#| ", place) for language, code in CELL.findall(body) if language == "python"]
    results = iter(_execute([code for _, code in python], place, root) if python else [])

    def replace(match: re.Match[str]) -> str:
        language, code = match[1], match[2]
        if language == "python":
            return _float(options(code, "#| ", place)[0], next(results))
        if language == "ojs":
            settings, source = options(code, "//| ", place)
            if "</" in source:
                raise DraftError(f"{place}: an OJS cell holds `</`, which would end its script")
            block = f'```{{=html}}\n<div class="ojs-cell"><script type="text/ojs">\n{source}</script></div>\n```'
            return _float(settings, block)
        raise DraftError(f"{place}: cells in {language!r} are not supported")

    return CELL.sub(replace, body)


def _float(settings: dict[str, Any], content: str) -> str:
    """A cell with a label and a caption is a numbered table or figure."""
    caption = settings.get("tbl-cap") or settings.get("fig-cap")
    if not caption:
        return f"\n{content}\n"
    return f"\n::: {{#{settings['label']}}}\n\n{content}\n\n{caption}\n\n:::\n"


def _execute(sources: list[str], place: str, root: Path) -> list[str]:
    """Markdown that each source shows. A cell that raises, takes too long, or shows anything but Markdown, is an error."""
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
    try:
        NotebookClient(
            book,
            kernel_name="python3",
            timeout=LIMIT,
            resources={"metadata": {"path": str(root)}},
            # the kernel warns that its port on loopback is not encrypted
            extra_arguments=["--log-level=ERROR"],
        ).execute()
    except CellExecutionError as error:
        raise DraftError(f"{place}: a cell failed: {error.ename}: {error.evalue}") from None
    except CellTimeoutError:
        raise DraftError(f"{place}: a cell took longer than {LIMIT} s") from None
    except DeadKernelError:
        raise DraftError(f"{place}: the process that runs the cells died; memory may have run out") from None
    return [_markdown(cell.outputs, place) for cell in book.cells]


def _markdown(outputs: list[Any], place: str) -> str:
    parts = []
    for output in outputs:
        if "text/markdown" not in output.get("data", {}):
            raise DraftError(f"{place}: a cell shows {output.output_type} without Markdown; return Markdown(…)")
        parts.append(output.data["text/markdown"])
    return "\n\n".join(parts)
