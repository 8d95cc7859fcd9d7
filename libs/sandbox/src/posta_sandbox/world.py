"""All parts of one sandbox, and how they all start afresh."""

from collections.abc import Callable
from dataclasses import dataclass

from posta_sandbox.discord.delivery import Deliverer
from posta_sandbox.discord.lookalike import Discord
from posta_sandbox.faults import Faults
from posta_sandbox.ledger import Ledger
from posta_sandbox.llm.routes import Llm
from posta_sandbox.rules import DiscordRules, LlmLimits, LlmSettings
from posta_sandbox.traces import Traces


@dataclass(slots=True, kw_only=True)
class World:
    """What the routes share."""

    clock: Callable[[], float]
    ledger: Ledger
    faults: Faults
    discord: Discord
    deliverer: Deliverer
    llm: Llm
    traces: Traces
    public_key: str
    mail_address: str
    llm_latency_s: float
    ingress_url: str

    @property
    def version(self) -> int:
        """Grows with every change that the page could show."""
        parts = (self.ledger.version, self.faults.version, self.traces.version, self.discord.commands.version)
        return sum(parts) + self.discord.state.version

    def reset(self) -> None:
        """Forget all but the registered commands, mend all faults, go back to the rules of the start."""
        self.ledger.clear()
        self.faults.clear()
        self.traces.clear()
        self.discord.state.clear()
        self.discord.buckets.clear()
        self.discord.rules = DiscordRules()
        self.deliverer.ingress_url = self.ingress_url
        self.llm.quota.clear()
        self.llm.limits = LlmLimits()
        self.llm.settings = LlmSettings(latency_s=self.llm_latency_s)
