"""email-poller as a process on a real mail server, Kafka and PostgreSQL, with everything going wrong."""

import asyncio
import time

import httpx
import pytest
from support.email_poller_rig import PASSWORD, world
from support.mails import mail as a_mail
from support.processes import ServiceProcess, free_port
from support.tcp_gate import tcp_gate

from posta.domain.envelope import header
from posta.domain.ids import email_event_id

pytestmark = pytest.mark.integration


@pytest.fixture
async def around(mail, kafka, topic_prefix, database_url, tmp_path):
    async with world(mail, kafka.bootstrap_servers, topic_prefix, database_url, tmp_path) as made:
        yield made


def asked(poller, path):
    return httpx.get(f"{poller.url}{path}", timeout=20)


async def no_more_than(around, count):
    """The records there are, after time enough for one too many to appear."""
    await asyncio.sleep(1)
    records = await around.kafka.read("email.received", count=count + 1, timeout_s=3)
    assert len(records) == count, f"{len(records)} records instead of {count}\n{around.tail()}"
    return records


async def test_what_is_unseen_at_first_contact_and_all_that_comes_later_is_taken_once(around):
    account = around.account
    account.append(a_mail(1), seen=True)
    unread = account.append(a_mail(2, "¿Cuánto cuesta el envío por favor?"))
    with around.poller() as poller:
        await around.events(1)
        account.send(a_mail(3, "What does it cost?"))
        account.append(a_mail(4), seen=True)
        events = {event.data.subject: event for event in await around.events(3)}
        around.until(lambda: account.unseen() == [])
        assert poller.terminate() == 0
    assert set(events) == {"Question 2", "Question 3", "Question 4"}
    first = events["Question 2"]
    assert first.id == email_event_id(
        account=account.address, mailbox="INBOX", uidvalidity=first.data.uidvalidity, uid=unread
    )
    assert (first.data.locale, events["Question 3"].data.locale) == ("es", "en")
    assert (first.data.sender.id, first.data.message_id) == ("ana@example.test", "<q2@example.test>")
    with around.poller():
        records = await no_more_than(around, 3)
    traces = {(header(r.headers, "traceparent") or "").split("-")[1] for r in records}
    assert len(traces) == 3
    rows = await around.sql("SELECT traceparent, event_value, state FROM mail_taken")
    assert {row["traceparent"] for row in rows} == {header(r.headers, "traceparent") for r in records}
    assert {(row["state"], row["event_value"]) for row in rows} == {("published", None)}
    assert PASSWORD not in around.log.read_text()


async def test_kafka_away_then_killed_before_anything_was_published(around):
    uids = [around.account.append(a_mail(n)) for n in range(3)]
    poller = around.unready(POSTA_KAFKA__BOOTSTRAP_SERVERS=f"127.0.0.1:{free_port()}")
    try:
        around.until(lambda: around.said("mail_taken") == 3)
        assert asked(poller, "/health/live").status_code == 200
        assert "kafka" in asked(poller, "/health/ready").json()["faults"]
        assert await around.states() == [("pending", None)] * 3
        assert around.account.unseen() == uids
        poller.kill()
    finally:
        poller.close()
    with around.poller():
        events = await around.events(3)
        records = await no_more_than(around, 3)
        around.until(lambda: around.account.unseen() == [])
    assert len({event.id for event in events}) == len(records) == 3


async def test_killed_between_the_confirmation_and_the_note_of_it_publishes_the_same_event_again(around):
    await around.sql(
        "CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN PERFORM pg_sleep(4); RAISE EXCEPTION 'held'; END $$"
    )
    await around.sql(
        "CREATE TRIGGER hold BEFORE UPDATE ON mail_taken FOR EACH ROW "
        "WHEN (new.state = 'published') EXECUTE FUNCTION hold()"
    )
    around.account.append(a_mail(1))
    with around.poller() as poller:
        await around.records(1)
        poller.kill()
    await around.sql("DROP TRIGGER hold ON mail_taken")
    assert await around.states() == [("pending", None)]
    with around.poller():
        await around.records(2)
        first, second = await no_more_than(around, 2)
    assert (first.key, first.value, first.headers) == (second.key, second.value, second.headers)
    assert header(first.headers, "ce_id") == header(second.headers, "ce_id")


