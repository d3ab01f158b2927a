"""Lay out help as plain text in two columns; the library's own tables take a tenth of a second longer."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cyclopts.help import HelpEntry, HelpPanel
    from rich.console import Console, ConsoleOptions

#: characters of the left column; a longer name stands on a line of its own
LEFT = 24
#: longest line, where the terminal has room for it
WIDEST = 100
_UNWRAPPED = 10_000


class Layout:
    """A help formatter of Cyclopts."""

    def __call__(self, console: Console, options: ConsoleOptions, panel: HelpPanel) -> None:
        """Print one group of commands or options."""
        if panel.entries:
            lines = [f"{panel.title}:", *(line for entry in panel.entries for line in _rows(entry, console))]
            _print(console, "\n".join(lines))

    def render_usage(self, console: Console, options: ConsoleOptions, usage: Any) -> None:
        """Print the line that says how the command is called."""
        _print(console, f"Usage: {str(usage).removeprefix('Usage: ').strip()}")

    def render_description(self, console: Console, options: ConsoleOptions, description: Any) -> None:
        """Print what the command does, a paragraph at a time."""
        paragraphs = _text(description, console).strip().split("\n\n")
        for text in filter(None, paragraphs):
            # lines that are indented are a list already
            _print(console, text if "\n  " in text else textwrap.fill(" ".join(text.split()), _width(console)))


def _text(content: Any, console: Console) -> str:
    """Text of what the library hands over to be drawn."""
    if content is None or isinstance(content, str):
        return content or ""
    unwrapped = console.options.update_width(_UNWRAPPED)
    lines = "".join(segment.text for segment in console.render(content, unwrapped)).splitlines()
    return "\n".join(line.rstrip() for line in lines)


def _rows(entry: HelpEntry, console: Console) -> list[str]:
    """Lines of one command or option: its names, what it means, its choices and default."""
    names = ", ".join(entry.display_labels_with_metavar or entry.positive_names)
    notes = [_text(entry.description, console)]
    notes += [f"[choices: {', '.join(entry.choices)}]"] if entry.choices else []
    notes += [f"[default: {entry.default}]"] if entry.default not in (None, "False") else []
    notes += ["[required]"] if entry.required else []
    text = textwrap.wrap(" ".join(" ".join(notes).split()), _width(console) - LEFT, break_on_hyphens=False) or [""]
    fits = len(names) <= LEFT - 4
    first = [f"  {names:{LEFT - 2}}{text[0]}"] if fits else [f"  {names}", " " * LEFT + text[0]]
    return [*first, *(" " * LEFT + line for line in text[1:])]


def _width(console: Console) -> int:
    return min(console.width, WIDEST)


def _print(console: Console, text: str) -> None:
    """Print `text` as it stands, and an empty line."""
    console.print(text + "\n", highlight=False, markup=False, soft_wrap=True)
