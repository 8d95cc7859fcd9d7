"""The whole of Discord's limits at once: 20 webhooks, 10 000 messages, two notifiers."""

import pytest
from support.notifier_rig import notifier_world
from support.pace import run_paced
from support.sandbox_server import sandbox_server

pytestmark = [pytest.mark.integration, pytest.mark.chaos]


async def test_ten_thousand_messages_use_what_is_allowed_and_are_never_refused(
    kafka, topic_prefix, database_url, tmp_path
):
    with sandbox_server() as sandbox:
        async with notifier_world(
            kafka.bootstrap_servers, topic_prefix, database_url, sandbox, tmp_path
        ) as world:
            rules = sandbox.world.discord.rules
            rules.webhook_limit, rules.webhook_window_s, rules.global_limit = 5, 2.0, 50
            pace = await run_paced(
                world,
                webhooks=20,
                messages=10_000,
                allowed_per_s=50,
                warm_up_s=5,
                logs=tmp_path,
                within_s=300,
            )
    print(
        f"{pace.calls} calls, {pace.refused} refused, {pace.used:.1%} of the allowed rate,"
        f" {pace.furthest_from_fair:.1%} from fair, {pace.call_s * 1000:.0f} ms a call"
    )
    assert pace.refused == 0
    assert pace.used >= 0.95
    assert pace.furthest_from_fair <= 0.10
