import pytest

from notifier.mail.smtp_verdict import AddressGone, AgainLater, MailRefused, NotLetIn, judge_reply


@pytest.mark.parametrize(
    ("code", "text", "kind"),
    [
        (421, "4.7.0 Try again later", AgainLater),
        (450, "4.2.0 Greylisted", AgainLater),
        (452, "4.2.2 Mailbox full", AgainLater),
        (454, "4.7.0 Temporary authentication failure", AgainLater),
        (-1, "no SMTP at all", AgainLater),
        (550, "4.7.1 a permanent code with a transient reason", AgainLater),
        (535, "5.7.8 Authentication failed", NotLetIn),
        (534, "5.7.9 too weak", NotLetIn),
        (530, "5.7.0 Authentication required", NotLetIn),
        (550, "5.1.1 No such user", AddressGone),
        (550, "5.7.1 relaying denied", AddressGone),
        (550, "no such user", AddressGone),
        (552, "5.2.2 Mailbox full", AddressGone),
        (552, "message exceeds fixed size", MailRefused),
        (552, "5.3.4 Message too big", MailRefused),
        (554, "5.6.0 Message content rejected", MailRefused),
    ],
)
def test_a_reply_means(code, text, kind):
    verdict = judge_reply(code, text)
    assert isinstance(verdict, kind)
    assert str(code) in verdict.reason
