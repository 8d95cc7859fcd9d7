import socket
from collections.abc import Callable, Iterator
from itertools import count

import pytest

from posta_cli.errors import PortTakenError
from posta_cli.ports import choose, owner_of
from posta_sandbox.embedded.ports import is_free


def counting() -> Callable[[frozenset[int]], int]:
    numbers: Iterator[int] = count(20_000)
    return lambda avoid: next(number for number in numbers if number not in avoid)


def test_a_port_is_the_one_asked_for_else_the_last_one_else_a_free_one() -> None:
    chosen = choose(
        ["ingress", "kafka", "sandbox"],
        {"POSTA_INGRESS_PORT": "8080"},
        {"ingress": 21_111, "kafka": 21_112},
        is_free=lambda _: True,
        free_port=counting(),
    )
    assert chosen == {"ingress": 8080, "kafka": 21_112, "sandbox": 20_000}


def test_the_last_port_is_left_when_somebody_took_it() -> None:
    chosen = choose(
        ["kafka"], {}, {"kafka": 21_112}, is_free=lambda port: port != 21_112, free_port=counting()
    )
    assert chosen == {"kafka": 20_000}


def test_two_listeners_never_share_a_port() -> None:
    kept = {"kafka": 21_000, "ingress": 21_000}
    chosen = choose(["kafka", "ingress"], {}, kept, is_free=lambda _: True, free_port=counting())
    assert len(set(chosen.values())) == 2


@pytest.mark.parametrize("text", ["0", "65536", "-1", "http", "80.5"])
def test_what_is_no_port_is_refused_with_its_variable(text: str) -> None:
    with pytest.raises(PortTakenError, match=f"POSTA_INGRESS_PORT={text} is no TCP port"):
        choose(
            ["ingress"],
            {"POSTA_INGRESS_PORT": text},
            {},
            is_free=lambda _: True,
            free_port=counting(),
        )


def test_a_port_asked_for_twice_is_refused() -> None:
    given = {"POSTA_INGRESS_PORT": "8080", "POSTA_NOTIFIER_PORT": "8080"}
    with pytest.raises(PortTakenError, match="asked for twice"):
        choose(["ingress", "notifier"], given, {}, is_free=lambda _: True, free_port=counting())


def test_a_port_in_use_is_refused_with_its_variable_and_its_owner() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert "pid" in owner_of(port)
        with pytest.raises(PortTakenError, match=rf"Port {port} \(POSTA_INGRESS_PORT\) is in use"):
            choose(
                ["ingress"],
                {"POSTA_INGRESS_PORT": str(port)},
                {},
                is_free=is_free,
                free_port=counting(),
            )
