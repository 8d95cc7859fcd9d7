"""One Posta system: its units, what starts after what, and how it ends.

    kafka ──▶ topics ─────┐
    postgres ▶ migrations ┼──▶ ingress, llm-worker, notifier, dlq-admin, email-poller
    mail ─────────────────┤                                             (email-poller needs the mailbox too)
    sandbox ──────────────┘

Everything without an arrow between it runs at the same time. The end goes the other way: services,
sandbox, then mail, PostgreSQL and Kafka.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

from posta_cli.supervisor import embedded, plan, probe, schema, service_process
from posta_cli.supervisor.backoff import RestartPolicy
from posta_cli.supervisor.first_start import become_ready
from posta_cli.supervisor.plan import ProcessPlan
from posta_cli.supervisor.progress import Progress
from posta_cli.supervisor.surroundings import HOST, Surroundings
from posta_cli.supervisor.unit import Running, Unit
from posta_sandbox.embedded.greenmail import EmbeddedMail
from posta_sandbox.embedded.kafka import EmbeddedKafka
from posta_sandbox.embedded.postgres import EmbeddedPostgres
from posta_sandbox.embedded.server import EmbeddedServer

SERVER_TIMEOUT_S = 300.0
"""A cold start fetches Kafka's jars first."""
SERVICE_TIMEOUT_S = 90.0
_SERVICE_TRIES = 3
READY_PATH = "/health/ready"
EMBEDDED_NAMES = ("kafka", "postgres", "mail")


