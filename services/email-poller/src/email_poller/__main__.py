"""``python -m email_poller``: run the service until it is told to stop."""

from email_poller.app import serve
from email_poller.settings import EmailPollerSettings
from posta.service import run

if __name__ == "__main__":
    run("email-poller", EmailPollerSettings, serve)
