import pytest

from posta_cli.supervisor.document import ServerStatus, ServiceStatus, document, human, masked

SERVER = ServerStatus(embedded=True, pid=7, ready=True, restarts=0)
SECRET_URL = "postgresql://posta:very-secret@127.0.0.1:5432/posta"


def service(*, ready: bool = True, restarts: int = 0) -> ServiceStatus:
    return ServiceStatus(url="http://127.0.0.1:1", pid=9, ready=ready, restarts=restarts, phase="ready")


def a_document(**changes: object) -> dict[str, object]:
    parts: dict[str, object] = {
        "services": {"ingress": service()},
        "kafka": SERVER,
        "bootstrap_servers": "127.0.0.1:9092",
        "database": SERVER,
        "database_url": SECRET_URL,
        "sandbox": {"url": "http://127.0.0.1:2", "ready": True, "pid": 5, "restarts": 0},
        "mail": SERVER,
        "credentials": {"admin_key": "posta_topsecret"},
        "about": {"version": "1", "home": "/h", "pid": 1},
    }
    return document(**(parts | changes))  # type: ignore[arg-type]  # the table varies each part


def test_the_document_names_what_scripts_and_tests_need() -> None:
    status = a_document()
    assert status["ready"] is True
    assert status["services"]["ingress"] == {  # type: ignore[index]
        "url": "http://127.0.0.1:1",
        "pid": 9,
        "ready": True,
        "restarts": 0,
        "phase": "ready",
    }
    assert status["kafka"]["bootstrap_servers"] == "127.0.0.1:9092"  # type: ignore[index]
    assert status["database"]["url"] == SECRET_URL  # type: ignore[index]


DOWN = ServerStatus(embedded=True, pid=None, ready=False, restarts=1)


@pytest.mark.parametrize(
    "changes",
    [
        {"services": {"ingress": service(), "notifier": service(ready=False)}},
        {"services": {}},
        {"kafka": DOWN},
        {"database": DOWN},
        {"mail": DOWN},
        {"sandbox": {"url": "u", "ready": False, "pid": None, "restarts": 0}},
    ],
    ids=["a service", "no services", "kafka", "database", "mail", "sandbox"],
)
def test_the_system_is_ready_only_when_all_of_it_is(changes: dict[str, object]) -> None:
    assert a_document(**changes)["ready"] is False


def test_a_system_without_a_sandbox_can_be_ready() -> None:
    assert a_document(sandbox=None, mail=None)["ready"] is True


def test_what_a_person_reads_shows_no_password_and_no_key() -> None:
    text = "\n".join(human(a_document()))
    assert "very-secret" not in text
    assert "topsecret" not in text
    assert "posta:***@127.0.0.1:5432" in text


def test_what_a_person_reads_says_what_is_not_ready_and_what_died() -> None:
    lines = human(a_document(services={"notifier": service(ready=False, restarts=3)}))
    line = next(line for line in lines if "notifier" in line)
    assert "not ready" in line
    assert "restarted 3x" in line


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (SECRET_URL, "postgresql://posta:***@127.0.0.1:5432/posta"),
        ("postgresql://127.0.0.1/posta", "postgresql://127.0.0.1/posta"),
        ("postgresql://u:p%40ss@h/d?sslmode=require", "postgresql://u:***@h/d?sslmode=require"),
    ],
)
def test_a_password_is_masked_and_the_rest_stays(url: str, expected: str) -> None:
    assert masked(url) == expected
