"""Discord's refusals: an HTTP status, a JSON code, a message, and where in the form it hurts."""

from typing import Any


class DiscordError(Exception):
    """A request that Discord would refuse.

    status is the HTTP status, code Discord's JSON error code, errors the nested form errors.
    """

    def __init__(self, status: int, code: int, message: str, errors: dict[str, Any] | None = None) -> None:
        super().__init__(f"{status} {code} {message}")
        self.status = status
        self.code = code
        self.message = message
        self.errors = errors

    def body(self) -> dict[str, Any]:
        """The answer's JSON."""
        body: dict[str, Any] = {"message": self.message, "code": self.code}
        return body | {"errors": self.errors} if self.errors else body


def unknown_webhook() -> DiscordError:
    """No such webhook, or an interaction token that never came alive."""
    return DiscordError(404, 10015, "Unknown Webhook")


def unknown_message() -> DiscordError:
    """No such message under this webhook."""
    return DiscordError(404, 10008, "Unknown Message")


def unknown_interaction() -> DiscordError:
    """No such interaction, or its three seconds are over."""
    return DiscordError(404, 10062, "Unknown interaction")


def invalid_webhook_token() -> DiscordError:
    """The id exists and the token is not its, or has expired."""
    return DiscordError(401, 50027, "Invalid Webhook Token")


def already_acknowledged() -> DiscordError:
    """An interaction takes one initial response."""
    return DiscordError(400, 40060, "Interaction has already been acknowledged.")


def empty_message() -> DiscordError:
    """Nothing to show is left of the message."""
    return DiscordError(400, 50006, "Cannot send an empty message")


def too_many_followups() -> DiscordError:
    """An app that is only user-installed may follow up five times."""
    return DiscordError(400, 40094, "This interaction has reached its maximum number of follow up messages.")


def invalid_json() -> DiscordError:
    """The body is not JSON."""
    return DiscordError(400, 50109, "The request body contains invalid JSON.")


def invalid_form(errors: dict[str, Any]) -> DiscordError:
    """Fields break their limits; errors nests by field down to ``_errors``."""
    return DiscordError(400, 50035, "Invalid Form Body", errors)


def refused_client() -> DiscordError:
    """The client does not say who it is."""
    return DiscordError(
        403,
        40333,
        "internal network error: name your client in User-Agent, such as "
        "'DiscordBot (https://example.org, 1.0)'",
    )
