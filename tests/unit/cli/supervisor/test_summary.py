from posta_cli.supervisor.summary import summary

STATUS = {
    "home": "/h/.posta",
    "services": {"ingress": {"url": "http://i"}, "dlq-admin": {"url": "http://d"}},
    "sandbox": {"url": "http://s", "smtp": "127.0.0.1:25", "mail_address": "posta@posta.test"},
    "credentials": {"scripts_key": "posta_s", "admin_key": "posta_a"},
}


def test_a_person_learns_what_to_open_what_to_paste_and_how_to_stop() -> None:
    text = "\n".join(summary(STATUS, stop_with="Ctrl-C"))
    for expected in ("http://s", "posta@posta.test", "http://d", "posta_a", "Ctrl-C"):
        assert expected in text
    assert "curl -sS http://i/v1/events" in text
    assert "Bearer posta_s'" in text


def test_own_keys_are_left_to_the_person_to_fill_in() -> None:
    text = "\n".join(summary({**STATUS, "credentials": {}, "sandbox": None}, stop_with="Ctrl-C"))
    assert "$POSTA_API_KEY" in text
    assert "http://s" not in text
