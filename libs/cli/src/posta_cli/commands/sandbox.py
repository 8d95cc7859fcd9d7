"""`posta sandbox`: the look-alike Discord, LLM and mail server alone."""

import os
from pathlib import Path

from posta_cli.commands.up import run_foreground
from posta_cli.given import read_given
from posta_cli.home import locate
from posta_cli.supervisor.surroundings import Parts


def sandbox() -> None:
    """Start the look-alikes and the mail server alone; Ctrl-C stops them.

    They call the ingress that POSTA_SANDBOX__INGRESS_URL names.
    """
    given = read_given(os.environ, Path.cwd())
    parts = Parts(kafka=False, postgres=False, mail=True, sandbox=True, services=False)
    run_foreground(locate(given), given, parts)
