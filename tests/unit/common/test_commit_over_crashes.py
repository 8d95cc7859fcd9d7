"""Watermark and commit metadata over crashes: what one owner finished, the next does not do again."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from posta.domain.commit_metadata import decode, encode
from posta.domain.watermark import Watermark


class Owners(RuleBasedStateMachine):
    """One partition and its owners one after another, beside a model of sets."""

    def __init__(self):
        super().__init__()
        self.log: list[int] = []
        self.end = 0
        self.done: set[int] = set()
        self.commit_mark, self.commit_text = 0, ""
        self.named: set[int] = set()
        self.take_over()

    def take_over(self):
        """A new owner knows nothing but the commit."""
        self.watermark = Watermark()
        self.position = self.commit_mark
        self.restored = decode(self.commit_mark, self.commit_text)
        self.running: set[int] = set()

    @rule(skip=st.integers(0, 2), count=st.integers(1, 5))
    def append(self, skip, count):
        self.end += skip
        for _ in range(count):
            self.log.append(self.end)
            self.end += 1

    @rule(most=st.integers(1, 4))
    def fetch(self, most):
        for offset in [o for o in self.log if o >= self.position][:most]:
            self.position = offset + 1
            self.watermark.received(offset)
            if offset in self.restored:
                self.watermark.finished(offset)
            else:
                assert offset not in self.named, "what a commit named is not done again"
                self.running.add(offset)

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def finish(self, data):
        offset = data.draw(st.sampled_from(sorted(self.running)))
        self.running.remove(offset)
        self.watermark.finished(offset)
        self.done.add(offset)

    @rule(max_bytes=st.sampled_from([4096, 4096, 12, 5]))
    def commit(self, max_bytes):
        mark = self.watermark.committable
        if mark is None:
            return
        text = encode(mark, self.watermark.finished_above | self.restored, max_bytes=max_bytes)
        assert len(text) <= max_bytes
        assert mark >= self.commit_mark, "never backwards"
        self.commit_mark, self.commit_text = mark, text
        self.named = {o for o in self.log if o < mark} | set(decode(mark, text))

    @rule()
    def lose_the_partition(self):
        self.take_over()

    @invariant()
    def only_what_is_done_is_named(self):
        assert self.named <= self.done
        assert all(o in self.done for o in self.log if o < self.commit_mark)

    @invariant()
    def a_roomy_commit_would_name_all_that_is_done_here(self):
        mark = self.watermark.committable
        if mark is not None:
            text = encode(mark, self.watermark.finished_above)
            assert decode(mark, text) == self.watermark.finished_above

    def teardown(self):
        while self.running or any(o >= self.position for o in self.log):
            self.fetch(100)
            self.done |= self.running
            for offset in sorted(self.running, reverse=True):
                self.watermark.finished(offset)
            self.running.clear()
        assert self.done >= set(self.log), "every record is done by somebody"
        if self.watermark.committable is not None:
            assert self.watermark.committable == max(self.log) + 1, "all can be committed"


Owners.TestCase.settings = settings(max_examples=50, stateful_step_count=40, deadline=None)
TestOwners = Owners.TestCase
