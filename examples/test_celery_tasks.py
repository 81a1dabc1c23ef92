"""Celery on a Redis that fails: tasks that are tried again, and a broker that resets while a worker waits.

A worker runs in a thread, with the broker and the result backend on one server.
"""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator

import celery.exceptions  # type: ignore[import-untyped]
import kombu.exceptions
import pytest
import redis
import requests
from celery import Celery, Task
from celery.contrib.testing.worker import start_worker  # type: ignore[import-untyped]

from pytest_netmocks import HttpServer, RedisServer
from pytest_netmocks.faults import Answer, Reset

# Of Celery and kombu, which are not what is tested here.
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning"),
    pytest.mark.filterwarnings("ignore::celery.exceptions.CPendingDeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.*:celery.exceptions.DuplicateTaskNameWarning"),
]

# tasks.py of "First Steps with Celery", as it is written there

app = Celery("tasks", backend="redis://localhost", broker="redis://localhost:6379/0")


@app.task
def add(x, y):  # type: ignore[no-untyped-def]
    return x + y


@contextlib.contextmanager
def worker(app: Celery) -> Iterator[None]:
    """A worker in a thread, which is there when the block begins."""
    with start_worker(app, perform_ping_check=False, pool="solo", shutdown_timeout=60):
        yield


def waits(server: RedisServer) -> bool:
    """Whether the worker waits for tasks."""
    return server.requests[-1].command == "BRPOP" and not server.requests[-1].reply


def test_first_steps_with_celery(redis_server: RedisServer) -> None:
    app.conf.update(broker_url=redis_server.url, result_backend=redis_server.url)
    with worker(app):
        result = add.delay(4, 4)
        assert result.get(timeout=10) == 8
        assert result.ready()
    assert redis_server.data[f"celery-task-meta-{result.id}"].startswith(b'{"status": "SUCCESS", "result": 8')


@pytest.fixture
def shop(redis_server: RedisServer) -> Iterator[Celery]:
    """An application of its own, which gives up soon where it sends."""
    shop = Celery("shop", broker=redis_server.url, backend=redis_server.url, set_as_current=False)
    shop.conf.update(
        task_publish_retry_policy={"max_retries": 2, "interval_start": 0, "interval_step": 0.1},
        broker_connection_retry_on_startup=True,
    )
    yield shop
    shop.close()
    gc.collect()  # a result says good-bye to its server, which is there still


def test_a_task_whose_service_fails_is_tried_again(
    redis_server: RedisServer, http_server: HttpServer, shop: Celery
) -> None:
    http_server.when("POST", "/payments").reply(503, times=2).reply(201)

    @shop.task(name="pay", shared=False, autoretry_for=(requests.RequestException,), default_retry_delay=0)  # type: ignore[untyped-decorator]
    def pay(order: str) -> int:
        response = requests.post(http_server.url_for("/payments"), json={"order": order}, timeout=5)
        response.raise_for_status()
        return response.status_code

    with worker(shop):
        assert pay.delay("order 1").get(timeout=30) == 201
    assert [request.response and request.response.status for request in http_server.requests] == [503, 503, 201]


def test_a_broker_that_loads_its_data_is_waited_for(redis_server: RedisServer, shop: Celery) -> None:
    @shop.task(name="double", shared=False)  # type: ignore[untyped-decorator]
    def double(n: int) -> int:
        return 2 * n

    with worker(shop):
        redis_server.wait_for(waits)
        loading = Answer("LOADING Redis is loading the dataset in memory")
        redis_server.when("LPUSH").inject(loading, first=1)
        with pytest.raises((kombu.exceptions.OperationalError, redis.BusyLoadingError)):
            double.apply_async((4,), retry=False)
        assert double.delay(4).get(timeout=30) == 8


@pytest.mark.virtual_time
def test_a_broker_that_resets_a_worker_that_waits_loses_nothing(redis_server: RedisServer, shop: Celery) -> None:
    done: list[int] = []

    @shop.task(name="note", shared=False)  # type: ignore[untyped-decorator]
    def note(n: int) -> None:
        done.append(n)

    with worker(shop):
        for number in range(3):
            redis_server.wait_for(waits, timeout=60)
            with redis_server.inject(Reset()):  # all that are open, and the worker is in the middle of BRPOP
                pass
            note.delay(number).get(timeout=60)
    assert done == [0, 1, 2]


@pytest.mark.virtual_time
def test_a_task_whose_way_to_the_worker_breaks_is_lost_and_its_sender_is_not_told(
    redis_server: RedisServer, shop: Celery
) -> None:
    """Redis has given it away when the answer to BRPOP is lost, and so it is for whoever does not ask for a result."""
    shop.conf.broker_transport_options = {"polling_interval": 30}  # how long a BRPOP waits
    done: list[int] = []

    @shop.task(name="note", shared=False)  # type: ignore[untyped-decorator]
    def note(n: int) -> None:
        done.append(n)

    with worker(shop):
        redis_server.wait_for(waits, timeout=60)
        before = len(redis_server.requests)
        redis_server.when("BRPOP").inject(Reset(), first=1)
        redis_server.wait_for(lambda server: len(server.requests) > before and waits(server), timeout=60)
        with pytest.raises(celery.exceptions.TimeoutError):
            note.delay(1).get(timeout=60)
    assert done == []


TOLD = (
    celery.exceptions.TimeoutError,
    kombu.exceptions.OperationalError,
    redis.RedisError,
    AttributeError,  # of kombu's: what its virtual channel raises where the connection that it sends on is reset
    celery.exceptions.Reject,  # the result, where that befalls the worker when it sends the next try: it drops the task
)
"""What tells a sender that something went wrong."""


def ordered(pay: Task, order: str) -> str:
    """What the sender does about it: ask for the result, and send again what has none, with the same key."""
    for _ in range(5):
        with contextlib.suppress(*TOLD):
            return str(pay.delay(order).get(timeout=30))
    return "nobody knows"


@pytest.mark.virtual_time
@pytest.mark.fault_sweep(Reset(), limit=12)
def test_no_order_is_lost_or_paid_twice_wherever_the_broker_resets(redis_server: RedisServer, shop: Celery) -> None:
    paid: dict[str, int] = {}
    came: list[str] = []

    @shop.task(name="pay", shared=False, acks_late=True, autoretry_for=(KeyError,), retry_backoff=1)  # type: ignore[untyped-decorator]
    def pay(order: str) -> str:
        came.append(order)
        if len(came) == 1:
            raise KeyError("the first try fails")
        paid.setdefault(order, len(came))  # what came before under this key is done
        return "paid"

    with worker(shop):
        assert ordered(pay, "order 1") == "paid"
    assert list(paid) == ["order 1"]
