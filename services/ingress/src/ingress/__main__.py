"""Starts ingress: ``python -m ingress``."""

from ingress.app import serve
from ingress.settings import Settings
from posta.service import run

if __name__ == "__main__":
    run("ingress", Settings, serve)
