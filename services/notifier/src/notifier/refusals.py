"""The errors of a delivery that the rest of the notifier tells apart.

    Transient
    └── OutcomeUnknown    the call may have had its effect: the ledger keeps 'sending'
    Permanent
    ├── TargetGone        nothing can be delivered there any more: nobody to apologise to
    └── ContentRefused    this message is refused, another one would be taken: worth an apology

Every other failure of a call is a definite refusal: nothing was delivered.
"""

from posta.errors import NotNow, Permanent, Transient


class OutcomeUnknown(Transient):
    """The call was sent and its answer is missing or says nothing, so it may have been carried out."""


class TargetGone(Permanent):
    """The place to deliver to is gone, or closed to us for good; ``code`` is Discord's reason, 0: none."""

    def __init__(self, reason: str, *, code: int = 0) -> None:
        super().__init__(reason)
        self.code = code


class BotRefused(NotNow):
    """Discord does not know the bot's token: nothing more is sent with it for a while."""


class ContentRefused(Permanent):
    """The other side takes no message like this one."""
