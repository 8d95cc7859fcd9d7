"""`posta version`: which Posta this is, and on which Python."""

import platform
from importlib.metadata import version as version_of


def version() -> None:
    """Show the version of Posta and of Python."""
    print(f"posta {version_of('posta-cli')} on Python {platform.python_version()}")
