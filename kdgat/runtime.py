"""Where runs live: one absolute Metaflow store and one work folder, shared by flows and analysis."""

from __future__ import annotations

import getpass
import os
import sys
import sysconfig
from pathlib import Path

from kdgat.errors import KdgatError
from kdgat.paths import REPO
from kdgat.settings import settings


def configure() -> Path:
    """Give Metaflow an absolute store and a user name; call it before metaflow is imported. Returns the store's folder.

    What the environment already says is kept. Metaflow refuses root without METAFLOW_USER, and puts `.metaflow` into
    whatever folder it is started from: then analysis would look elsewhere than the flow wrote.
    """
    for variable, folder in (
        ("METAFLOW_DATASTORE_SYSROOT_LOCAL", settings().paths.store),
        ("KDGAT_WORK", settings().paths.work),
        ("KDGAT_DATA", settings().paths.data),
    ):
        if folder is not None:
            os.environ.setdefault(variable, str(folder))
    root = os.environ.setdefault("METAFLOW_DATASTORE_SYSROOT_LOCAL", str(REPO))
    os.environ["METAFLOW_DATASTORE_SYSROOT_LOCAL"] = root = str(Path(root).resolve())
    # cards have a root of their own, which is otherwise looked for from the working folder upwards
    os.environ.setdefault("METAFLOW_CARD_LOCALROOT", str(Path(root) / ".metaflow" / "mf.cards"))
    # Metaflow unpickles what its client has kept: not in a folder of the temporary directory, which anyone may make first
    os.environ.setdefault("METAFLOW_CLIENT_CACHE_PATH", str(work_folder() / "metaflow-client"))
    os.environ.setdefault("METAFLOW_DEFAULT_DATASTORE", "local")
    os.environ.setdefault("METAFLOW_DEFAULT_METADATA", "local")
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user without a passwd entry
        user = "kdgat"
    os.environ.setdefault("METAFLOW_USER", "kdgat" if user == "root" else user)
    # this checkout's extension (`--with srun`), and no other checkout's that the same environment may know
    if str(REPO) not in sys.path:
        sys.path.append(str(REPO))
    here = os.pathsep.join([str(REPO), sysconfig.get_paths()["purelib"]])
    os.environ.setdefault("METAFLOW_EXTENSIONS_SEARCH_DIRS", here)
    return Path(root) / ".metaflow"


def work_folder() -> Path:
    """Folder for graph stores, checkpoints and tracker files ($KDGAT_WORK, else `.kdgat` of the checkout).

    Raises:
        KdgatError: it cannot be made.
    """
    folder = Path(os.environ.get("KDGAT_WORK") or REPO / ".kdgat").resolve()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise KdgatError(f"{folder}: {error.strerror}: KDGAT_WORK names another folder for work") from error
    return folder
