from posta_sandbox.embedded.kafka_config import cluster_id, server_properties


def test_every_listener_is_on_loopback():
    text = server_properties(port=1, controllers={1: 2})
    addresses = [line for line in text.splitlines() if "://" in line]
    assert addresses
    assert all("://127.0.0.1:" in line for line in addresses)


def test_topics_are_never_created_by_accident():
    assert "auto.create.topics.enable=false\n" in server_properties(port=1, controllers={1: 2})


def test_cluster_ids_have_the_length_and_beginning_that_kafka_wants():
    ids = {cluster_id() for _ in range(200)}
    assert len(ids) == 200
    assert all(len(text) == 22 and not text.startswith("-") for text in ids)


def test_a_single_node_keeps_everything_once():
    text = server_properties(port=1, controllers={1: 2})
    assert "min.insync.replicas=1\n" in text
    assert "\noffsets.topic.replication.factor=1\n" in text


def test_of_three_nodes_each_knows_all_and_two_must_have_a_write():
    text = server_properties(port=7, controllers={3: 13, 1: 11, 2: 12}, node_id=2)
    assert "node.id=2\n" in text
    assert "controller.quorum.voters=1@127.0.0.1:11,2@127.0.0.1:12,3@127.0.0.1:13\n" in text
    assert "listeners=PLAINTEXT://127.0.0.1:7,CONTROLLER://127.0.0.1:12\n" in text
    assert "\nmin.insync.replicas=2\n" in text
    assert "\noffsets.topic.replication.factor=3\n" in text
    assert "\ntransaction.state.log.min.isr=2\n" in text
