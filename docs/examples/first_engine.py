"""A consumer in fifty lines: greets each name in order of its key, and retries the shy ones.

Run it against the Kafka of a running Posta (see docs/engine.md):

    POSTA_KAFKA__BOOTSTRAP_SERVERS=127.0.0.1:… .venv/bin/python docs/examples/first_engine.py
"""

import asyncio
from datetime import UTC, datetime
from typing import Any

from posta.domain.envelope import Event, encode
from posta.domain.payloads import EventPublished
from posta.domain.retry import RetryPolicy
from posta.engine.engine import Engine
from posta.engine.message import Message, Publish
from posta.engine.policy import EnginePolicy
from posta.errors import Permanent, Transient
from posta.kafka.producer import Producer
from posta.kafka.topics import apply
from posta.settings import ServiceSettings, load
from posta.topics import Group, Topic

NAMES = Topic(name="example.names", key="a family", written_by=("example",), read_by=("greeter",))
GREETER = Group(name="greeter", reads=(NAMES,), lane_delays_s=(5, 30))


async def greet(message: Message[Any]) -> list[Publish]:
    """One event in, what to publish out; an exception says what becomes of the record."""
    name = message.event.data.data["name"]
    if name == "Bo" and message.attempt == 1:
        raise Transient("Bo is shy", retry_after_s=1)  # again in a second, holding only Bo's family
    if not name:
        raise Permanent("nobody is there to greet")  # a dead letter in greeter.dlq, at once
    print(f"Hello {name} of {message.event.key}! (attempt {message.attempt})", flush=True)
    return []


def a_name(number: int, family: str, name: str) -> Event[EventPublished]:
    """The event that a person arrived."""
    now = datetime.now(UTC)
    data = EventPublished(
        destination="example",
        publisher="example",
        client_id=str(number),
        client_type="person.arrived",
        client_source="/example",
        occurred_at=now.isoformat(),
        data={"name": name},
    )
    return Event(id=f"example:{number}", source="/example", time=now, key=family, data=data)


async def main() -> None:
    """Make the topics, write six names, and consume for a few seconds."""
    kafka = load(ServiceSettings).kafka
    await apply(kafka, (NAMES, *GREETER.lanes, GREETER.dlq))
    arrivals = [
        ("Abbott", "Al"),
        ("Bell", "Bo"),
        ("Bell", "Bea"),
        ("Cole", ""),
        ("Cole", "Cy"),
        ("Abbott", "Ann"),
    ]
    async with Producer(kafka, client_id="example") as producer:
        wires = [encode(a_name(number, *arrival)) for number, arrival in enumerate(arrivals)]
        await producer.publish(NAMES.name, wires, timeout_s=10)
        policy = EnginePolicy(retry=RetryPolicy(max_attempts=3), concurrency=8)
        engine = Engine(GREETER, greet, kafka=kafka, producer=producer, policy=policy)
        stop = asyncio.Event()
        asyncio.get_running_loop().call_later(6, stop.set)
        await engine.run(stop)


if __name__ == "__main__":
    asyncio.run(main())
