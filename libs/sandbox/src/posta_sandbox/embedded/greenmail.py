"""GreenMail, a mail server with SMTP and IMAP, from one jar on the bundled Java.

It keeps mail in memory: a restart begins with empty mailboxes.
"""

from collections.abc import Mapping
from pathlib import Path

import httpx

from posta_sandbox.embedded.child import Command
from posta_sandbox.embedded.jars import JarStore
from posta_sandbox.embedded.java import java_argv
from posta_sandbox.embedded.ports import LOOPBACK
from posta_sandbox.embedded.server import EmbeddedServer, plain_environment

_HTTP_TIMEOUT_S = 5.0


class EmbeddedMail(EmbeddedServer):
    """A real mail server on loopback with the given accounts (address to password).

    The login name is the address. Ports None: free ones, the same after a restart if still free.
    """

    name = "greenmail"

    def __init__(
        self,
        home: Path,
        *,
        users: Mapping[str, str],
        smtp_port: int | None = None,
        imap_port: int | None = None,
        api_port: int | None = None,
        heap_mb: int = 96,
    ) -> None:
        super().__init__(home)
        self._users = dict(users)
        self._asked = {"smtp": smtp_port, "imap": imap_port, "api": api_port}
        self._heap_mb = heap_mb
        self._class_path: list[Path] = []
        self.smtp_port = 0
        self.imap_port = 0
        self.api_port = 0

    async def _prepare(self, attempt: int) -> None:
        del attempt
        self._class_path = await JarStore().class_path("greenmail")
        self.smtp_port = self.ports.choose("smtp", self._asked["smtp"])
        self.imap_port = self.ports.choose("imap", self._asked["imap"])
        self.api_port = self.ports.choose("mail-api", self._asked["api"])

    def _command(self) -> Command:
        properties = {}
        for service, port in (
            ("smtp", self.smtp_port), ("imap", self.imap_port), ("api", self.api_port),
        ):  # fmt: skip
            properties[f"greenmail.{service}.hostname"] = LOOPBACK
            properties[f"greenmail.{service}.port"] = str(port)
        return Command(
            argv=java_argv(
                "com.icegreen.greenmail.standalone.GreenMailStandaloneRunner",
                class_path=self._class_path,
                heap_mb=self._heap_mb,
                home=self.home,
                properties=properties,
            ),
            log=self.log,
            cwd=self.home,
            env=plain_environment(self.home),
        )

    async def _answers(self) -> bool:
        """Ask the control API, which starts last, and create the accounts over it.

        Not the command line, which would show their passwords; and no bare connections to SMTP
        or IMAP, each of which would leave a stack trace in the log.
        """
        address = f"http://{LOOPBACK}:{self.api_port}"
        async with httpx.AsyncClient(base_url=address, timeout=_HTTP_TIMEOUT_S, trust_env=False) as api:
            try:
                (await api.get("/api/service/readiness")).raise_for_status()
                known = {user["login"] for user in (await api.get("/api/user")).json()}
                for user in self._users.keys() - known:
                    account = {"email": user, "login": user, "password": self._users[user]}
                    (await api.post("/api/user", json=account)).raise_for_status()
            except httpx.HTTPError:
                return False
        return True
