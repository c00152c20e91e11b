"""The list of sources: state and progress of each, open, try again, remove."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

import streamlit as st

from localchat.ui import collections, safe
from localchat.ui.watching import watch

if TYPE_CHECKING:
    from localchat.app import LocalChat
    from localchat.library.collections import Collection
    from localchat.library.rows import Source

KINDS = {
    "html": (":material/language:", "Web page"),
    "markdown": (":material/article:", "Markdown"),
    "text": (":material/description:", "Text"),
    "pdf": (":material/picture_as_pdf:", "PDF"),
}
STAGES = {"fetching": "Fetching…", "reading": "Reading…", "indexing": "Indexing…"}
SHOWN_CHARACTERS = 20_000
LISTED = 50
"""Sources at first, and more at each wish: a browser is slow with a thousand of them."""


def draw(chat: LocalChat) -> None:
    """The list; looked at again every second while something is coming in."""
    _watch(chat, partial(_list, chat), "sources")


def draw_arrivals(chat: LocalChat, but: str) -> None:
    """The sources that were added, without the one named ``but``: how far each is, no buttons."""
    _watch(chat, partial(_arrivals, chat, but), "arrivals")


def _watch(chat: LocalChat, draw: Callable[[], None], key: str) -> None:
    working = _is_working(chat)
    every = 1.0 if working else None
    watch(draw, key, every=every, ended=lambda: working and not _is_working(chat))


def _arrivals(chat: LocalChat, but: str) -> None:
    for source in chat.library.sources():
        if source.name == but:
            continue
        title = safe.plain(source.title)
        if source.state == "ready":
            st.markdown(f":green[:material/check_circle:] **{title}** can be asked about now.")
        else:
            st.markdown(f"**{title}**")
        _state(source)


def _is_working(chat: LocalChat) -> bool:
    taken_in = any(source.state in ("waiting", "working") for source in chat.library.sources())
    return taken_in or not chat.library.is_indexed


def _list(chat: LocalChat) -> None:
    sources = chat.library.sources()
    if not sources:
        st.info(
            "Nothing here yet. Add a web page or a file above, then ask about it on the page "
            "“Chat”.",
            icon=":material/arrow_upward:",
        )
        return
    known = chat.library.collections.all()
    mine = chat.library.collections.by_source()
    heading = st.container(horizontal=True, vertical_alignment="bottom")
    chosen = collections.choose_shown(chat, known)
    listed = [source for source in sources if _is_in(mine.get(source.id, ()), chosen)]
    with heading:
        with st.container(width="stretch", gap=None):
            st.subheader(_count(len(listed), len(sources)))
            st.caption(f"{sum(source.passages for source in listed):,} passages")
        collections.new_button()
    if not chat.library.is_indexed:
        st.caption(
            ":material/sync: After the update your documents are being indexed anew. Until that is "
            "done, in a minute or so, some are found by their meaning only."
        )
    if not listed:
        st.caption("Nothing is in here yet.")
    most = st.session_state.setdefault("listed", LISTED)
    for source in listed[:most]:
        _row(chat, source, mine.get(source.id, ()), known)
    if len(listed) > most:
        st.button(f"Show more of {len(listed):,}", icon=":material/expand_more:", on_click=_more)


def _more() -> None:
    st.session_state.listed += LISTED


def _count(listed: int, all_: int) -> str:
    noun = "source" if all_ == 1 else "sources"
    return f"{all_} {noun}" if listed == all_ else f"{listed} of {all_} {noun}"


def _is_in(mine: Sequence[Collection], chosen: int | None) -> bool:
    if chosen is None:
        return True
    if chosen == collections.IN_NONE:
        return not mine
    return any(collection.id == chosen for collection in mine)


def _row(
    chat: LocalChat, source: Source, mine: Sequence[Collection], known: Sequence[Collection]
) -> None:
    icon, kind = KINDS.get(source.kind, (":material/hourglass_empty:", ""))
    if not source.kind:
        icon = ":material/language:" if source.address else ":material/description:"
    with st.container(border=True, key=f"source-{source.id}"):
        with st.container(horizontal=True, vertical_alignment="center"):
            with st.container(width="stretch", gap=None):
                st.markdown(f"{icon} **{safe.plain(source.title)}**")
                st.caption(_details(source, kind))
                if known:
                    collections.choose_for_source(chat, source, mine, known)
            with st.container(horizontal=True, width="content", gap="xsmall"):
                _buttons(chat, source)
        _state(source)


def _details(source: Source, kind: str) -> str:
    added = datetime.fromisoformat(source.added_at).astimezone().strftime("%Y-%m-%d %H:%M")
    count = "1 passage" if source.passages == 1 else f"{source.passages:,} passages"
    where = source.name if source.name != source.title else ""
    parts = [kind, f"added {added}", count if source.state == "ready" else "", where]
    return safe.plain(" · ".join(part for part in parts if part))


def _state(source: Source) -> None:
    if source.state == "failed":
        st.error(safe.plain(source.error), icon=":material/error:")
    elif source.state == "same":
        st.info(safe.plain(source.error), icon=":material/done_all:")
    elif source.state == "waiting":
        st.progress(0.0, text=safe.plain(source.error) or "Waiting for its turn…")
    elif source.state == "working":
        share = source.done / source.total if source.total else 0.0
        count = f" {source.done} of {source.total} passages" if source.total else ""
        st.progress(min(share, 1.0), text=STAGES.get(source.stage, "Working…") + count)
    for note in source.notes.splitlines():
        st.caption(f":material/info: {safe.plain(note)}")


def _buttons(chat: LocalChat, source: Source) -> None:
    if source.state == "failed":
        st.button(
            "Try again",
            icon=":material/refresh:",
            key=f"retry-{source.id}",
            on_click=chat.library.retry,
            args=(source.id,),
        )
    if source.state == "ready" and st.button(
        "Open", icon=":material/visibility:", key=f"open-{source.id}"
    ):
        _open(chat, source)
    with st.popover("", icon=":material/delete:", help="Remove", key=f"bin-{source.id}"):
        st.markdown(f"Remove **{safe.plain(source.title)}** from the library?")
        st.caption("Its text, its index and LocalChat's copy are deleted.")
        st.button(
            "Remove",
            type="primary",
            key=f"remove-{source.id}",
            on_click=_remove,
            args=(chat, source.id),
        )


def _remove(chat: LocalChat, source_id: int) -> None:
    chat.library.remove(source_id)


@st.dialog("Document", width="large")
def _open(chat: LocalChat, source: Source) -> None:
    """The text as LocalChat read it."""
    text = chat.library.text(source.id)
    st.subheader(safe.plain(source.title))
    if source.address:
        st.link_button("Open the web page", source.address, icon=":material/open_in_new:")
    pages = max(1, -(-len(text) // SHOWN_CHARACTERS))
    number = 1
    if pages > 1:
        number = st.number_input(f"Part (of {pages})", 1, pages, 1)
    shown = text[(number - 1) * SHOWN_CHARACTERS : number * SHOWN_CHARACTERS]
    st.html(safe.marked(shown))
