"""What others answer, read without taking more of it into memory than was meant.

Who calls sends ``PLAIN``, looks for ``compression_of``, and reads with ``read_at_most``: a few kilobytes
that are compressed may come to gigabytes, and httpx takes them apart before anybody can count.
"""

import re
from collections.abc import Mapping

import httpx

PLAIN: Mapping[str, str] = {"accept-encoding": "identity"}
"""The header that asks for an answer as it is."""
_NAME = re.compile(r"[a-z0-9._, -]{1,40}")


def compression_of(response: httpx.Response) -> str | None:
    """How the answer is compressed although ``PLAIN`` was sent, fit to be shown; None when it is not."""
    encoding = response.headers.get("content-encoding", "").strip().lower()
    if encoding in {"", "identity"}:
        return None
    return encoding if _NAME.fullmatch(encoding) else "an unknown way"


async def read_at_most(response: httpx.Response, most_bytes: int) -> bytes:
    """The body of a streamed answer, cut off after ``most_bytes`` + 1 bytes: longer than that is too long."""
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > most_bytes:
            break
    return bytes(body[: most_bytes + 1])
