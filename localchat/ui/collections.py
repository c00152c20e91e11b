"""Collections on the library page: make, fill, rename and delete them, and look at one only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import streamlit as st

from localchat.core.errors import LocalChatError
from localchat.library.collections import LONGEST_NAME
from localchat.ui import safe
from localchat.ui.labels import distinct, follow

if TYPE_CHECKING:
    from localchat.app import LocalChat
    from localchat.library.collections import Collection
    from localchat.library.rows import Source

ADD_TO = "add-to"
SHOWN = "shown-collection"
EDITED = "edited-collection"
NEW = 0
"""Stands among the ids of collections for the one that is being made."""
IN_NONE = 0
"""Stands among the ids of collections for the sources that are in none."""


def choose_for_new(chat: LocalChat) -> None:
    """Where what is added next will be put; only where there are collections."""
    names = {collection.id: collection.name for collection in chat.library.collections.all()}
    if names:
        if not isinstance(st.session_state.get(ADD_TO), str):
            follow(ADD_TO, names)
        st.selectbox(
            "Put what you add into",
            list(names),
            index=None,
            key=ADD_TO,
            format_func=lambda i: names.get(i, str(i)),
            placeholder="No collection",
            accept_new_options=True,
            width=360,
        )


def chosen_for_new(chat: LocalChat) -> str | None:
    """The name that was chosen or typed there, if any."""
    chosen: int | str | None = st.session_state.get(ADD_TO)
    if isinstance(chosen, str):
        return chosen
    names = {collection.id: collection.name for collection in chat.library.collections.all()}
    return names.get(chosen) if chosen is not None else None


def choose_shown(chat: LocalChat, known: Sequence[Collection]) -> int | None:
    """A filter over the list, and the ways to change collections; returns the id of the one that
    is looked at, ``IN_NONE``, or None for all sources."""
    if not known:
        return None
    names = {**{collection.id: collection.name for collection in known}, IN_NONE: "In none"}
    follow(SHOWN, names)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        shown = st.selectbox(
            "Collection",
            list(names),
            index=None,
            key=SHOWN,
            format_func=lambda i: names.get(i, ""),
            placeholder="All sources",
            width=360,
        )
        if shown and st.button(
            "Edit", icon=":material/edit:", key="edit-collection", on_click=_begin, args=(shown,)
        ):
            st.rerun()
    return shown


def new_button() -> None:
    """The way to make a collection."""
    if st.button(
        "New collection",
        icon=":material/create_new_folder:",
        type="tertiary",
        on_click=_begin,
        args=(NEW,),
    ):
        st.rerun()


def draw_dialog(chat: LocalChat) -> None:
    """The dialog for one collection, where somebody opened it. By the page itself: the list is
    drawn again by and by, and would take along what was typed."""
    edited: int | None = st.session_state.get(EDITED)
    if edited is None:
        return
    known = {collection.id: collection for collection in chat.library.collections.all()}
    if edited == NEW or edited in known:
        _edit(chat, known.get(edited))
    else:
        _end()


def choose_for_source(
    chat: LocalChat, source: Source, mine: Sequence[Collection], known: Sequence[Collection]
) -> None:
    """The collections that a source is in, and a button that opens the choice of them."""
    with st.container(horizontal=True, vertical_alignment="center", gap="xsmall"):
        for one in mine:
            st.badge(safe.plain(one.name), icon=":material/folder:", color="gray")
        # Streamlit knows an open popover by its label: with another one it would close.
        opened = st.popover(
            "Collections", type="tertiary", key=f"folder-{source.id}", on_change="rerun"
        )
    if not opened.open:
        return
    key = f"in-{source.id}"
    if set(st.session_state.get(key, ())) != {one.name for one in mine}:
        st.session_state[key] = [one.name for one in mine]
    with opened:
        st.multiselect(
            "Collections that it is in",
            [one.name for one in known],
            key=key,
            placeholder="None",
            accept_new_options=True,
            on_change=_put_source,
            args=(chat, source.id, key),
        )


def _put_source(chat: LocalChat, source_id: int, key: str) -> None:
    collections = chat.library.collections
    wanted: Sequence[str] = st.session_state[key]
    try:
        put = {collections.put_into([source_id], name).id for name in wanted}
        for one in collections.by_source().get(source_id, []):
            if one.id not in put:
                collections.take_out([source_id], one.id)
    except LocalChatError as error:
        st.toast(safe.plain(str(error)), icon=":material/error:")
    # As it is now: what was typed may have been the name of another one in other letters.
    st.session_state[key] = [one.name for one in collections.by_source().get(source_id, [])]


def _begin(edited: int) -> None:
    st.session_state[EDITED] = edited


def _end() -> None:
    st.session_state.pop(EDITED, None)


@st.dialog("Collection", on_dismiss=_end)
def _edit(chat: LocalChat, collection: Collection | None) -> None:
    """One collection: its name and its sources; None: a new one."""
    titles = distinct({source.id: source.title for source in chat.library.sources()})
    inside = chat.library.collections.sources(collection.id) if collection else frozenset()
    with st.form("collection", border=False):
        name = st.text_input(
            "Name", value=collection.name if collection else "", max_chars=LONGEST_NAME
        )
        sources = st.multiselect(
            "Sources in it",
            list(titles),
            default=[i for i in titles if i in inside],
            format_func=lambda i: titles.get(i, ""),
            placeholder="None yet",
            filter_mode="contains",
        )
        is_saved = st.form_submit_button("Save", type="primary")
    is_deleted = collection is not None and st.button(
        "Delete this collection", icon=":material/delete:", type="tertiary"
    )
    if collection is not None:
        st.caption("Deleting it leaves its sources in the library.")
    try:
        if is_saved:
            _save(chat, collection, name, frozenset(sources), inside)
        if is_deleted and collection is not None:
            chat.library.collections.delete(collection.id)
    except LocalChatError as error:
        st.error(safe.plain(str(error)), icon=":material/error:")
        return
    if is_saved or is_deleted:
        _end()
        st.rerun()


def _save(
    chat: LocalChat,
    collection: Collection | None,
    name: str,
    wanted: frozenset[int],
    inside: frozenset[int],
) -> None:
    collections = chat.library.collections
    if collection is None:
        collection = collections.create(name)
    else:
        collections.rename(collection.id, name)
    collections.put_into(wanted - inside, name)
    collections.take_out(inside - wanted, collection.id)