class System:
    """The processes of one home. `boot` starts them, `stop` ends them, `kill` ends them at once."""

    def __init__(
        self,
        around: Surroundings,
        *,
        tell: Callable[[Unit], None],
        policy: RestartPolicy | None = None,
    ) -> None:
        self.around = around
        self._tell = tell
        self._policy = policy or RestartPolicy()
        self._servers = _embedded_servers(around)
        self.units: dict[str, Unit] = {
            name: self._server_unit(name, server) for name, server in self._servers.items()
        }
        if around.parts.sandbox:
            self.units["sandbox"] = self._process_unit("sandbox")
        for process in plan.services(around):
            self.units[process.name] = self._process_unit(process.name)
        self._reached = {
            name: asyncio.Event() for name in (plan.TOPICS, plan.MIGRATIONS, plan.MAIL, plan.SANDBOX)
        }

    @property
    def logs(self) -> dict[str, Path]:
        """The log file of each unit."""
        own = {name: self.around.home.log_of(name) for name in self.units}
        return own | {name: server.log for name, server in self._servers.items()}

    async def boot(self, progress: Progress) -> None:
        """Start everything; return when all of it is ready.

        Raises StartFailedError (or its ConfigurationRefusedError) for the first part that fails;
        the caller then stops what had started.
        """
        for name, reason in plan.left_out(self.around.given, self.around.parts).items():
            progress.say(f"  - {name}: not started, {reason}")
        steps: list[Awaitable[None]] = []
        if self.around.parts.services:
            steps += [self._kafka(progress), self._postgres(progress)]
        if "mail" in self.units:
            steps.append(self._mail(progress))
        if "sandbox" in self.units:
            steps.append(self._sandbox(progress))
        steps += [self._service(process, progress) for process in plan.services(self.around)]
        try:
            async with progress.reminding(), asyncio.TaskGroup() as group:
                for step in steps:
                    group.create_task(_run(step))
        except BaseExceptionGroup as failures:
            raise _first(failures) from failures

    async def stop(self) -> None:
        """End all units in order; return when nothing of them is left."""
        for stage in self._stages():
            await asyncio.gather(*(unit.stop() for unit in stage))

    def kill(self) -> None:
        """End all units at once."""
        for unit in self.units.values():
            unit.kill()

    def _stages(self) -> list[list[Unit]]:
        last = [name for name in EMBEDDED_NAMES if name in self.units]
        first = [name for name in self.units if name not in (*last, "sandbox")]
        middle = [name for name in self.units if name == "sandbox"]
        return [[self.units[name] for name in names] for names in (first, middle, last)]

    async def _kafka(self, progress: Progress) -> None:
        if "kafka" in self.units:
            async with progress.step("Kafka", lambda: self.around.bootstrap_servers):
                await self._server_ready("kafka")
        async with progress.step("topics"):
            await schema.bring_topics(self.around)
        self._reached[plan.TOPICS].set()

    async def _postgres(self, progress: Progress) -> None:
        server = self._servers.get("postgres")
        if isinstance(server, EmbeddedPostgres):
            async with progress.step("PostgreSQL", lambda: f"127.0.0.1:{self._port('postgres')}"):
                await self._server_ready("postgres")
            self.around = replace(self.around, database_url=server.url)
        async with progress.step("migrations"):
            await schema.bring_tables(self.around)
        self._reached[plan.MIGRATIONS].set()

    async def _mail(self, progress: Progress) -> None:
        async with progress.step("mail server"):
            await self._server_ready("mail")
        self._reached[plan.MAIL].set()

    async def _sandbox(self, progress: Progress) -> None:
        process = plan.sandbox(self.around)
        async with progress.step("sandbox", lambda: process.url):
            await self._process_ready(process)
        self._reached[plan.SANDBOX].set()

    async def _service(self, process: ProcessPlan, progress: Progress) -> None:
        for need in process.needs:
            await self._reached[need].wait()
        async with progress.step(process.name, lambda: process.url):
            await self._process_ready(process)

    async def _server_ready(self, name: str) -> None:
        await become_ready(self.units[name], tries=1, timeout_s=SERVER_TIMEOUT_S, log=self.logs[name])

    async def _process_ready(self, process: ProcessPlan) -> None:
        await become_ready(
            self.units[process.name],
            tries=_SERVICE_TRIES,
            timeout_s=SERVICE_TIMEOUT_S,
            log=self.logs[process.name],
        )

    def _server_unit(self, name: str, server: EmbeddedServer) -> Unit:
        return Unit(
            name,
            launch=lambda: embedded.launch(server),
            is_ready=embedded.answers,
            policy=self._policy,
            tell=self._tell,
        )

    def _process_unit(self, name: str) -> Unit:
        async def launch() -> Running:
            return self._launch(name)

        async def is_ready() -> bool:
            return await probe.answers_ok(HOST, self._port(name), READY_PATH)

        return Unit(name, launch=launch, is_ready=is_ready, policy=self._policy, tell=self._tell)

    def _launch(self, name: str) -> Running:
        """Start a process with its environment as it is now: the database may have come since."""
        process = plan.process(self.around, name)
        return service_process.launch(
            process.module,
            env={**self.around.given, **process.env},
            log=self.logs[name],
            grace_s=process.grace_s,
        )

    def _port(self, name: str) -> int:
        return self.around.ports[name]


def _embedded_servers(around: Surroundings) -> dict[str, EmbeddedServer]:
    root, ports = around.home.root, around.ports
    servers: dict[str, EmbeddedServer] = {}
    if around.parts.kafka:
        servers["kafka"] = EmbeddedKafka(root / "kafka", port=ports["kafka"])
    if around.parts.postgres:
        servers["postgres"] = EmbeddedPostgres(root / "postgres", port=ports["postgres"])
    if around.parts.mail:
        servers["mail"] = EmbeddedMail(
            root / "mail",
            users={around.credentials.mail_address: around.credentials.mail_password},
            smtp_port=ports["mail-smtp"],
            imap_port=ports["mail-imap"],
            api_port=ports["mail-api"],
        )
    return servers


async def _run(step: Awaitable[None]) -> None:
    await step


def _first(failures: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the first single failure of a group (the others were caused by the group's end)."""
    failure: BaseException = failures
    while isinstance(failure, BaseExceptionGroup):
        failure = failure.exceptions[0]
    return failure
