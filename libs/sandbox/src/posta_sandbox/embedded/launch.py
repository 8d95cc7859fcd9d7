"""The small program between Popen and a child: gives up root if told to, ties its life, executes.

It runs as `python -I -S launch.py PLAN PROGRAM ARGUMENT…`, with PLAN as JSON:

    parent        pid whose end must end this process too
    death_signal  what the kernel sends when the parent has ended (Linux only; elsewhere nothing
                  is sent, and the next start of the same home ends what was left over)
    account       [uid, gid] to become, or null to stay
    reach         folders the account must be able to enter; when it cannot (a home below /root),
                  it keeps CAP_DAC_OVERRIDE, and only that, instead of opening the folders to all

A separate program instead of `preexec_fn`, which may deadlock in a process with threads.
Standard library only: it starts in about 15 ms.
"""

import ctypes
import json
import os
import sys

PR_SET_PDEATHSIG = 1
PR_SET_KEEPCAPS = 8
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_RAISE = 2
CAP_DAC_OVERRIDE = 1
LINUX_CAPABILITY_VERSION_3 = 0x20080522
CANNOT_LAUNCH = 126


def main(arguments: list[str]) -> None:
    """Carry out the plan; does not return."""
    plan = json.loads(arguments[0])
    libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None
    if plan["account"] is not None:
        become(*plan["account"], reach=plan["reach"], libc=libc)
    if libc is not None:
        # After the change of account, which would clear it.
        call(libc.prctl(PR_SET_PDEATHSIG, plan["death_signal"], 0, 0, 0))
    if os.getppid() != plan["parent"]:
        sys.exit("the parent ended before its child began")
    os.execv(arguments[1], arguments[1:])  # noqa: S606  # replacing this program is its purpose


def become(uid: int, gid: int, *, reach: list[str], libc: ctypes.CDLL | None) -> None:
    """Change to the account for good, able to enter every folder of `reach`."""
    if libc is not None:
        call(libc.prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0))
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)
    closed = [folder for folder in reach if not os.access(folder, os.X_OK)]
    if closed and libc is None:
        sys.exit(f"account {uid} cannot enter {', '.join(closed)}")
    if libc is not None:
        keep_only({CAP_DAC_OVERRIDE} if closed else set(), libc)


def keep_only(capabilities: set[int], libc: ctypes.CDLL) -> None:
    """Keep these capabilities, through the coming execution too, and give up all others."""
    mask = sum(1 << capability for capability in capabilities)
    header = (ctypes.c_uint32 * 2)(LINUX_CAPABILITY_VERSION_3, 0)
    # effective, permitted, inheritable: first the low 32 bits of each, then the high ones
    sets = (ctypes.c_uint32 * 6)(mask, mask, mask, 0, 0, 0)
    call(libc.capset(header, sets))
    for capability in capabilities:
        call(libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0))


def call(result: int) -> None:
    """Raise the C library's error as an OSError."""
    if result != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except OSError as exc:
        sys.stderr.write(f"cannot start {sys.argv[2]}: {exc}\n")
        sys.exit(CANNOT_LAUNCH)
