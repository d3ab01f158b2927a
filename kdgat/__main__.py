"""`python -m kdgat doctor | detect | import-results`: the commands of a person who has the checkout and a question.

The one module of the package that may call `analysis`: it is the command line above both.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from kdgat.errors import cli


def main(argv: Sequence[str]) -> int:
    """Parse and run."""
    from kdgat import doctor

    if list(argv) == ["doctor"]:  # before any import of what may not be installed
        return doctor.run()
    from analysis import detect, imported

    parser = argparse.ArgumentParser(prog="python -m kdgat", description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("doctor", help="what is installed, what is missing, what that costs, how to get it")
    detect.add_arguments(commands.add_parser("detect", help="a released student on a capture of one's own"))
    imported.add_arguments(commands.add_parser("import-results", help="old metrics beside a release, marked untraced"))
    args = parser.parse_args(argv)
    return detect.run(args) if args.command == "detect" else imported.run(args)


if __name__ == "__main__":
    cli(lambda: main(sys.argv[1:]))
