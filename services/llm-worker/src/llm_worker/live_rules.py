"""The rules that can change while the worker runs: ``llm.yaml``, ``faq.yaml``, prompts; all or nothing."""

from collections.abc import Callable
from dataclasses import dataclass

from llm_worker.faq.file import FaqFile
from llm_worker.providers.lineup import Lineup
from llm_worker.rules import AnswerRules
from posta.errors import ConfigurationError


@dataclass(frozen=True, slots=True, kw_only=True)
class FromFiles:
    """What the files say."""

    lineup: Lineup
    faq: FaqFile
    prompts: AnswerRules


Load = Callable[[], FromFiles]
"""Reads and checks the files. Raises ``ConfigurationError``."""
Use = Callable[[FromFiles], None]
"""Puts them in force for whatever begins from now on; calls under way end as they began."""


class LiveRules:
    """Reads them again; ``handling_s`` is how long this process allows all calls of a handling together."""

    def __init__(self, load: Load, use: Use, *, handling_s: float) -> None:
        self._load = load
        self._use = use
        self._handling_s = handling_s

    def reload(self) -> None:
        """Read the files again. Raises ``ConfigurationError``, and then everything stays as it was."""
        found = self._load()
        needed_s = found.lineup.longest_call_s * found.lineup.most_calls
        if needed_s > self._handling_s:
            raise ConfigurationError(
                f"the calls of one question may now take {needed_s:g} s, and this process was started for"
                f" {self._handling_s:g} s: restart llm-worker to use these timeouts and routes"
            )
        self._use(found)
