"""What options are called in a list that people choose from. Streamlit knows them by that alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping
from typing import TypeVar

import streamlit as st

Option = TypeVar("Option", bound=Hashable)


def distinct(labels: Mapping[Option, str]) -> dict[Option, str]:
    """The labels on one line each, and no two alike."""
    lines = {option: " ".join(label.split()) for option, label in labels.items()}
    times = Counter(lines.values())
    nth: Counter[str] = Counter()
    for option, line in lines.items():
        if times[line] > 1:
            nth[line] += 1
            lines[option] = f"{line} (no. {nth[line]})"
    return lines


def follow(key: str, labels: Mapping[Option, str]) -> None:
    """Call before the widget with that key is drawn: what is chosen stays chosen where its label
    has become another one, and is let go where it is no option any more."""
    known = f"labels of {key}"
    if st.session_state.get(known) == labels:
        return
    st.session_state[known] = dict(labels)
    chosen = st.session_state.get(key)
    if isinstance(chosen, list):
        st.session_state[key] = [option for option in chosen if option in labels]
    elif chosen is not None:
        st.session_state[key] = chosen if chosen in labels else None
