"""Every error Posta raises on purpose, as one small tree: the class says what happens next.

    PostaError
    ├── ConfigurationError        the service must not start: file, path and reason
    └── Failure                   a record could not be handled
        ├── Transient             try again, after retry_after_s if that is known
        │   └── Unavailable       a dependency of the whole group is away: intake pauses
        ├── NotNow                capacity is missing until a moment: waits, no attempt is used
        ├── Permanent             will never succeed: dead letter at once
        │   ├── Malformed         the record itself cannot be read
        │   └── Undeliverable     its own target takes nothing: says nothing about other records
        └── Expired               its deadline has passed, or would pass before it could be tried again

Anything else that a handler raises is *unexpected*: treated as transient, counted apart.
"""


class PostaError(Exception):
    """The root of everything Posta raises on purpose."""


class ConfigurationError(PostaError):
    """A setting or a rules file is wrong; the message names the file, the path in it and the reason."""


class Failure(PostaError):
    """A record could not be handled; the subclass says what becomes of it."""


class Transient(Failure):
    """The same call may succeed later.

    ``retry_after_s`` is the shortest wait the other side asked for, in seconds, when it said so.
    """

    def __init__(self, reason: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after_s = retry_after_s


class Unavailable(Transient):
    """A dependency without which no record can be handled is away; the engine pauses intake.

    ``dependency`` is the name of the gate that the engine probes until it is back.
    """

    def __init__(self, dependency: str, reason: str) -> None:
        super().__init__(f"{dependency} is unavailable: {reason}")
        self.dependency = dependency


class NotNow(Failure):
    """Capacity is missing; the record waits ``wait_s`` seconds and no attempt is used."""

    def __init__(self, why: str, *, wait_s: float) -> None:
        super().__init__(why)
        self.wait_s = wait_s


class Permanent(Failure):
    """No later attempt can succeed; the record becomes a dead letter at once."""


class Malformed(Permanent):
    """The record's bytes or headers cannot be read as the event they claim to be."""


class Undeliverable(Permanent):
    """The one place the record could go to is known to be closed; a flood breaker does not count it."""


class Expired(Failure):
    """The record's deadline has passed, so that handling it would help nobody."""
