"""What can stop a `posta` command, each with its exit code.

CommandError               1   what happened, and what to do about it
├── NotRunningError        3   the command needs a running system and there is none
├── AlreadyRunningError    1   another supervisor holds this state folder
├── UnusableHomeError      1   the state folder cannot be used as it is
├── PortTakenError         1   a port the user asked for belongs to somebody else
└── StartFailedError       1   a part did not become ready; everything was stopped again
    └── ConfigurationRefusedError  78   a service refused its configuration (EX_CONFIG)
"""

from typing import ClassVar

EX_CONFIG = 78
"""`sysexits.h`: something was found in an unconfigured or misconfigured state."""


class CommandError(Exception):
    """A command ends here: `what` happened and the `remedy` a person can try."""

    exit_code: ClassVar[int] = 1

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(what, remedy)
        self.what = what
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.what}\n  → {self.remedy}"


class NotRunningError(CommandError):
    """There is no running system in this state folder."""

    exit_code = 3


class AlreadyRunningError(CommandError):
    """Another supervisor holds this state folder."""


class UnusableHomeError(CommandError):
    """The state folder is unwritable, damaged, full or from another version."""


class PortTakenError(CommandError):
    """A port set by the environment is in use."""


class StartFailedError(CommandError):
    """A part of the system did not become ready in time, or kept dying."""


class ConfigurationRefusedError(StartFailedError):
    """A service exited with EX_CONFIG: trying again would change nothing."""

    exit_code = EX_CONFIG
