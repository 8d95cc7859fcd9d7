"""The wiring: the only place where the sandbox's parts meet."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException as StarletteHTTPException

from posta_sandbox import keys
from posta_sandbox.api import api_routes
from posta_sandbox.connections import Connections
from posta_sandbox.discord import answers, lookalike, throttle
from posta_sandbox.discord.application_commands import ApplicationCommands
from posta_sandbox.discord.buckets import Buckets
from posta_sandbox.discord.command_routes import command_routes
from posta_sandbox.discord.delivery import Deliverer, Send
from posta_sandbox.discord.errors import DiscordError
from posta_sandbox.discord.ingress_line import post
from posta_sandbox.discord.lookalike import Discord, Throttled
from posta_sandbox.discord.routes import discord_routes
from posta_sandbox.discord.state import DiscordState
from posta_sandbox.faults import Faults, Service
from posta_sandbox.gate import Gate, Guard
from posta_sandbox.ledger import Ledger
from posta_sandbox.llm import routes as llm_api
from posta_sandbox.llm.errors import LlmError, show_llm_error
from posta_sandbox.llm.routes import Llm
from posta_sandbox.local_only import LocalOnly
from posta_sandbox.mail.box import Account, MailServer
from posta_sandbox.mail.imap import imap_protocol
from posta_sandbox.mail.proxy import MailProxy, Protocol
from posta_sandbox.mail.routes import Mail, mail_routes
from posta_sandbox.mail.smtp import smtp_protocol
from posta_sandbox.page_routes import page_routes
from posta_sandbox.problems import Problem, show_invalid_request, show_problem
from posta_sandbox.rules import DiscordRules, LlmSettings
from posta_sandbox.settings import SandboxSettings
from posta_sandbox.timeline import timeline_routes
from posta_sandbox.traces import Traces, UndecodableTraces
from posta_sandbox.world import World


def create_app(
    settings: SandboxSettings,
    *,
    connections: Connections | None = None,
    clock: Callable[[], float] = time.time,
    send: Send = post,
) -> FastAPI:
    """Return the sandbox as one ASGI application; its parts are in ``app.state.world``.

    send is what interactions are sent with; tests give one that reaches a stub.
    """
    world = _world(settings, clock, send)
    mail = _mail(settings, world)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async with _mail_proxies(mail, settings):
            yield

    app = FastAPI(title="Posta sandbox", version="1", lifespan=lifespan, docs_url=None)
    app.state.world = world
    app.state.mail = mail
    app.include_router(discord_routes(world.discord))
    app.include_router(command_routes(world.discord))
    app.include_router(llm_api.llm_routes(world.llm))
    app.include_router(mail_routes(mail))
    app.include_router(timeline_routes(world))
    app.include_router(api_routes(world))
    app.include_router(page_routes())
    _add_operations(app, world)
    _add_error_handlers(app)
    _add_middleware(app, settings, world, connections or Connections())
    return app


def _world(settings: SandboxSettings, clock: Callable[[], float], send: Send) -> World:
    ledger = Ledger(clock)
    discord = Discord(
        state=DiscordState(seed_hex=settings.seed_hex, application_id=settings.effective_application_id),
        rules=DiscordRules(),
        buckets=Buckets(),
        clock=clock,
        commands=ApplicationCommands(settings.effective_application_id),
    )
    deliverer = Deliverer(
        discord,
        send=send,
        key=keys.signing_key(settings.seed_hex),
        ledger=ledger,
        ingress_url=settings.ingress_url,
    )
    return World(
        clock=clock,
        ledger=ledger,
        faults=Faults(),
        discord=discord,
        deliverer=deliverer,
        llm=Llm(settings=LlmSettings(latency_s=settings.llm_latency_s), clock=clock),
        traces=Traces(),
        public_key=keys.public_key_hex(settings.seed_hex),
        mail_address=settings.mail_address,
        llm_latency_s=settings.llm_latency_s,
        ingress_url=settings.ingress_url,
    )


def _mail(settings: SandboxSettings, world: World) -> Mail:
    account = Account(address=settings.mail_address, password=settings.mail_password.get_secret_value())
    mail = Mail(server=None, account=account, clock=world.clock)
    if settings.smtp_upstream_port and settings.imap_upstream_port:
        host = settings.mail_upstream_host
        smtp, imap = settings.smtp_upstream_port, settings.imap_upstream_port
        mail.server = MailServer(host=host, smtp_port=smtp, imap_port=imap)
        mail.smtp = _mail_proxy(smtp_protocol(mail.meet), host, smtp, world)
        mail.imap = _mail_proxy(imap_protocol(), host, imap, world)
    return mail


def _mail_proxy(protocol: Protocol, host: str, port: int, world: World) -> MailProxy:
    return MailProxy(
        protocol,
        upstream_host=host,
        upstream_port=port,
        ledger=world.ledger,
        faults=world.faults,
    )


@asynccontextmanager
async def _mail_proxies(mail: Mail, settings: SandboxSettings) -> AsyncIterator[None]:
    async with AsyncExitStack() as stack:
        if mail.smtp is not None and mail.imap is not None:
            await stack.enter_async_context(mail.smtp.listening(settings.host, settings.smtp_port))
            await stack.enter_async_context(mail.imap.listening(settings.host, settings.imap_port))
        yield


def _add_operations(app: FastAPI, world: World) -> None:
    @app.get("/health/live")
    async def live() -> dict[str, str]:
        return {"status": "live"}

    @app.get("/health/ready")
    async def ready() -> dict[str, str]:
        return {"status": "ready"}

    @app.post("/v1/traces")
    async def receive_traces(request: Request) -> Response:
        encoding = request.headers.get("content-encoding", "identity")
        try:
            world.traces.receive(await request.body(), encoding=encoding)
        except UndecodableTraces as exc:
            raise Problem(400, "Undecodable traces", str(exc)) from exc
        return Response(b"", media_type="application/x-protobuf")


async def _show_http_error(request: Request, error: Exception) -> Response:
    """Answer an unknown path or method, in Discord's shape under Discord's prefix."""
    assert isinstance(error, StarletteHTTPException)  # noqa: S101  # registered for this class only
    if request.url.path.startswith(lookalike.PREFIX):
        shown = DiscordError(error.status_code, 0, f"{error.status_code}: {error.detail}")
        return await answers.show_discord_error(request, shown)
    return Problem(error.status_code, str(error.detail), f"{request.url.path} is not here.").response()


def _add_error_handlers(app: FastAPI) -> None:
    app.add_exception_handler(DiscordError, answers.show_discord_error)
    app.add_exception_handler(Throttled, answers.show_throttled)
    app.add_exception_handler(LlmError, show_llm_error)
    app.add_exception_handler(Problem, show_problem)
    app.add_exception_handler(RequestValidationError, show_invalid_request)
    app.add_exception_handler(StarletteHTTPException, _show_http_error)


def _add_middleware(app: FastAPI, settings: SandboxSettings, world: World, connections: Connections) -> None:
    app.add_middleware(
        Gate,
        guards={
            lookalike.PREFIX: Guard(
                service=Service.DISCORD,
                refusal=lambda fault: throttle.injected(fault, now=world.clock()),
                hints=lambda path, _body: world.discord.hints(path),
            ),
            llm_api.PREFIX: Guard(
                service=Service.LLM,
                refusal=llm_api.injected,
                hints=lambda _path, body: llm_api.hints(body),
            ),
        },
        ledger=world.ledger,
        faults=world.faults,
        connections=connections,
    )
    app.add_middleware(LocalOnly, allow_remote=settings.allow_remote)
