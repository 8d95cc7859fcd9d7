"""Runs dlq-admin: read the settings, serve until told to stop."""

from dlq_admin.app import serve
from dlq_admin.settings import Settings
from posta.service import run

if __name__ == "__main__":
    run("dlq-admin", Settings, serve)
