"""The Discord look-alike as one thing: what it remembers, what it enforces, the time it lives in."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from fastapi import Request

from posta_sandbox.discord import throttle
from posta_sandbox.discord.application_commands import ApplicationCommands
from posta_sandbox.discord.buckets import Buckets, Level, Verdict
from posta_sandbox.discord.errors import refused_client
from posta_sandbox.discord.interaction import Interaction
from posta_sandbox.discord.people import Place
from posta_sandbox.discord.state import DiscordState
from posta_sandbox.discord.webhook import Webhook
from posta_sandbox.rules import DiscordRules

PREFIX = "/api/v10"
EXECUTE = f"POST {PREFIX}/webhooks/{{owner_id}}/{{token}}"
"""The bucket of a webhook's posts, as ``route_of`` names it."""
_OWNER = re.compile(rf"{PREFIX}/(?:webhooks|interactions)/(?P<owner>[^/]+)/(?P<token>[^/]+)")
_BARE_LIBRARIES = ("python-httpx", "python-urllib", "aiohttp", "go-http-client")


class Throttled(Exception):
    """A call into a closed bucket."""

    def __init__(self, verdict: Verdict, scope: str) -> None:
        super().__init__(f"rate limited ({scope})")
        self.verdict = verdict
        self.scope = scope


@dataclass(slots=True, kw_only=True)
class Discord:
    """The look-alike: what it remembers, the limits it enforces, the time it lives in."""

    state: DiscordState
    rules: DiscordRules
    buckets: Buckets
    clock: Callable[[], float]
    commands: ApplicationCommands

    def count(self, request: Request, route: str, owner: str) -> None:
        """Count a call; its answer tells the bucket. Raises Throttled when the bucket is closed."""
        verdict = throttle.take_webhook(self.buckets, self.rules, route=route, owner=owner, now=self.clock())
        request.state.verdict = verdict
        if not verdict.allowed:
            raise Throttled(verdict, "user")

    def count_global(self, of: str = "address") -> None:
        """Count a call outside interactions, of an address or of a bot; raises Throttled above the limit."""
        verdict = throttle.take_global(self.buckets, self.rules, of=of, now=self.clock())
        if not verdict.allowed:
            raise Throttled(verdict, "global")

    def count_channel(self, place: Place) -> None:
        """Count a post in a channel; raises Throttled above the limit its webhooks share."""
        verdict = throttle.take_channel(
            self.buckets, self.rules, channel_id=place.channel_id, now=self.clock()
        )
        if not verdict.allowed:
            raise Throttled(verdict, "shared")

    def level(self, webhook: Webhook) -> Level:
        """How full the bucket of a webhook's posts is."""
        owner = f"{webhook.id}/{webhook.token}"
        return self.buckets.level(EXECUTE, owner, limit=self.rules.webhook_limit, now=self.clock())

    def check_client(self, request: Request) -> None:
        """Raise 40333 for a client that does not name itself."""
        agent = request.headers.get("user-agent", "").lower()
        if self.rules.requires_user_agent and (not agent or agent.startswith(_BARE_LIBRARIES)):
            raise refused_client()

    def hints(self, path: str) -> dict[str, str]:
        """Say which webhook or interaction a path is about, without naming a secret."""
        found = _OWNER.match(path)
        if found is None:
            return {}
        interaction = self.state.interaction_of(found["token"])
        if interaction is not None:
            return {"interaction": interaction.id}
        webhook = self.state.webhooks.get(found["owner"])
        return {"webhook": webhook.name} if webhook else {}

    def webhook_or_interaction(self, request: Request, owner_id: str, token: str) -> Webhook | Interaction:
        """Return what the two secrets of a path stand for, and count the call against it."""
        self.check_client(request)
        self.count(request, route_of(request), f"{owner_id}/{token}")
        if owner_id == self.state.application_id:
            return self.state.interaction_by_token(owner_id, token, self.clock())
        self.count_global()
        return self.state.webhook(owner_id, token)


def route_of(request: Request) -> str:
    """Return the name of a request's bucket: its method and path template."""
    return f"{request.method} {request.scope['route'].path}"
