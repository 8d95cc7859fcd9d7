"""The records a scenario feeds: the same every time, spread as they say."""

from collections import Counter

import pytest
from aiokafka.partitioner import DefaultPartitioner

from posta.domain.envelope import decode
from posta_cli.bench.load import HOT_KEY, Keys, Load, ends, items


def keys_of(load: Load) -> Counter[bytes]:
    return Counter(item.key for item in items(load, 8))


def test_even_keys_have_equal_shares():
    assert set(keys_of(Load(records=2560)).values()) == {10}


def test_the_hot_key_has_half():
    assert keys_of(Load(records=2000, keys=Keys.HOT))[HOT_KEY] == 1000


def test_zipf_gives_the_first_key_twice_the_share_of_the_second():
    found = keys_of(Load(records=50_000, keys=Keys.ZIPF))
    assert found.most_common(1)[0][0] == HOT_KEY
    assert found[HOT_KEY] / found[b"k1"] == pytest.approx(2, rel=0.1)


@pytest.mark.parametrize("keys", [Keys.HOT, Keys.ZIPF])
def test_without_the_hot_key_the_others_come_as_before(keys):
    load = Load(records=4000, keys=keys)
    without = Load(records=4000, keys=keys, without_hot=True)
    others = [item for item in items(load, 8) if item.key != HOT_KEY]
    assert list(items(without, 8)) == others


def test_a_load_is_the_same_every_time():
    load = Load(records=500, keys=Keys.ZIPF, events=True)
    assert list(items(load, 8)) == list(items(load, 8))


def test_a_key_lies_where_kafkas_own_partitioner_puts_it():
    every = list(range(8))
    for item in items(Load(records=256), 8):
        assert item.partition == DefaultPartitioner()(item.key, every, every)


def test_the_ends_count_every_record_of_its_partition():
    load = Load(records=1000)
    assert sum(ends(load, 8)) == 1000
    assert ends(load, 8)[0] == sum(item.partition == 0 for item in items(load, 8))


def test_an_events_record_is_decoded_and_has_the_asked_size_and_a_trace_not_sampled():
    item = next(items(Load(records=1, events=True, value_bytes=300), 8))
    assert len(item.value) == 300
    assert decode(key=item.key, value=item.value, headers=item.headers).data.client_id == "event-0"
    assert dict(item.headers)["traceparent"].endswith(b"-00")
