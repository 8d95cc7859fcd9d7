"""The declaration of topics: names unique, every group closed over its own topics."""

from posta.topics import DLQ_ADMIN, GROUPS, LLM_WORKER, NOTIFIER, all_topics


def test_names_are_unique_and_legal():
    names = [topic.name for topic in all_topics()]
    assert len(names) == len(set(names))
    assert all(set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789.-") for name in names)


def test_each_group_has_its_lanes_and_its_dlq():
    assert [lane.name for lane in LLM_WORKER.lanes] == [
        f"llm-worker.retry.{label}" for label in ("5s", "30s", "2m", "10m", "1h")
    ]
    assert NOTIFIER.dlq.name == "notifier.dlq"


def test_every_dead_letter_topic_is_read_by_the_console_and_it_has_none_itself():
    assert {topic.name for topic in DLQ_ADMIN.reads} == {
        group.dlq.name for group in GROUPS if group.lane_delays_s
    }
    assert DLQ_ADMIN.dlq.name not in {topic.name for topic in all_topics()}


def test_what_a_group_reads_is_declared_as_read_by_it():
    for group in GROUPS:
        assert all(group.name in topic.read_by for topic in group.reads)


def test_a_waiting_record_outlives_its_lane():
    for group in GROUPS:
        for lane, delay in zip(group.lanes, group.lane_delays_s, strict=True):
            assert lane.retention_s > delay + 6 * 86_400
