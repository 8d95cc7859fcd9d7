"""`posta status`: how every part of the running system is."""

import json
import os
from pathlib import Path
from typing import Annotated

import typer

from posta_cli import contact
from posta_cli.given import read_given
from posta_cli.home import locate
from posta_cli.supervisor.document import human


def status(
    *,
    as_json: Annotated[
        bool,
        typer.Option("--json", help="For programs; holds addresses, the password and the keys."),
    ] = False,
) -> None:
    """Show each process: ready or not, its pid, restarts and address. Exit 3: nothing runs."""
    home = locate(read_given(os.environ, Path.cwd()))
    document = contact.ask(home, "status")["status"]
    if as_json:
        print(json.dumps(document, indent=2))
        return
    print("\n".join(human(document)))
