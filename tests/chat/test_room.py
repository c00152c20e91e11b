"""A computer has memory for one model: two are never open at once."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator

from localchat.engines.base import Phase
from localchat.engines.room import EngineRoom
from tests.chat.kit import eventually
from tests.fake_engine import FakeEngine

OPEN: set[int] = set()


class Counted(FakeEngine):
    """Writes down who is open."""

    def loading(self) -> Iterator[Phase]:
        OPEN.add(id(self))
        assert len(OPEN) == 1, "two models are open at once"
        yield Phase("loading")

    def close(self) -> None:
        super().close()
        OPEN.discard(id(self))


def phases(visit_phases: Iterator[Phase]) -> list[str]:
    return [phase.name for phase in visit_phases]


def test_the_first_enters_at_once_and_is_loaded() -> None:
    room, engine = EngineRoom(), FakeEngine()
    visit = room.visit(engine)
    assert phases(visit.enter()) == ["loading"]
    assert room.is_inside(engine)
    assert room.busy
    visit.leave()
    visit.leave()
    assert not room.busy
    assert engine.closed == 0  # stays loaded for the next question


def test_two_uses_of_one_engine_do_not_wait_for_each_other() -> None:
    room, engine = EngineRoom(), FakeEngine()
    first, second = room.visit(engine), room.visit(engine)
    list(first.enter())
    assert phases(second.enter()) == []
    first.leave()
    assert room.busy
    second.leave()


def test_another_engine_waits_and_the_old_one_is_closed_before_it_loads() -> None:
    room = EngineRoom()
    old, new = FakeEngine(), FakeEngine()
    first, second = room.visit(old), room.visit(new)
    list(first.enter())
    entering = second.enter()
    assert next(entering).name == "waiting"
    assert old.closed == 0
    first.leave()
    assert "loading" in phases(entering)
    assert old.closed == 1
    assert room.is_inside(new)
    second.leave()


def test_a_visit_that_left_early_never_enters() -> None:
    room = EngineRoom()
    old, new = FakeEngine(), FakeEngine()
    first, second = room.visit(old), room.visit(new)
    list(first.enter())
    entering = second.enter()
    assert next(entering).name == "waiting"
    second.leave()
    assert phases(entering) == []
    assert room.is_inside(old)
    assert old.closed == 0
    first.leave()
    assert not room.busy


def test_a_visit_that_left_before_it_began_never_loads() -> None:
    room, engine = EngineRoom(), FakeEngine()
    visit = room.visit(engine)
    visit.leave()
    assert phases(visit.enter()) == []
    assert not room.busy
    assert engine.phase.name == "unloaded"


def test_closing_the_room_closes_what_is_inside() -> None:
    room, engine = EngineRoom(), FakeEngine()
    room.close()
    list(room.visit(engine).enter())
    room.close()
    assert engine.closed == 1


def test_two_are_never_open_at_once_however_many_come() -> None:
    OPEN.clear()
    room = EngineRoom()
    engines = [Counted() for _ in range(3)]
    failed: list[BaseException] = []

    def use(seed: int) -> None:
        chance = random.Random(seed)
        try:
            for _ in range(15):
                visit = room.visit(chance.choice(engines))
                try:
                    for _phase in visit.enter():
                        if chance.random() < 0.1:
                            break
                    time.sleep(0.001)
                finally:
                    visit.leave()
        except BaseException as error:  # noqa: BLE001 - told by the test
            failed.append(error)

    threads = [threading.Thread(target=use, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert failed == []
    assert eventually(lambda: not room.busy)
