"""A conversation may ask some of the library only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.ui.conftest import button, said

TEXTS = {
    "boiler.md": "# Boiler\n\nThe key to the cellar hangs behind the boiler.",
    "garden.md": "# Garden\n\nThe key to the shed lies under the garden gnome.",
}


@pytest.fixture
def sources(window: Callable[[], Any]) -> dict[str, int]:
    """The ids of two documents, each of which says where a key is, by title."""
    from localchat.ui.resources import localchat

    window()
    library = localchat().library
    added = [library.add_file(name, text.encode()).source_id for name, text in TEXTS.items()]
    return {source.title: source.id for source in library.wait([i for i in added if i])}


@pytest.fixture
def tab(sources: dict[str, int], window: Callable[[], Any], until: Callable[..., Any]) -> Any:
    """A tab on the chat page, everything taken in."""
    return until(window(), lambda tab: "Answers come from 3 sources" in said(tab))


def choose(tab: Any, *options: tuple[str, int]) -> Any:
    """Choose from what opens above the question field."""
    chooser(tab).set_value(list(options)).run()
    assert not tab.exception
    return tab


def chooser(tab: Any) -> Any:
    [found] = [one for one in tab.multiselect if one.label.startswith("Ask only")]
    return found


def label(tab: Any) -> str:
    """What stands on the button above the question field."""
    found = [block.proto.popover.label for block in tab.get("popover")]
    return next(one for one in found if one.startswith("Ask: ")).replace("\\", "")


def answer(tab: Any, until: Callable[..., Any], question: str) -> str:
    tab.chat_input[0].set_value(question).run()
    until(tab, lambda tab: not any(b.label == "Stop" for b in tab.button))
    return said(tab)


def test_a_conversation_asks_everything_until_somebody_chooses(tab: Any, until: Any) -> None:
    assert label(tab) == "Ask: everything"
    told = answer(tab, until, "Where is the key?")
    assert "behind the boiler" in told
    assert "garden gnome" in told


def test_what_is_chosen_is_all_that_is_asked(tab: Any, sources: dict[str, int], until: Any) -> None:
    choose(tab, ("source", sources["Garden"]))
    assert label(tab) == "Ask: Garden"
    assert "Answers come from one source" in said(tab)
    told = answer(tab, until, "Where is the key?")
    assert "garden gnome" in told
    assert "behind the boiler" not in told


def test_a_collection_can_be_asked(tab: Any, sources: dict[str, int], until: Any) -> None:
    from localchat.ui.resources import localchat

    cellar = localchat().library.collections.put_into([sources["Boiler"]], "Cellar")
    tab.run()
    assert chooser(tab).options[0] == "Cellar (collection)", "collections stand first"
    choose(tab, ("collection", cellar.id))
    assert label(tab) == "Ask: Cellar"
    told = answer(tab, until, "Where is the key?")
    assert "behind the boiler" in told
    assert "garden gnome" not in told
    choose(tab, ("collection", cellar.id), ("source", sources["Garden"]))
    assert label(tab) == "Ask: 2 of 3 documents"


def test_the_choice_belongs_to_the_conversation(
    tab: Any, sources: dict[str, int], window: Any, until: Any
) -> None:
    choose(tab, ("source", sources["Garden"]))
    tab.switch_page("pages/library.py").run()
    tab.switch_page("pages/chat.py").run()
    assert label(tab) == "Ask: Garden", "the other page has changed nothing"
    answer(tab, until, "Where is the key?")
    other = window()
    assert label(other) == "Ask: everything", "a new one begins with everything"
    button(other, "Where is the key?").click().run()
    assert label(other) == "Ask: Garden"
    assert chooser(other).value == [("source", sources["Garden"])]


def test_a_choice_that_is_taken_back_asks_everything(tab: Any, sources: dict[str, int]) -> None:
    choose(tab, ("source", sources["Garden"]))
    choose(tab)
    assert label(tab) == "Ask: everything"


def test_where_all_that_was_chosen_is_gone_the_page_says_so_and_offers_everything(
    tab: Any, sources: dict[str, int], until: Any
) -> None:
    from localchat.ui.resources import localchat

    choose(tab, ("source", sources["Garden"]))
    localchat().library.remove(sources["Garden"])
    tab.run()
    assert "What this chat asks is not in the library any more" in said(tab)
    told = answer(tab, until, "Where is the key?")
    assert "behind the boiler" not in told
    button(tab, "Ask everything").click().run()
    assert label(tab) == "Ask: everything"
    assert "not in the library any more" not in said(tab)


def test_a_collection_without_sources_is_named(tab: Any) -> None:
    from localchat.ui.resources import localchat

    empty = localchat().library.collections.create("Later")
    tab.run()
    choose(tab, ("collection", empty.id))
    assert "There is nothing in “Later”, so nothing can be found." in said(tab)


def test_one_that_is_gone_leaves_the_others(tab: Any, sources: dict[str, int]) -> None:
    from localchat.ui.resources import localchat

    choose(tab, ("source", sources["Garden"]), ("source", sources["Boiler"]))
    localchat().library.remove(sources["Garden"])
    tab.run()
    assert label(tab) == "Ask: Boiler"
    assert chooser(tab).value == [("source", sources["Boiler"])]


def test_a_choice_outlives_the_new_name_of_its_collection(
    tab: Any, sources: dict[str, int], until: Any
) -> None:
    """A closed list goes on to send the label of before."""
    from localchat.ui.resources import localchat

    collections = localchat().library.collections
    cellar = collections.put_into([sources["Boiler"]], "Cellar")
    tab.run()
    choose(tab, ("collection", cellar.id))
    collections.rename(cellar.id, "Basement")
    stale = chooser(tab)
    for _ in range(2):
        stale._value = None
        stale.proto.options[:] = ["Cellar (collection)"]
        stale.set_value(["Cellar (collection)"]).run()
        assert not tab.exception
    assert label(tab) == "Ask: Basement"
    assert "garden gnome" not in answer(tab, until, "Where is the key?")


def test_titles_that_are_alike_are_chosen_apart(tab: Any, until: Any) -> None:
    from localchat.ui.resources import localchat

    library = localchat().library
    first = library.add_file("n.md", b"# Notes\n\nThe first key is made of brass.")
    second = library.add_file("n.md", b"# Notes\n\nThe second key is made of iron.")
    library.wait([first.source_id or 0, second.source_id or 0])
    tab.run()
    assert {"Notes (n.md) (no. 1)", "Notes (n.md) (no. 2)"} < set(chooser(tab).options)
    choose(tab, ("source", second.source_id or 0))
    told = answer(tab, until, "What is the key made of?")
    assert "iron" in told
    assert "brass" not in told


def test_with_a_single_document_there_is_nothing_to_choose(window: Any, until: Any) -> None:
    tab = until(window(), lambda tab: "one source" in said(tab))
    assert not [one for one in tab.multiselect if one.label.startswith("Ask only")]
