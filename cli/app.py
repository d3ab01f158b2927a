"""The frame of all commands: their names and groups, one style of option, help and completion."""

from __future__ import annotations

from cyclopts import App, CycloptsError, Group, Parameter

from cli import EXIT_CODES
from cli.layout import Layout
from kdgat import __version__
from kdgat.errors import KdgatError

#: heading of the help → commands; `import-results` is `import_results` of `cli/import_results.py`
COMMANDS = {
    "Begin": ("doctor", "catalog", "synthetic", "detect", "evaluate", "import-results"),
    "Results": ("verify", "claims", "trace", "compare", "sql", "explore"),
    "Releases": ("freeze", "reproduce", "publish"),
    "Configurations and runs": ("select", "search", "track"),
    "This command": ("completion",),
}
#: commands that read or write the checkout
WORKING = frozenset(name for names in COMMANDS.values() for name in names) - {"completion"}


def build(*, listing: bool = False) -> App:
    """Make the application; a command's module is imported when the command runs, or all are when they are listed."""
    codes = "\n".join(f"  {code:3}  {meaning}" for code, meaning in EXIT_CODES.items())
    app = App(
        name="kdgat",
        help="Intrusion detection on the CAN bus: from captures to a release, and from a number back to its run.",
        help_epilogue=f"Exit codes:\n{codes}",
        help_format="plaintext",
        help_formatter=Layout(),
        version=__version__,
        default_parameter=Parameter(negative=()),  # no --no-x, no --empty-x
        suppress_keyboard_interrupt=False,  # `kdgat.errors.cli` answers it, as everywhere
    )
    options = Group("Options", sort_key=len(COMMANDS))
    app["--help"].group = app["--version"].group = options
    for number, (title, names) in enumerate(COMMANDS.items()):
        group = Group(title, sort_key=number)
        for place, name in enumerate(names):
            attribute = name.replace("-", "_")
            app.command(f"cli.{attribute}:{attribute}", name=name, group=group, sort_key=place)
            if listing:
                app[name]
    return app


def run(words: list[str]) -> int:
    """Parse `words` and run the command they name; return its exit code.

    Raises:
        KdgatError: an unknown command or option, a missing, empty or wrong value, or what the command raises.
    """
    _require_values(words)
    words = ["/dev/stdin" if word == "-" else word for word in words]  # a lone hyphen would be taken for an option
    try:
        code = build(listing=not words or words[0] in ("--help", "-h"))(
            words, exit_on_error=False, print_error=False, result_action="return_value"
        )
    except CycloptsError as error:
        raise KdgatError(f"{error} (see `kdgat {words[0]} --help`)" if words[0] in WORKING else str(error)) from None
    return int(code or 0)


def _require_values(words: list[str]) -> None:
    """Refuse an empty word, such as a shell makes of a variable that is not set: a path that is empty would be this folder."""
    for before, word in zip(["", *words], words, strict=False):
        if not word.strip():
            raise KdgatError(f"{before} is empty" if before.startswith("--") else "one of the arguments is empty")
        if word.startswith("--") and word.endswith("=") and word[2:-1].replace("-", "").isalnum():
            raise KdgatError(f"{word[:-1]} is empty")
