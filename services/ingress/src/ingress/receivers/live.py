"""The receivers that are in force now, read again on SIGHUP: a file that is wrong changes nothing."""

from collections.abc import Mapping
from pathlib import Path

from ingress.receivers.rules import FILE_NAME, Receivers, load_receivers
from posta.destinations import FILE_NAME as DESTINATIONS_FILE
from posta.destinations import load_destinations


class LiveReceivers:
    """What ``receivers.yaml`` says, with the secrets whose variables it names."""

    def __init__(self, receivers: Receivers, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self.use(receivers)

    def use(self, receivers: Receivers) -> None:
        """From now on these, and no others."""
        self.receivers = receivers.receivers
        self.secrets: Mapping[str, bytes] = receivers.secrets(self._environ)
        """By the receiver's name; those whose variable is unset are missing."""


def read_receivers(config_dir: Path) -> Receivers:
    """The file in ``config_dir``. Raises ``ConfigurationError``, also for an unknown destination."""
    receivers = load_receivers(config_dir / FILE_NAME)
    receivers.check(load_destinations(config_dir / DESTINATIONS_FILE), file=config_dir / FILE_NAME)
    return receivers
