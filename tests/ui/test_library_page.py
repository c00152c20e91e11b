"""The library page: add, watch, open, remove; what is wrong gets a sentence."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from localchat.library.keywords import KeywordIndex
from tests.ui.conftest import said

LIBRARY = "pages/library.py"


@pytest.fixture
def library(window: Callable[[], Any], until: Callable[..., Any]) -> Any:
    """A tab on the library page, the guide taken in."""
    tab = window().switch_page(LIBRARY).run()
    return until(tab, lambda tab: any(b.label == "Open" for b in tab.button))


def press(tab: Any, label: str) -> Any:
    next(button for button in tab.button if button.label == label).click()
    return tab.run()


def test_a_new_library_holds_a_guide_to_the_app(library: Any) -> None:
    assert not library.exception
    assert "A short guide to LocalChat" in said(library)
    assert "1 source" in said(library)


def test_while_the_words_are_indexed_anew_the_page_says_so(
    library: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "indexed anew" not in said(library)
    monkeypatch.setattr(KeywordIndex, "is_current", False)
    assert "indexed anew" in said(library.run())


def test_a_page_is_added_by_its_address(library: Any, site: Any, until: Any) -> None:
    site.pages["/otters.html"] = "<title>Otters</title><p>Otters hold hands while they sleep.</p>"
    library.text_area(key="addresses").set_value(f"{site.base}/otters.html")
    press(library, "Add pages")
    until(library, lambda tab: "2 sources" in said(tab) and "· 1 passage ·" in said(tab))
    assert "**Otters**" in said(library)


def test_one_bad_address_spoils_nothing_and_stays_to_be_corrected(
    library: Any, site: Any, until: Any
) -> None:
    site.pages["/good.html"] = "<title>Good</title><p>This page is fine and has a sentence.</p>"
    library.text_area(key="addresses").set_value(
        f"{site.base}/good.html\nthis is no address\n{site.base}/missing.html"
    )
    press(library, "Add pages")
    until(library, lambda tab: "HTTP 404" in said(tab) and "**Good**" in said(tab))
    assert library.text_area(key="addresses").value == "this is no address"
    assert "is not a web address" in said(library)


def test_a_dropped_file_is_taken_in_and_the_field_is_empty_again(library: Any, until: Any) -> None:
    library.file_uploader[0].upload("海獭.md", "# 海獭\n\n海獭睡觉时手牵着手。".encode())
    library.run()
    until(library, lambda tab: "**海獭**" in said(tab) and "2 sources" in said(tab))
    assert not library.file_uploader[0].value


def test_dropping_the_same_file_again_adds_nothing_and_says_so(library: Any, until: Any) -> None:
    for _ in range(2):
        library.file_uploader[0].upload("notes.txt", b"The boiler was serviced in May.")
        library.run()
        until(library, lambda tab: "· 1 passage ·" in said(tab) and "Indexing" not in said(tab))
    assert "2 sources" in said(library)
    assert "Already in the library" in said(library)


def test_an_empty_file_is_refused_with_a_sentence(library: Any) -> None:
    library.file_uploader[0].upload("nothing.txt", b"")
    library.run()
    assert "“nothing.txt” is empty. Choose another file." in said(library)


def test_a_source_is_removed_for_good(library: Any, until: Any) -> None:
    press(library, "Remove")
    assert "Nothing here yet." in said(library)
    # Whoever removes the guide does not get it again.
    library.run()
    assert "Nothing here yet." in said(library)


def test_a_failed_source_can_be_tried_again(library: Any, site: Any, until: Any) -> None:
    library.text_area(key="addresses").set_value(f"{site.base}/late.html")
    press(library, "Add pages")
    until(library, lambda tab: "HTTP 404" in said(tab))
    site.pages["/late.html"] = "<title>Late</title><p>Now the page has appeared at last.</p>"
    press(library, "Try again")
    until(library, lambda tab: "**Late**" in said(tab))


def test_the_text_of_a_source_can_be_read(library: Any) -> None:
    press(library, "Open")
    assert "Everything happens on this computer" in said(library)


def test_where_the_network_is_switched_off_the_page_says_what_is_fetched_all_the_same(
    library: Any,
) -> None:
    from localchat.ui.resources import localchat

    assert "Never use the network" not in said(library)
    localchat().change(never_network=True)
    library.run()
    assert "“Never use the network” is on. A page that you add is fetched all the same" in said(
        library
    )
