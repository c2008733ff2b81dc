from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Iterator
from concurrent.futures import Future
from contextvars import ContextVar
from functools import partial

import pytest
from greenlet import getcurrent

from infrastructure.tasks import aside, pause, running
from tests.support.on_the_loop import OnTheLoop, on_the_loop


@pytest.fixture
def loop() -> Iterator[OnTheLoop]:
    with on_the_loop() as made:
        yield made


def test_what_is_done_aside_is_done_by_another_thread_and_its_result_comes_back(loop: OnTheLoop) -> None:
    def work() -> tuple[str, str]:
        return threading.current_thread().name, aside(lambda: threading.current_thread().name)

    here, there = loop.run(work)
    assert there.startswith("aside")
    assert here != there


def test_what_it_raises_is_raised_where_it_was_asked_for(loop: OnTheLoop) -> None:
    def work() -> str:
        try:
            aside(lambda: 1 // 0)
        except ZeroDivisionError:
            return threading.current_thread().name
        return "nothing was raised"

    assert not loop.run(work).startswith(("aside", "nothing"))


def test_others_go_on_while_one_waits(loop: OnTheLoop) -> None:
    gate = threading.Event()
    waiting, passing = loop.begin([lambda: aside(lambda: gate.wait(30)), lambda: True])
    assert passing.result(30)
    assert not waiting.done()
    gate.set()
    assert waiting.result(30)


def test_a_pause_keeps_nobody_else_waiting(loop: OnTheLoop) -> None:
    order: list[str] = []

    def slow() -> None:
        pause(0.2)
        order.append("slow")

    loop.all([slow, lambda: order.append("quick")])
    assert order == ["quick", "slow"]


def test_elsewhere_it_is_all_done_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    assert running() is None
    assert aside(threading.get_ident) == threading.get_ident()
    pause(0.5)
    assert slept == [0.5]


def test_a_task_that_another_one_begins_stands_on_the_loop_as_the_first_did(loop: OnTheLoop) -> None:
    """As the requests of one connection do, each of which waits for the answer before it: however many, none is deeper than the first."""
    depths: list[int] = []
    last: Future[None] = Future()

    def one() -> None:
        aside(int)
        above = getcurrent()
        depths.append(0)
        while above.parent is not None:
            depths[-1], above = depths[-1] + 1, above.parent
        if len(depths) < 50:
            loop.thread.begin(one)
        else:
            last.set_result(None)

    loop.run(one)
    last.result(30)
    assert set(depths) == {1}


def test_a_task_that_another_one_begins_goes_on_after_it(loop: OnTheLoop) -> None:
    order: list[str] = []
    ended: Future[None] = Future()

    def second() -> None:
        order.append("second")
        ended.set_result(None)

    def first() -> None:
        loop.thread.begin(second)
        order.append("first")

    loop.run(first)
    ended.result(30)
    assert order == ["first", "second"]


def test_one_task_after_the_other_needs_no_more_than_one_greenlet_and_knows_nothing_of_the_one_before(loop: OnTheLoop) -> None:
    variable: ContextVar[int] = ContextVar("variable", default=0)

    def one() -> tuple[int, int]:
        before = variable.get()
        variable.set(1)
        aside(int)
        return id(running()), before

    seen = [loop.run(one) for _ in range(3)]
    assert len({task for task, _ in seen}) == 1
    assert {before for _, before in seen} == {0}


def test_many_at_once_are_all_done_and_few_of_them_kept(loop: OnTheLoop) -> None:
    gate = threading.Event()

    def one(n: int) -> int:
        aside(lambda: gate.wait(30))
        return n

    waiting = loop.begin([partial(one, n) for n in range(200)])
    gate.set()
    assert [each.result(30) for each in waiting] == list(range(200))
    assert loop.run(lambda: len(loop.thread.idle)) < 100


def test_nothing_of_a_request_is_kept_by_an_idle_task(loop: OnTheLoop) -> None:
    class Request:
        def __call__(self) -> None:
            aside(int)

    request = Request()
    gone = weakref.ref(request)
    loop.run(request)
    del request
    loop.run(lambda: pause(0))
    assert gone() is None


def test_the_end_of_the_loop_is_the_end_of_its_tasks() -> None:
    with on_the_loop() as made:
        kept = [made.run(lambda: running()) for _ in range(2)]  # noqa: PLW0108  # called by the task
    assert all(task is not None and task.dead for task in kept)
