"""Starts llm-worker: ``python -m llm_worker``."""

from llm_worker.app import NAME, serve
from llm_worker.settings import Settings
from posta.service import run

if __name__ == "__main__":
    run(NAME, Settings, serve)
