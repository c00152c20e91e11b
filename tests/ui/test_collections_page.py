"""Collections on the library page: made, filled, looked at, renamed, deleted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.ui.conftest import button, said

ADD_TO = "Put what you add into"


@pytest.fixture
def tab(window: Callable[[], Any], until: Callable[..., Any]) -> Any:
    """A tab on the library page, the guide and a note taken in."""
    tab = window().switch_page("pages/library.py").run()
    tab.file_uploader[0].upload("boiler.md", b"# Boiler\n\nIt was serviced in May.")
    tab.run()
    return until(tab, lambda tab: len([b for b in tab.button if b.label == "Open"]) == 2)


def library() -> Any:
    from localchat.ui.resources import localchat

    return localchat().library


def boiler() -> int:
    return next(source.id for source in library().sources() if source.title == "Boiler")


def collections() -> dict[str, int]:
    return {one.name: one.sources for one in library().collections.all()}


def labels(tab: Any) -> list[str]:
    return [one.label for one in tab.selectbox]


def listed(tab: Any) -> list[str]:
    """The titles in the list."""
    return [
        title
        for title in ("Boiler", "A short guide to LocalChat")
        if f"**{title}**" in [text.value.split(" ", 1)[-1] for text in tab.markdown]
    ]


def show(tab: Any, collection_id: int | None) -> Any:
    return tab.selectbox(key="shown-collection").set_value(collection_id).run()


def save(tab: Any, name: str, sources: list[int]) -> Any:
    """Fill in the dialog."""
    next(one for one in tab.text_input if one.label == "Name").set_value(name)
    next(one for one in tab.multiselect if one.label == "Sources in it").set_value(sources)
    button(tab, "Save").click()
    return tab.run()


def test_without_collections_there_is_only_the_way_to_make_one(tab: Any) -> None:
    assert ADD_TO not in labels(tab)
    assert "Collection" not in labels(tab)
    assert button(tab, "New collection")


def test_a_collection_is_made_and_shows_at_its_sources(tab: Any) -> None:
    button(tab, "New collection").click().run()
    save(tab, "House", [boiler()])
    assert collections() == {"House": 1}
    assert ":gray-badge[:material/folder: House]" in said(tab)
    assert ADD_TO in labels(tab)
    assert not [one for one in tab.text_input if one.label == "Name"], "the dialog is closed"


def test_a_name_that_is_taken_is_told_and_what_was_typed_stays(tab: Any) -> None:
    library().collections.create("House")
    tab.run()
    button(tab, "New collection").click().run()
    save(tab, "HOUSE", [boiler()])
    assert "There is a collection “HOUSE” already. Choose another name." in said(tab)
    assert collections() == {"House": 0}
    assert next(one for one in tab.text_input if one.label == "Name").value == "HOUSE"


def test_a_collection_is_renamed_emptied_and_deleted(tab: Any) -> None:
    house = library().collections.put_into([boiler()], "House")
    tab.run()
    show(tab, house.id)
    button(tab, "Edit").click().run()
    save(tab, "Flat", [])
    assert collections() == {"Flat": 0}
    assert tab.selectbox(key="shown-collection").value == house.id
    button(tab, "Edit").click().run()
    button(tab, "Delete this collection").click().run()
    assert collections() == {}
    assert not tab.exception
    assert listed(tab) == ["Boiler", "A short guide to LocalChat"]


def test_one_that_another_tab_deleted_meanwhile_is_not_edited(tab: Any) -> None:
    house = library().collections.create("House")
    tab.run()
    show(tab, house.id)
    button(tab, "Edit").click().run()
    library().collections.delete(house.id)
    tab.run()
    assert not tab.exception
    assert not [one for one in tab.text_input if one.label == "Name"]


def test_the_list_can_be_cut_down_to_one_collection(tab: Any) -> None:
    house = library().collections.put_into([boiler()], "House")
    tab.run()
    assert listed(tab) == ["Boiler", "A short guide to LocalChat"]
    show(tab, house.id)
    assert listed(tab) == ["Boiler"]
    assert "1 of 2 sources" in said(tab)
    show(tab, 0)  # those that are in none
    assert listed(tab) == ["A short guide to LocalChat"]
    show(tab, None)
    assert "2 sources" in said(tab)


def test_a_source_is_put_into_collections_and_taken_out(tab: Any) -> None:
    library().collections.create("House")
    key = f"in-{boiler()}"
    tab.session_state[f"folder-{boiler()}"] = True
    tab.run()
    tab.multiselect(key=key).set_value(["House", "Bills"]).run()
    assert collections() == {"Bills": 1, "House": 1}
    tab.multiselect(key=key).set_value(["Bills"]).run()
    assert collections() == {"Bills": 1, "House": 0}


def test_a_name_typed_in_other_letters_is_the_same_collection(tab: Any) -> None:
    library().collections.create("House")
    tab.session_state[f"folder-{boiler()}"] = True
    tab.run()
    tab.multiselect(key=f"in-{boiler()}").set_value(["hOUSE"]).run()
    assert collections() == {"House": 1}
    assert tab.multiselect(key=f"in-{boiler()}").value == ["House"]


def test_a_name_that_is_too_long_is_told_and_changes_nothing(tab: Any) -> None:
    library().collections.put_into([boiler()], "House")
    tab.session_state[f"folder-{boiler()}"] = True
    tab.run()
    tab.multiselect(key=f"in-{boiler()}").set_value(["House", "x" * 61]).run()
    assert "has 61 characters" in tab.toast[0].value
    assert collections() == {"House": 1}


def test_what_is_added_goes_into_the_chosen_collection(tab: Any, until: Any) -> None:
    house = library().collections.create("Hose")
    tab.run()
    tab.selectbox(key="add-to").set_value(house.id).run()
    library().collections.rename(house.id, "House")
    tab.run()
    tab.file_uploader[0].upload("stove.md", b"# Stove\n\nIt burns wood.")
    tab.run()
    until(tab, lambda tab: "**Stove**" in said(tab))
    assert collections() == {"House": 1}


def test_a_long_list_is_shown_in_parts(tab: Any) -> None:
    for n in range(60):
        library().add_file(f"{n}.txt", f"Note {n}.".encode())
    tab.run()
    assert "62 sources" in said(tab)
    assert "**59.txt**" in said(tab)
    assert "**Boiler**" not in said(tab), "the oldest stand last"
    button(tab, "Show more of 62").click().run()
    assert "**Boiler**" in said(tab)
