"""What every store of claims and answers must do: one suite for the fake and for PostgreSQL."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from support.turns import new_turn

from llm_worker.answers.claims import Answer, Answered, Answers, Busy, Claim, Notes, Stored

ANSWER = Answer(text="Because.", model="m", tokens_in=5, tokens_out=2)
LEASE_S = 0.6


@dataclass(frozen=True, slots=True, kw_only=True)
class Stores:
    """The same table as several processes see it, and a way to let time pass for all of them."""

    of: Callable[[str], Answers]
    """The store of the process of that name."""
    sleep: Callable[[float], Awaitable[None]]


async def claimed(store: Answers, event_id: str = "e") -> Claim:
    """The claim, which must be had."""
    claim = await store.claim(event_id)
    assert isinstance(claim, Claim), claim
    return claim


class AnswersContract:
    """Collected by the classes that inherit it and provide the fixture ``stores``."""

    async def test_the_first_claim_is_had_and_counts_a_call(self, stores):
        claim = await claimed(stores.of("a"))
        assert (claim.event_id, claim.calls) == ("e", 1)

    async def test_a_claim_of_another_event_is_another_claim(self, stores):
        await claimed(stores.of("a"), "e1")
        assert (await claimed(stores.of("b"), "e2")).calls == 1

    async def test_a_stored_answer_is_found_by_everyone_whole(self, stores):
        claim = await claimed(stores.of("a"))
        assert await stores.of("a").store(claim, ANSWER)
        for owner in ("a", "b"):
            assert await stores.of(owner).claim("e") == Answered(answer=ANSWER)

    async def test_an_answer_without_token_counts_is_kept_too(self, stores):
        bare = Answer(text="¡Porque sí! 👩‍👩‍👧", model="m")
        await stores.of("a").store(await claimed(stores.of("a")), bare)
        assert await stores.of("b").claim("e") == Answered(answer=bare)

    async def test_storing_again_is_safe(self, stores):
        claim = await claimed(stores.of("a"))
        assert await stores.of("a").store(claim, ANSWER)
        assert await stores.of("a").store(claim, ANSWER)

    async def test_the_turn_is_remembered_with_the_answer_once_however_often_it_is_stored(self, stores):
        for number in (1, 2):
            notes = Notes(turn=new_turn("c", number, tokens=30))
            claim = await claimed(stores.of("a"), notes.turn.event_id)
            for _ in range(2):
                stored = await stores.of("a").store(claim, ANSWER, notes=notes)
                assert stored == Stored(open_tokens=30 * number)

    async def test_without_notes_nothing_is_said_of_the_conversation(self, stores):
        assert await stores.of("a").store(await claimed(stores.of("a")), ANSWER) == Stored()

    async def test_whoever_lost_the_claim_adds_no_turn(self, stores):
        old, turn = await claimed(stores.of("a"), "c/1"), new_turn("c", 1)
        new = await claimed(stores.of("a"), "c/1")
        late = Notes(turn=replace(turn, tokens=1000))
        assert await stores.of("a").store(old, ANSWER, notes=late) is None
        assert await stores.of("a").store(new, ANSWER, notes=Notes(turn=turn)) == Stored(open_tokens=30)

    async def test_a_live_claim_keeps_others_out_and_says_for_how_long(self, stores):
        await claimed(stores.of("a"))
        busy = await stores.of("b").claim("e")
        assert isinstance(busy, Busy)
        assert 0 < busy.lease_left_s <= LEASE_S

    async def test_an_owner_takes_its_own_claim_over_at_once(self, stores):
        first = await claimed(stores.of("a"))
        second = await claimed(stores.of("a"))
        assert second.fence > first.fence
        assert second.calls == 2

    async def test_a_lease_that_ended_is_taken_over(self, stores):
        first = await claimed(stores.of("a"))
        await stores.sleep(LEASE_S + 0.05)
        second = await claimed(stores.of("b"))
        assert second.fence > first.fence
        assert second.calls == 2

    async def test_a_renewed_lease_lasts(self, stores):
        claim = await claimed(stores.of("a"))
        await stores.sleep(LEASE_S * 0.7)
        assert await stores.of("a").renew(claim)
        await stores.sleep(LEASE_S * 0.7)
        assert isinstance(await stores.of("b").claim("e"), Busy)

    async def test_a_released_claim_is_free_at_once(self, stores):
        await stores.of("a").release(await claimed(stores.of("a")))
        assert (await claimed(stores.of("b"))).calls == 2

    async def test_a_zombie_can_neither_renew_nor_store(self, stores):
        old = await claimed(stores.of("a"))
        await stores.sleep(LEASE_S + 0.05)
        new = await claimed(stores.of("b"))
        assert not await stores.of("a").renew(old)
        assert not await stores.of("a").store(old, Answer(text="Late.", model="m"))
        assert await stores.of("b").store(new, ANSWER)
        assert not await stores.of("a").store(old, Answer(text="Late.", model="m"))
        assert await stores.of("a").claim("e") == Answered(answer=ANSWER)

    async def test_a_zombies_release_does_not_free_the_heirs_claim(self, stores):
        old = await claimed(stores.of("a"))
        await stores.sleep(LEASE_S + 0.05)
        await claimed(stores.of("b"))
        await stores.of("a").release(old)
        assert isinstance(await stores.of("c").claim("e"), Busy)

    async def test_the_older_claim_of_the_same_owner_loses_too(self, stores):
        old = await claimed(stores.of("a"))
        await claimed(stores.of("a"))
        assert not await stores.of("a").store(old, ANSWER)

    async def test_an_answer_cannot_be_renewed_or_released_away(self, stores):
        claim = await claimed(stores.of("a"))
        await stores.of("a").store(claim, ANSWER)
        assert not await stores.of("a").renew(claim)
        await stores.of("a").release(claim)
        assert await stores.of("b").claim("e") == Answered(answer=ANSWER)
