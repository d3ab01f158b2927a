"""Stands for a login node: an SSH server that runs commands in this environment. `login_node.py KEY-FOLDER` prints its port."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import asyncssh


async def run(process: asyncssh.SSHServerProcess) -> None:
    """One command, by bash."""
    pipe = asyncio.subprocess.PIPE
    child = await asyncio.create_subprocess_exec(
        *("bash", "-c", process.command or "true"), stdin=asyncio.subprocess.DEVNULL, stdout=pipe, stderr=pipe
    )
    out, err = await child.communicate()
    process.stdout.write(out.decode())
    process.stderr.write(err.decode())
    process.exit(child.returncode or 0)


async def main(folder: Path) -> None:
    """Serve whoever has the key that is made in `folder`."""
    key = asyncssh.generate_private_key("ssh-ed25519")
    key.write_private_key(folder / "key")
    key.write_public_key(folder / "key.pub")
    server = await asyncssh.listen(
        "127.0.0.1", 0, server_host_keys=[key], authorized_client_keys=str(folder / "key.pub"),
        process_factory=run, sftp_factory=True, allow_scp=True,
    )  # fmt: skip
    print(server.get_port(), flush=True)
    await server.wait_closed()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
