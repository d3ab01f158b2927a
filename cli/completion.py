"""`kdgat completion`."""

from __future__ import annotations

from typing import Literal


def completion(shell: Literal["bash", "zsh", "fish"], /) -> int:
    """Print the completion script of a shell.

    bash: `kdgat completion bash > ~/.local/share/bash-completion/completions/kdgat`.

    Args:
        shell: bash, zsh or fish.
    """
    from cli import app

    print(app.build().generate_completion(prog_name="kdgat", shell=shell))
    return 0