async def test_two_pollers_on_one_mailbox_take_each_mail_once(around):
    first = ServiceProcess("email_poller", {**around.env, "POSTA_MAIL__POLL_INTERVAL_S": "0.1"}, around.log)
    second = ServiceProcess("email_poller", {**around.env, "POSTA_MAIL__POLL_INTERVAL_S": "0.1"}, around.log)
    try:
        for poller in (first, second):
            poller.start()
        for poller in (first, second):
            poller.wait_ready()
        for n in range(40):
            around.account.append(a_mail(n))
            if n == 20:
                first.kill()
        await around.events(40)
        await asyncio.sleep(1)
        records = await around.kafka.read("email.received", count=42, timeout_s=3)
    finally:
        first.close()
        second.close()
    assert len({header(r.headers, "ce_id") for r in records}) == 40
    # Records go one at a time: the one that Kafka had, and the killed poller had not noted, twice.
    assert len(records) <= 41


async def test_a_thread_keeps_its_order_on_one_partition(around):
    for n in range(12):
        around.account.append(a_mail(n, References=f"<root{n % 2}@example.test>"))
    with around.poller(POSTA_MAIL__BATCH="5"):
        records = await around.records(12)
    by_key: dict[bytes, list[int]] = {}
    partitions: dict[bytes, set[int]] = {}
    for record in sorted(records, key=lambda r: (r.partition, r.offset)):
        number = int(record.value.split(b"What is ")[1].split(b"?")[0])
        by_key.setdefault(record.key, []).append(number)
        partitions.setdefault(record.key, set()).add(record.partition)
    assert sorted(by_key.values()) == [[0, 2, 4, 6, 8, 10], [1, 3, 5, 7, 9, 11]]
    assert all(len(where) == 1 for where in partitions.values())


async def test_machines_are_ignored_and_left_unread_for_people(around):
    account = around.account
    await around.sql(
        "INSERT INTO delivery (event_id, medium, state, message_id) "
        "VALUES ('e', 'email', 'sent', '<sent-by-us@example.test>')"
    )
    machines = [
        account.append(a_mail(1, Auto_Submitted="auto-replied")),
        account.append(a_mail(2, List_Id="<l.example.test>")),
        account.append(a_mail(3, From=account.address)),
        account.append(a_mail(4, Message_ID="<sent-by-us@example.test>")),
        account.append(a_mail(5, "x" * 3000)),
        account.append(b"\xff\x00 no mail at all"),
        account.append(a_mail(6, Return_Path="<>")),
    ]
    account.append(a_mail(7))
    with around.poller(POSTA_MAIL__MAX_BYTES="2048") as poller:
        (event,) = await around.events(1)
        around.until(lambda: account.unseen() == machines)
        metrics = asked(poller, "/metrics").text
    assert event.data.subject == "Question 7"
    assert await around.states() == [
        ("ignored", "auto_submitted"),
        ("ignored", "mailing_list"),
        ("ignored", "own_address"),
        ("ignored", "sent_by_us"),
        ("ignored", "too_large"),
        ("ignored", "no_sender"),
        ("ignored", "null_return_path"),
        ("published", None),
    ]
    assert 'posta_mail_taken_total{outcome="ignored_auto_submitted"} 1.0' in metrics
    assert 'posta_mail_taken_total{outcome="taken"} 1.0' in metrics


async def test_one_sender_is_answered_only_so_often(around):
    for n in range(5):
        around.account.append(a_mail(n))
    around.account.append(a_mail(9, From="bob@example.test"))
    with around.poller(POSTA_MAIL__ANSWERS_PER_SENDER_PER_HOUR="3"):
        around.until(lambda: around.said("mail_published") == 4)
    assert [why for _, why in await around.states()] == [None, None, None, "sender_cap", "sender_cap", None]


