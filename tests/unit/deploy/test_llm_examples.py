"""The examples of docs/connect-llm.md are files that llm-worker would start with."""

import re
from pathlib import Path

import pytest
import yaml

from llm_worker.providers.lineup import lineup_of
from llm_worker.providers.rules import LlmRules
from llm_worker.settings import LlmSettings

PAGE = Path(__file__).resolve().parents[3] / "docs" / "connect-llm.md"
EXAMPLES = re.findall(r"## ([^\n]+)\n(?:(?!\n## ).)*?```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL)
KEYS = {"POSTA_LLM_KEY_CLAUDE": "x", "POSTA_LLM_KEY_GROQ": "x", "POSTA_LLM_KEY_OPENAI": "x"}


@pytest.mark.parametrize("example", [text for _, text in EXAMPLES], ids=[name for name, _ in EXAMPLES])
def test_an_example_is_a_valid_file(example):
    given = yaml.safe_load(example)
    assert lineup_of(LlmRules.model_validate(given), LlmSettings(), KEYS).models


def test_there_are_examples():
    assert len(EXAMPLES) >= 5
