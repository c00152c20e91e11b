"""The queue: in order, with its length known, and left at any time."""

from __future__ import annotations

import threading

import pytest

from localchat.core.errors import EngineError
from localchat.engines.turns import Turns


def test_the_first_may_begin_at_once_and_the_others_know_how_many_are_ahead() -> None:
    turns = Turns()
    places = [turns.take() for _ in range(3)]

    assert [place.ahead for place in places] == [0, 1, 2]
    assert places[0].wait(0)
    assert not places[1].wait(0)


def test_who_leaves_lets_the_next_one_begin() -> None:
    turns = Turns()
    first, second, third = turns.take(), turns.take(), turns.take()
    second.leave()
    first.leave()
    first.leave()

    assert third.wait(0)
    assert third.ahead == 0


def test_a_turn_is_left_where_the_work_in_it_fails() -> None:
    turns = Turns()
    with pytest.raises(ZeroDivisionError), turns.take():
        _ = 1 / 0

    assert turns.take().wait(0)


def test_many_threads_come_in_the_order_in_which_they_asked() -> None:
    turns = Turns()
    order: list[int] = []
    places = [turns.take() for _ in range(30)]

    def work(number: int) -> None:
        with places[number] as turn:
            while not turn.wait(1):
                pass
            order.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in reversed(range(30))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=20)

    assert order == list(range(30))


def test_all_are_told_when_the_line_is_dismissed_and_a_new_one_begins() -> None:
    turns = Turns()
    first, second = turns.take(), turns.take()
    turns.dismiss(EngineError("closed"))

    for turn in (first, second):
        with pytest.raises(EngineError, match="closed"):
            turn.wait(5)
    assert turns.take().wait(0)


def test_who_waits_in_another_thread_is_told_at_once() -> None:
    turns = Turns()
    turns.take()
    waiting, told = turns.take(), threading.Event()

    def wait() -> None:
        try:
            waiting.wait(30)
        except EngineError:
            told.set()

    thread = threading.Thread(target=wait)
    thread.start()
    turns.dismiss(EngineError("closed"))
    assert told.wait(5)
    thread.join(timeout=5)
