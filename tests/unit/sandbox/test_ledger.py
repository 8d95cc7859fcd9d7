from posta_sandbox import ledger as module
from posta_sandbox.ledger import Ledger
from posta_sandbox.masking import masked_headers, masked_text


def test_services_do_not_push_each_other_out_of_the_ledger(monkeypatch):
    monkeypatch.setattr(module, "CALLS_KEPT_PER_SERVICE", 3)
    ledger = Ledger(lambda: 0.0)
    ledger.record("discord", "POST", "/kept", b"")
    for _ in range(10):
        ledger.record("imap", "NOOP", "", b"")
    assert [c.path for c in ledger.calls("discord")] == ["/kept"]
    assert len(ledger.calls("imap")) == 3
    assert [c.id for c in ledger.calls()] == [1, 9, 10, 11]


def test_only_the_newest_calls_keep_their_bodies_and_all_keep_their_hash(monkeypatch):
    monkeypatch.setattr(module, "RECENT_BODIES_KEPT", 1)
    ledger = Ledger(lambda: 0.0)
    first = ledger.record("llm", "POST", "/", b"one")
    second = ledger.record("llm", "POST", "/", b"two")
    assert (first.detail()["kept"], second.detail()["kept"]) == (False, True)
    assert len(first.body_sha256) == 64


def test_calls_can_be_read_on_from_the_last_one_seen():
    ledger = Ledger(lambda: 0.0)
    for _ in range(5):
        ledger.record("llm", "POST", "/", b"")
    assert [c.id for c in ledger.calls(after=3)] == [4, 5]
    assert [c.id for c in ledger.calls(limit=2)] == [4, 5]


def test_secrets_are_masked_in_paths_bodies_and_headers():
    path = "/api/v10/webhooks/123/se-cr_et/messages/@original?wait=true"
    assert masked_text(path) == "/api/v10/webhooks/123/***/messages/@original?wait=true"
    assert masked_text("/interactions/1/tok/callback") == "/interactions/1/***/callback"
    assert masked_text('{"token": "abc", "id": "1"}') == '{"token": "***", "id": "1"}'
    shown = masked_headers([("Authorization", "Bearer sk-1"), ("Accept", "*/*")])
    assert shown == [["Authorization", "***"], ["Accept", "*/*"]]
