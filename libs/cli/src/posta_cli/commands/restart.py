"""`posta restart SERVICE`: end one process in order and start it again."""

import os
from pathlib import Path
from typing import Annotated

import typer

from posta_cli import contact
from posta_cli.given import read_given
from posta_cli.home import locate

_TIMEOUT_S = 90.0


def restart(
    name: Annotated[str, typer.Argument(help="A service, or kafka, postgres, mail, sandbox.")],
) -> None:
    """Restart one process of the running system and wait until it is ready again."""
    home = locate(read_given(os.environ, Path.cwd()))
    contact.ask(home, "restart", timeout_s=_TIMEOUT_S, name=name)
    print(f"{name} was restarted and is ready.")
