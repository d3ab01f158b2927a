"""Write requirements.lock: the versions installed here, as pip constraints.

No hashes and no addresses: `torch==2.13.0` must be free to resolve to a CPU wheel where a machine offers one, and a
local version (+cpu) must not be asked for elsewhere.
"""

from __future__ import annotations

from importlib.metadata import distributions

from kdgat import atomic
from kdgat.paths import REPO

#: not dependencies of the project
_LEFT_OUT = {"kdgat", "pip", "setuptools", "wheel"}


def main() -> None:
    """Write the lock."""
    versions = {d.metadata["Name"].lower().replace("_", "-"): d.version.split("+")[0] for d in distributions()}
    lines = [f"{name}=={version}" for name, version in sorted(versions.items()) if name not in _LEFT_OUT]
    header = "# Tested versions, for `pip install -c`; made by `make lock`. Python 3.11; limits, not requirements.\n"
    atomic.write_text(REPO / "requirements.lock", header + "\n".join(lines) + "\n")
    print(f"requirements.lock: {len(lines)} versions")


if __name__ == "__main__":
    main()
