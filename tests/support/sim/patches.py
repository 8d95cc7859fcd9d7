"""Puts the simulation under Posta: whoever holds one of aiokafka's clients gets the in-memory one.

It looks for the classes themselves and not for module names, so that it holds wherever the engine
keeps its adapters.
"""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any
from unittest.mock import patch

import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from structlog.testing import LogCapture
from support.sim.cluster import Cluster
from support.sim.consumer import SimConsumer
from support.sim.loop import SimLoop
from support.sim.producer import SimAdmin, SimProducer


def everywhere(old: Any, new: Any) -> list[Any]:
    """Patches that put ``new`` where any loaded module of Posta holds ``old``; not yet started."""
    modules = [module for name, module in list(sys.modules.items()) if name.startswith("posta.") and module]
    return [
        patch.object(module, name, new)
        for module in modules
        for name, value in list(vars(module).items())
        if value is old
    ]


@contextmanager
def simulated(loop: SimLoop, cluster: Cluster) -> Iterator[list[dict[str, Any]]]:
    """Posta's Kafka is ``cluster`` and its monotonic clock the loop's; yields what is logged meanwhile."""
    logged = LogCapture()
    before = structlog.get_config()["processors"]
    patches = [
        *everywhere(AIOKafkaConsumer, partial(SimConsumer, cluster)),
        *everywhere(AIOKafkaProducer, partial(SimProducer, cluster)),
        *everywhere(AIOKafkaAdminClient, partial(SimAdmin, cluster)),
        patch.object(time, "monotonic", loop.time),
    ]
    structlog.configure(processors=[logged])
    for one in patches:
        one.start()
    try:
        yield logged.entries
    finally:
        for one in reversed(patches):
            one.stop()
        structlog.configure(processors=before)
