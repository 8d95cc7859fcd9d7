"""The version of the installed library, which all services share."""

from importlib.metadata import version


def service_version() -> str:
    """Such as ``0.1.0``."""
    return version("posta-common")
