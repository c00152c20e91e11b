"""Collections, as a person makes and asks them."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import expect

from tests.browser.conftest import App, ask, press

NOTES = {
    "boiler.md": "# Boiler\n\nThe key to the cellar hangs behind the boiler.",
    "garden.md": "# Garden\n\nThe key to the shed lies under the garden gnome.",
}


def test_a_collection_is_made_asked_renamed_and_deleted(app: App, open_tab: Any) -> None:
    tab = open_tab(app, "/library")
    tab.locator("input[type=file]").set_input_files(
        [
            {"name": name, "mimeType": "text/markdown", "buffer": text.encode()}
            for name, text in NOTES.items()
        ]
    )
    tab.get_by_text("Markdown · added").nth(2).wait_for()
    expect(tab.get_by_label("Put what you add into")).to_have_count(0)

    press(tab, "New collection")
    dialog = tab.get_by_role("dialog")
    dialog.get_by_label("Name").fill("House")
    dialog.get_by_test_id("stMultiSelect").locator("input").click()
    tab.get_by_role("option", name="Boiler").click()
    dialog.get_by_label("Name").click()
    dialog.get_by_role("button", name="Save").click()
    expect(dialog).to_have_count(0)
    tab.locator(".stMarkdownBadge", has_text="House").wait_for()
    tab.get_by_label("Put what you add into").wait_for()

    tab.get_by_test_id("stSidebar").get_by_role("link", name="Chat").click()
    tab.get_by_text("Ask: everything").click()
    tab.get_by_test_id("stPopoverBody").locator("input").first.click()
    tab.get_by_role("option", name="House (collection)").click()
    tab.get_by_text("Ask: House").wait_for()
    expect(tab.get_by_test_id("stPopoverBody"), "more can be chosen").to_be_visible()
    tab.keyboard.press("Escape")
    tab.keyboard.press("Escape")
    ask(tab, "Where is the key?")
    tab.get_by_text("behind the boiler").first.wait_for()
    tab.reload()
    tab.get_by_text("Ask: House").wait_for()
    tab.get_by_text("behind the boiler").first.wait_for()
    expect(tab.get_by_text("garden gnome")).to_have_count(0)

    tab.get_by_test_id("stSidebar").get_by_role("link", name="Library").click()
    press(tab, "New collection")
    dialog.get_by_label("Name").fill("HOUSE")
    dialog.get_by_role("button", name="Save").click()
    dialog.get_by_text("There is a collection “HOUSE” already.").wait_for()
    dialog.get_by_role("button", name="Close").click()
    tab.get_by_label("Collection", exact=True).click()
    tab.get_by_role("option", name="House").click()
    tab.get_by_text("1 of 3 sources").wait_for()
    press(tab, "Edit")
    dialog.get_by_label("Name").fill("Cellar")
    dialog.get_by_role("button", name="Save").click()
    tab.locator(".stMarkdownBadge", has_text="Cellar").wait_for()
    expect(dialog).to_have_count(0)
    press(tab, "Edit")
    dialog.get_by_role("button", name="Delete this collection").click()
    tab.get_by_text("3 sources", exact=True).wait_for()
    expect(tab.get_by_label("Collection", exact=True)).to_have_count(0)


def test_what_is_added_goes_into_a_collection_that_is_named_then(
    app: App, open_tab: Any, site: Any
) -> None:
    site.pages["/otters.html"] = "<title>Otters</title><p>Otters hold hands while they sleep.</p>"
    tab = open_tab(app, "/library")
    press(tab, "New collection")
    tab.get_by_role("dialog").get_by_label("Name").fill("House")
    tab.get_by_role("dialog").get_by_role("button", name="Save").click()
    into = tab.get_by_label("Put what you add into")
    into.fill("x" * 61)
    into.press("Enter")
    tab.get_by_label("Web pages").fill(f"{site.base}/otters.html")
    tab.get_by_role("button", name="Add pages").click()
    tab.get_by_text("This name for a collection has 61 characters.").wait_for()
    assert tab.get_by_label("Web pages").input_value() == f"{site.base}/otters.html"
    assert site.asked == [], "nothing was added"
    into.fill("Animals")
    into.press("Enter")
    tab.get_by_role("button", name="Add pages").click()
    tab.get_by_text("Otters", exact=True).wait_for()
    tab.locator(".stMarkdownBadge", has_text="Animals").wait_for()