async def test_a_renumbered_mailbox_is_scanned_again_without_a_double(around):
    account = around.account
    with account.client() as client:
        assert client.create("Questions")[0] == "OK"
    for n in (1, 2):
        account.append(a_mail(n), mailbox="Questions")
    with around.poller(POSTA_MAIL__MAILBOX="Questions") as poller:
        await around.events(2)
        around.until(lambda: account.unseen("Questions") == [])
        assert poller.terminate() == 0
    with account.client() as client:
        assert client.rename("Questions", "Old")[0] == "OK"
        await asyncio.sleep(1.1)  # the server counts UIDVALIDITY in seconds
        assert client.create("Questions")[0] == "OK"
    account.append(a_mail(1), mailbox="Questions", seen=True)
    account.append(a_mail(3), mailbox="Questions", seen=True)
    account.append(a_mail(2), mailbox="Questions")
    with around.poller(POSTA_MAIL__MAILBOX="Questions"):
        events = await around.events(3)
        account.append(a_mail(2), mailbox="Questions")
        assert around.said("mailbox_renumbered") == 1
        # After the scan an equal mail is one that was sent twice.
        events = await around.events(4)
        await no_more_than(around, 4)
    assert [event.data.subject for event in events].count("Question 3") == 1
    assert [why for _, why in await around.states()] == [None, None, "duplicate", None, "duplicate", None]


async def test_a_line_that_is_cut_or_silent_loses_and_doubles_nothing(around):
    with (
        tcp_gate("127.0.0.1", around.account.imap_port) as gate,
        around.poller(POSTA_MAIL__IMAP_PORT=str(gate.port), POSTA_MAIL__IMAP_TIMEOUT_S="1") as poller,
    ):
        for n in range(10):
            around.account.append(a_mail(n))
            gate.reset()
            await asyncio.sleep(0.1)
        gate.hang()
        around.account.append(a_mail(10))
        around.until(lambda: asked(poller, "/health/ready").status_code == 503)
        assert asked(poller, "/health/live").status_code == 200
        gate.pass_on()
        await around.events(11, timeout_s=40)
        records = await no_more_than(around, 11)
        poller.wait_ready()
    assert len({header(r.headers, "ce_id") for r in records}) == 11


async def test_sigterm_ends_it_in_time_even_while_the_server_is_silent(around):
    with (
        tcp_gate("127.0.0.1", around.account.imap_port) as gate,
        around.poller(
            POSTA_MAIL__IMAP_PORT=str(gate.port), POSTA_MAIL__IMAP_TIMEOUT_S="60", POSTA_SHUTDOWN__GRACE_S="4"
        ) as poller,
    ):
        gate.hang()
        await asyncio.sleep(0.5)
        started = time.monotonic()
        assert poller.terminate() == 0
        assert time.monotonic() - started < 4


async def test_sigterm_in_the_middle_of_a_full_mailbox_leaves_the_rest_for_the_next(around):
    for n in range(30):
        around.account.append(a_mail(n))
    poller = around.unready()
    try:
        around.until(lambda: around.said("mail_taken") >= 3)
        assert poller.terminate() == 0
    finally:
        poller.close()
    with around.poller():
        await around.events(30)
        records = await no_more_than(around, 30)
    assert len({header(r.headers, "ce_id") for r in records}) == 30


async def test_a_wrong_password_is_said_once_and_makes_it_unready_but_not_dead(around):
    poller = around.unready(POSTA_MAIL__PASSWORD="guessed wrong")
    try:
        around.until(lambda: around.said("mailbox_refused") == 1)
        answer = asked(poller, "/health/ready")
        assert answer.status_code == 503
        assert "mailbox" in answer.json()["faults"]
        assert asked(poller, "/health/live").status_code == 200
        assert poller.terminate() == 0
    finally:
        poller.close()
    assert "guessed wrong" not in around.log.read_text()


async def test_a_missing_variable_stops_it_before_anything_connects(around):
    poller = around.unready(POSTA_MAIL__ADDRESS="")
    assert poller.wait(20) == 78
    assert "POSTA_MAIL__ADDRESS" in around.tail()


async def test_mails_are_left_unread_where_that_is_wanted(around):
    around.account.append(a_mail(1))
    with around.poller(POSTA_MAIL__MARK_SEEN="false"):
        await around.events(1)
        await no_more_than(around, 1)
    assert len(around.account.unseen()) == 1
