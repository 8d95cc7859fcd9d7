"""The account that a child which refuses to run as root is run under."""

import os
import pwd
from pathlib import Path

from posta_sandbox.embedded.child import Account
from posta_sandbox.embedded.errors import StartFailed

ACCOUNT_NAME = "nobody"


def unprivileged_account(*, reach: tuple[Path, ...] = ()) -> Account | None:
    """Return the account to change to, or None when this process is not root.

    The account must be a known one, because initdb looks its own name up. Raises StartFailed when
    the machine has none.
    """
    if os.geteuid() != 0:
        return None
    try:
        entry = pwd.getpwnam(ACCOUNT_NAME)
    except KeyError as exc:
        raise StartFailed(
            f"PostgreSQL refuses to run as root, and this machine has no account {ACCOUNT_NAME!r} "
            "to run it under: start Posta as an ordinary user"
        ) from exc
    return Account(uid=entry.pw_uid, gid=entry.pw_gid, reach=reach)


def give_to(account: Account | None, path: Path) -> None:
    """Make the account the owner of `path` and of everything below it (None: nothing happens)."""
    if account is None:
        return
    for found in (path, *path.rglob("*")):
        status = found.lstat()
        if (status.st_uid, status.st_gid) != (account.uid, account.gid):
            os.chown(found, account.uid, account.gid, follow_symlinks=False)
