"""Which part of the library a conversation asks: everything, until somebody chooses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import streamlit as st

from localchat.library.scope import EVERYTHING, Scope
from localchat.ui import safe
from localchat.ui.labels import distinct, follow

if TYPE_CHECKING:
    from localchat.app import LocalChat
    from localchat.library.collections import Collection

Option = tuple[str, int]
"""What can be chosen: ("collection", its id) or ("source", its id)."""

LONGEST_LABEL = 40
"""Characters."""


def choose(chat: LocalChat, conversation_id: str) -> Scope:
    """A quiet button that says what is asked and opens the choice; returns what is chosen. Where
    there is nothing to choose from there is no button."""
    scope = Scope.from_json(chat.conversations.scope(conversation_id))
    titles = chat.library.titles()
    if scope.is_everything and len(titles) < 2:
        return scope
    collections = chat.library.collections.all()
    found = chat.library.resolve(scope)
    if found is not None and not found:
        _nothing_left(chat, conversation_id, scope, collections)
    label = safe.plain(_label(scope, found, collections, titles))
    with st.popover(
        f"Ask: {label}",
        icon=":material/filter_list:",
        type="tertiary",
        key=f"scope-{conversation_id}",
    ):
        _choice(chat, conversation_id, scope, _labels(collections, titles))
    return scope


def _label(
    scope: Scope,
    found: frozenset[int] | None,
    collections: Sequence[Collection],
    titles: Mapping[int, str],
) -> str:
    """What is asked, in a few words: the one thing that was chosen, or how many documents."""
    if found is None:
        return "everything"
    chosen = [known.name for known in collections if known.id in scope.collections]
    chosen += [titles[i] for i in scope.sources if i in titles]
    if len(chosen) != 1:
        return f"{len(found & titles.keys())} of {len(titles)} documents"
    return chosen[0] if len(chosen[0]) <= LONGEST_LABEL else f"{chosen[0][:LONGEST_LABEL]}…"


def _choice(
    chat: LocalChat, conversation_id: str, scope: Scope, labels: Mapping[Option, str]
) -> None:
    key = f"chosen-{conversation_id}"
    chosen = [option for option in _options(scope) if option in labels]
    # What is kept counts: it may have been changed in another tab, or by the other button.
    if set(st.session_state.get(key, ())) != set(chosen):
        st.session_state[key] = chosen
    follow(key, labels)
    st.multiselect(
        "Ask only these collections and documents",
        list(labels),
        key=key,
        format_func=lambda option: labels.get(option, ""),
        placeholder="Everything",
        filter_mode="contains",
        select_all=False,
        width=340,
        on_change=_keep_chosen,
        args=(chat, conversation_id, key),
    )


def _nothing_left(
    chat: LocalChat, conversation_id: str, scope: Scope, collections: Sequence[Collection]
) -> None:
    """What was chosen is empty by now: a sentence, and the way out."""
    names = [f"“{known.name}”" for known in collections if known.id in scope.collections]
    if names:
        said = f"There is nothing in {' and '.join(names)}, so nothing can be found."
    else:
        said = "What this chat asks is not in the library any more, so nothing can be found."
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f":orange[:material/warning:] {safe.plain(said)}", width="content")
        st.button(
            "Ask everything",
            key=f"everything-{conversation_id}",
            on_click=_keep,
            args=(chat, conversation_id, EVERYTHING),
        )


def _keep_chosen(chat: LocalChat, conversation_id: str, key: str) -> None:
    chosen: Sequence[Option | str] = st.session_state[key]
    options = [option for option in chosen if not isinstance(option, str)]
    # A label of before a renaming, from a list that is closed: nobody has chosen anything.
    if len(options) < len(chosen):
        return
    scope = Scope(
        sources=frozenset(i for kind, i in options if kind == "source"),
        collections=frozenset(i for kind, i in options if kind == "collection"),
    )
    _keep(chat, conversation_id, scope)


def _keep(chat: LocalChat, conversation_id: str, scope: Scope) -> None:
    chat.conversations.keep_scope(conversation_id, scope.to_json())


def _options(scope: Scope) -> list[Option]:
    return [
        *(("collection", i) for i in sorted(scope.collections)),
        *(("source", i) for i in sorted(scope.sources)),
    ]


def _labels(collections: Sequence[Collection], titles: Mapping[int, str]) -> dict[Option, str]:
    """What can be chosen, collections first."""
    return distinct(
        {
            **{("collection", known.id): f"{known.name} (collection)" for known in collections},
            **{("source", i): title for i, title in titles.items()},
        }
    )
