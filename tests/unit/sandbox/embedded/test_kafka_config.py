from posta_sandbox.embedded.kafka_config import cluster_id, server_properties


def test_every_listener_is_on_loopback():
    text = server_properties(port=1, controller_port=2)
    addresses = [line for line in text.splitlines() if "://" in line]
    assert addresses
    assert all("://127.0.0.1:" in line for line in addresses)


def test_topics_are_never_created_by_accident():
    assert "auto.create.topics.enable=false\n" in server_properties(port=1, controller_port=2)


def test_cluster_ids_have_the_length_and_beginning_that_kafka_wants():
    ids = {cluster_id() for _ in range(200)}
    assert len(ids) == 200
    assert all(len(text) == 22 and not text.startswith("-") for text in ids)
