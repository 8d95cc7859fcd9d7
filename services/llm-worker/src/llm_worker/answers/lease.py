"""Keeps a claim alive while its call runs, and lets go of it if no answer came out of it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from llm_worker.answers.claims import Answers, Claim
from llm_worker.spending.call import Tab
from posta.errors import Transient
from posta.tasks import end
from posta.telemetry.logs import get_logger

log = get_logger(__name__)
_RELEASE_S = 2.0


@asynccontextmanager
async def renewed(
    answers: Answers, claim: Claim, *, every_s: float, tab: Tab | None = None
) -> AsyncIterator[None]:
    """Renew ``claim`` each ``every_s`` seconds during the block; release it when the block raises.

    What the calls of ``tab`` came to goes with the release. A store that is away does not end the block:
    its call is paid for and may still be kept.
    """
    renewing: list[asyncio.Task[None]] = []

    def begin() -> None:
        renewing.append(asyncio.create_task(_renew(answers, claim, every_s), name=f"lease {claim.event_id}"))

    # Most calls are over before the first renewal: a timer costs them a twentieth of a task.
    timer = asyncio.get_running_loop().call_later(every_s, begin)
    try:
        yield
    except BaseException:
        timer.cancel()
        for task in renewing:
            task.cancel()
        await asyncio.shield(_release(answers, claim, tab or Tab()))
        raise
    finally:
        timer.cancel()
        await end(*renewing)


async def _renew(answers: Answers, claim: Claim, every_s: float) -> None:
    while True:
        try:
            if not await answers.renew(claim):
                break
        except Transient as exc:
            log.warning("lease_not_renewed", event_id=claim.event_id, reason=str(exc))
        except Exception:
            log.exception("lease_renewal_broken", event_id=claim.event_id)
        await asyncio.sleep(every_s)
    log.warning("claim_taken_over", event_id=claim.event_id, fence=claim.fence)


async def _release(answers: Answers, claim: Claim, tab: Tab) -> None:
    ended = tab.close()
    try:
        async with asyncio.timeout(_RELEASE_S):
            await answers.release(claim, ended=ended)
        tab.clear(ended)
    except (Transient, TimeoutError) as exc:
        # Nothing is lost: the lease ends by itself.
        log.warning("claim_not_released", event_id=claim.event_id, reason=type(exc).__name__)
