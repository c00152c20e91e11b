"""The two ways into the library: web addresses and files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import streamlit as st

from localchat.core.errors import LocalChatError
from localchat.ui import collections, safe

if TYPE_CHECKING:
    from localchat.app import LocalChat
    from localchat.library.adding import Added


def draw(chat: LocalChat) -> None:
    """Two cards side by side, and below them what became of the last things put in."""
    collections.choose_for_new(chat)
    pages, files = st.columns(2)
    with pages, st.container(border=True, height="stretch"):
        _web_pages(chat)
    with files, st.container(border=True, height="stretch"):
        _files(chat)
    _show_outcome(st.session_state.get("added", ()))


def _web_pages(chat: LocalChat) -> None:
    with st.form("pages", border=False):
        st.text_area(
            "Web pages",
            placeholder="https://example.org/article\nOne address on each line",
            height=118,
            key="addresses",
        )
        st.form_submit_button(
            "Add pages", icon=":material/add_link:", on_click=_add_pages, args=(chat,)
        )
    if chat.settings.never_network:
        st.caption(
            ":material/wifi_off: “Never use the network” is on. A page that you add is fetched all "
            "the same, because you ask for it."
        )


def _add_pages(chat: LocalChat) -> None:
    try:
        added = chat.library.add_addresses(
            st.session_state.addresses, collections.chosen_for_new(chat)
        )
    except LocalChatError as error:
        st.session_state.added = [_refused(chat, error)]
        return
    st.session_state.added = added
    # What was refused stays in the field, to be corrected; the rest is in the list by then.
    st.session_state.addresses = "\n".join(one.name for one in added if one.outcome == "refused")


def _files(chat: LocalChat) -> None:
    from localchat.sources.kinds import READABLE_ENDINGS

    # A new key empties the field: what was dropped is in the library by then.
    key = f"files-{st.session_state.setdefault('drops', 0)}"
    dropped = st.file_uploader(
        "Files",
        type=[ending.lstrip(".") for ending in READABLE_ENDINGS],
        accept_multiple_files=True,
        key=key,
        max_upload_size=max(1, chat.settings.fetch_bytes // 1_000_000),
        help="Web pages that you saved (HTML), Markdown, text and PDF.",
    )
    if dropped:
        collection = collections.chosen_for_new(chat)
        try:
            st.session_state.added = [
                chat.library.add_file(file.name, file.getvalue(), file.type, collection)
                for file in dropped
            ]
        except LocalChatError as error:
            # The files stay in the field, and are added once the name is another.
            st.session_state.added = [_refused(chat, error)]
            return
        st.session_state.drops += 1
        st.rerun()


def _refused(chat: LocalChat, error: LocalChatError) -> Added:
    """Nothing was added, because there can be no collection of that name."""
    from localchat.library.adding import Added

    return Added(collections.chosen_for_new(chat) or "", "refused", None, str(error))


def _show_outcome(added: Sequence[Added]) -> None:
    """Only what needs a word: what is queued shows in the list below."""
    for one in added:
        if one.outcome == "refused":
            name = "" if one.name in one.message else f"**{safe.plain(one.name[:200])}** "
            st.error(name + safe.plain(one.message), icon=":material/error:")
        elif one.outcome == "already":
            st.info(safe.plain(one.message), icon=":material/done_all:")
