"""`posta down`: stop the running system from any shell, and forget its data when asked."""

import os
from pathlib import Path
from typing import Annotated

import typer

from posta_cli import contact, lock
from posta_cli import home as state_folder
from posta_cli.errors import NotRunningError
from posta_cli.given import read_given

_TIMEOUT_S = 90.0


def down(
    *,
    wipe: Annotated[bool, typer.Option("--wipe", help="Also remove data, logs, secrets and ports.")] = False,
) -> None:
    """Stop the system and wait until nothing of it runs. Exit 3: nothing ran."""
    home = state_folder.locate(read_given(os.environ, Path.cwd()))
    try:
        pid = contact.end(home, timeout_s=_TIMEOUT_S)
        print(f"Stopped (pid {pid}).")
    except NotRunningError:
        if not wipe:
            raise
        print(f"No Posta system runs in {home.root}.")
    if not wipe:
        return
    if home.run.exists():
        with lock.held(home):
            state_folder.wipe(home)
    print(f"Removed what Posta kept in {home.root}.")
