"""Starts notifier: ``python -m notifier``."""

from notifier.app import NAME, serve
from notifier.settings import Settings
from posta.service import run

if __name__ == "__main__":
    run(NAME, Settings, serve)
