"""One conversation on the screen: its turns, the one that is running, and the first words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import streamlit as st

from localchat.ui import answers, safe, welcome
from localchat.ui.models import changing
from localchat.ui.resources import chain, localchat

if TYPE_CHECKING:
    from localchat.app import LocalChat
    from localchat.chat.answer import Turn
    from localchat.chat.asking import Asking
    from localchat.library.scope import Scope

LOOK_EVERY = 0.2
"""Seconds between two looks at a running answer."""
RECENT = 8
ON_ITS_WAY = ("waiting", "working")
LONG_QUESTION = 1_500
SHOWN_OF_LONG = 500
"""Characters."""


def current(chat: LocalChat) -> str:
    """The conversation of this tab. It stands in the address, so that a reload comes back to it."""
    conversation_id = st.query_params.get("chat") or st.session_state.get("conversation")
    if not conversation_id:
        conversation_id = chat.conversations.new_id()
    st.session_state.conversation = conversation_id
    if st.query_params.get("chat") != conversation_id:
        st.query_params["chat"] = conversation_id
    return str(conversation_id)


def choose_in_sidebar() -> None:
    """A new conversation, or an earlier one."""
    chat = localchat()
    current_id = current(chat)
    with st.sidebar:
        st.button(
            "New chat",
            icon=":material/add_comment:",
            width="stretch",
            on_click=_go_to,
            args=(chat.conversations.new_id(),),
        )
        earlier = [c for c in chat.conversations.all() if c.id != current_id][:RECENT]
        if earlier:
            with st.expander("Earlier chats", icon=":material/history:"):
                for known in earlier:
                    st.button(
                        safe.plain(known.title) or "Untitled",
                        type="tertiary",
                        key=f"chat-{known.id}",
                        on_click=_go_to,
                        args=(known.id,),
                    )


def empty(chat: LocalChat, scope: Scope) -> str | None:
    """What an empty conversation shows; returns a suggested question if one was pressed."""
    from localchat.chat.suggestions import suggest

    st.title("Ask your documents")
    sources = chat.library.sources()
    ready = [source for source in sources if source.state == "ready"]
    if not ready and any(source.state in ON_ITS_WAY for source in sources):
        _wait_for_a_document(chat)
        return None
    if not ready:
        st.info(
            "There are no documents yet. Add a web page or a file first, then ask about it here.",
            icon=":material/library_add:",
        )
        st.page_link("pages/library.py", label="Go to the library", icon=":material/arrow_forward:")
        return None
    within = chat.library.resolve(scope)
    asked = [source for source in ready if within is None or source.id in within]
    count = "one source" if len(asked) == 1 else f"{len(asked)} sources"
    st.caption(f"Answers come from {count} in your library, with the passages they rest on.")
    if chat.settings.engine == "quotes":
        st.caption(
            "No model is chosen: the answer is what your documents say, word for word. "
            "The page “Models” has those that answer in their own words."
        )
    suggested = suggest(chat.library, asked)
    pressed = None
    if suggested:
        pressed = st.pills(
            "Try one of these",
            suggested,
            key=f"suggestions-{st.session_state.conversation}",
            format_func=safe.plain,
        )
    changing.words_alone(chat)
    changing.advice_line(chat)
    return pressed


@st.fragment(run_every=0.5)
def _wait_for_a_document(chat: LocalChat) -> None:
    """The page is drawn anew with the first document that can be asked about."""
    if not any(source.state in ON_ITS_WAY for source in chat.library.sources()):
        st.rerun()
    st.caption(":shimmer[Your documents are being read…]")


def ask(
    chat: LocalChat, conversation_id: str, question: str, turns: Sequence[Turn], scope: Scope
) -> Asking:
    """Begin to answer ``question`` from the sources in ``scope``."""
    welcome.leave(chat)
    settings = chat.settings
    return chat.ask(question, settings, chain(settings), conversation_id, turns, scope=scope)


def draw(chat: LocalChat, turns: Sequence[Turn], running: Asking | None) -> None:
    """All turns; the last one grows while it is being answered."""
    for turn in turns:
        is_last = turn is turns[-1]
        with st.chat_message("user", avatar=":material/person:"):
            _question(chat, turn)
        with st.chat_message("assistant", avatar=":material/forum:"):
            if running is not None and is_last:
                st.fragment(_watch, run_every=LOOK_EVERY, key="running")(running)
            else:
                answers.draw(turn.answer, turn.id)


def _question(chat: LocalChat, turn: Turn) -> None:
    """A question as it was typed. One that is no question any more can become a document."""
    if len(turn.question) <= LONG_QUESTION:
        st.markdown(safe.plain(turn.question))
        return
    st.markdown(safe.plain(turn.question[:SHOWN_OF_LONG]) + "…")
    with st.expander(f"All {len(turn.question):,} characters", type="compact"):
        st.html(safe.marked(turn.question))
    if len(turn.question) > chat.settings.question_characters:
        st.button(
            "Add this text to the library",
            icon=":material/library_add:",
            key=f"keep-{turn.id}",
            on_click=_keep_as_document,
            args=(chat, turn.question),
        )


def _keep_as_document(chat: LocalChat, text: str) -> None:
    name = " ".join(text.split())[:40]
    added = chat.library.add_file(f"{name}.txt", text.encode(), "text/plain")
    st.toast(added.message or "It is in the library now; ask about it.", icon=":material/check:")


def _watch(running: Asking) -> None:
    """A look at the running answer. When it has ended the whole page is drawn once more."""
    if not running.running:
        st.rerun()
    answers.draw_running(running.answer, running.phase)
    st.button("Stop", icon=":material/stop_circle:", on_click=running.stop)


def _go_to(conversation_id: str) -> None:
    st.query_params["chat"] = conversation_id
    st.session_state.conversation = conversation_id
