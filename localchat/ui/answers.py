"""An answer on the screen: quotes, text, and a button for each citation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import streamlit as st

from localchat.ui import safe, why

if TYPE_CHECKING:
    from localchat.chat.answer import Answer, Citation, Passage, Quote

NOTHING = "Nothing in your documents seems to answer this."
NOTHING_IN_SCOPE = "Nothing in the documents that you chose to ask seems to answer this."
NO_DOCUMENTS = (
    "There is no document in your library that could be asked. Add one on the page “Library”, then "
    "ask again."
)
NEAREST = 4
"""Passages offered where none of them answers."""
LONG_BEFORE = 400
"""Characters before what is marked: more of them are folded."""
Spans = tuple[tuple[int, int], ...]


def draw(answer: Answer, key: object) -> None:
    """A finished answer. ``key`` makes its widgets' names differ from those of other turns."""
    from localchat.chat.answer import ON_ITS_WAY

    if answer.state in ON_ITS_WAY:
        st.warning("This answer was cut off when LocalChat closed. Ask again.")
        return
    if answer.by_quotes:
        _quotes(answer.quotes)
    elif answer.text:
        _thoughts(answer)
        st.markdown(safe.answer_markdown(answer.text))
    elif answer.state == "done":
        _thoughts(answer)
        st.markdown(_empty(answer))
    _ending(answer)
    _citations(answer, key)
    if answer.found_nothing:
        _nothing(answer, key)
    if not answer.by_quotes and answer.quotes and answer.state != "failed":
        with st.expander("The sentences that answer best", icon=":material/format_quote:"):
            _quotes(answer.quotes)
            _passage_buttons(answer, {quote.number for quote in answer.quotes}, f"{key}-quotes")
    why.notices(answer)
    why.draw(answer, key)
    st.caption(_footer(answer))


def draw_running(answer: Answer, phase: Any) -> None:
    """An answer on its way: the quotes stand above until the model has said something."""
    if answer.state == "translating":
        st.markdown(":shimmer[Translating your question for the search…]")
        return
    if answer.state == "searching":
        # A question that has to be translated first waits for the model.
        said = "Looking through your documents…" if phase is None else phase_text(phase)
        st.markdown(f":shimmer[{said}]")
        return
    if answer.quotes:
        st.caption("From your documents:")
        _quotes(answer.quotes)
    elif not answer.text:
        st.caption("No sentence in your documents stands out; the model reads what is nearest.")
    if answer.thoughts and not answer.text:
        st.caption(f":material/psychology: {safe.plain(_last_words(answer.thoughts))}")
    if answer.text:
        st.markdown(safe.answer_markdown(answer.text))
    if phase is not None:
        st.caption(f":shimmer[{phase_text(phase)}]")


def _thoughts(answer: Answer) -> None:
    """What the model thought first: folded, and never part of the answer."""
    if answer.thoughts:
        with st.expander("What the model thought", icon=":material/psychology:", type="compact"):
            st.html(safe.aside(answer.thoughts))


def _empty(answer: Answer) -> str:
    if answer.thoughts and answer.cut_off:
        return (
            "The model thought until its room was used up, and did not come to an answer. Make "
            "answers longer in the sidebar, or have it answer without thinking first."
        )
    helps = " The sentences below may help." if answer.quotes else ""
    return f"The model gave an empty answer.{helps}"


def _last_words(thoughts: str, most: int = 160) -> str:
    return thoughts if len(thoughts) <= most else "…" + thoughts[-most:].split(" ", 1)[-1]


def phase_text(phase: Any) -> str:
    """What the engine is doing, in words."""
    if phase.name == "waiting":
        return phase.note or "Waiting for the answer before this one…"
    if phase.name == "loading":
        share = f" {100 * phase.done // phase.total} %" if phase.total else ""
        return f"Loading the model…{share} {phase.note}".rstrip()
    if phase.name == "reading":
        count = f" {phase.done:,} of {phase.total:,} tokens" if phase.total else ""
        return f"Reading the passages…{count}"
    speed = f" {phase.per_second:,.0f} tokens/s" if phase.per_second else ""
    return f"Writing…{speed}"


def _quotes(quotes: Sequence[Quote]) -> None:
    for quote in quotes:
        st.html(safe.quote(quote.text, quote.number))


def _ending(answer: Answer) -> None:
    """How it ended, where that needs a word."""
    if answer.state == "failed":
        st.error(safe.plain(answer.error), icon=":material/error:")
        if answer.quotes and not answer.by_quotes:
            st.caption("Your documents still have something to say:")
            _quotes(answer.quotes)
    elif answer.state == "stopped":
        st.caption(":material/stop_circle: Stopped.")
    elif answer.cut_off and answer.text:
        st.caption(
            ":material/content_cut: It ends here because it reached the longest answer that is "
            "allowed. The sidebar can make answers longer."
        )
    if answer.left_out:
        st.caption(
            f":material/info: {answer.left_out} of {len(answer.passages)} passages did not fit "
            "into the model's context. A larger context size in the sidebar makes room."
        )


def _citations(answer: Answer, key: object) -> None:
    if not answer.citations:
        return
    with st.container(horizontal=True, gap="small"):
        for citation in answer.citations:
            passage = answer.passage(citation.number)
            if passage is not None:
                spans = _spans(answer, citation, quoted=answer.by_quotes)
                _button(passage, spans, f"{key}-{citation.number}")


def _spans(answer: Answer, citation: Citation, *, quoted: bool) -> Spans:
    """What is marked in a cited passage: every quote from it, or the sentence that supports what
    the model said."""
    if quoted:
        return tuple((q.start, q.end) for q in answer.quotes if q.number == citation.number)
    if citation.start is None or citation.end is None:
        return ()
    return ((citation.start, citation.end),)


def _nothing(answer: Answer, key: object) -> None:
    """Says that nothing answers, what to do, and offers what comes nearest."""
    if why.asked_nothing(answer):
        st.markdown(NO_DOCUMENTS)
        return
    within = answer.search is not None and answer.search.sources is not None
    said = NOTHING_IN_SCOPE if within else NOTHING
    todo = "Ask everything, try other words" if within else "Try other words"
    if answer.by_quotes:
        st.markdown(f"{said} {todo}, or add a document that does.")
    else:
        guess = " What the model says may be a guess." if answer.text else ""
        st.caption(f":material/search_off: {said}{guess} {todo}, or add a document that does.")
    nearest = [passage for passage in answer.passages if not _is_cited(passage, answer)][:NEAREST]
    if nearest:
        with (
            st.expander("The nearest passages", icon=":material/search:", type="compact"),
            st.container(horizontal=True, gap="small"),
        ):
            for passage in nearest:
                _button(passage, None, f"{key}-near-{passage.number}")


def _is_cited(passage: Passage, answer: Answer) -> bool:
    return any(citation.number == passage.number for citation in answer.citations)


def _passage_buttons(answer: Answer, numbers: set[int], key: str) -> None:
    from localchat.chat.citations import cite_quotes

    with st.container(horizontal=True, gap="small"):
        for citation in cite_quotes(answer.quotes):
            passage = answer.passage(citation.number)
            if passage is not None and citation.number in numbers:
                spans = _spans(answer, citation, quoted=True)
                _button(passage, spans, f"{key}-{citation.number}")


def _button(passage: Passage, spans: Spans | None, key: str) -> None:
    """Opens the passage; it is drawn only then. ``spans`` are marked in it; None: nothing cites
    it."""
    opened = st.popover(
        f"{safe.badge(passage.number)} {safe.plain(_label(passage))}",
        key=f"cite-{key}",
        on_change="rerun",
    )
    if not opened.open:
        return
    with opened:
        st.markdown(f"**{safe.plain(passage.title)}**")
        where = (passage.location, passage.source if passage.source != passage.title else "")
        st.caption(safe.plain(" · ".join(part for part in where if part)))
        _passage(passage.text, spans or ())
        if spans == ():
            st.caption("No single sentence clearly supports the statement: read the passage.")
        if passage.address:
            anchor = f"#{passage.anchor}" if passage.anchor else ""
            st.link_button(
                "Open the web page", passage.address + anchor, icon=":material/open_in_new:"
            )


def _label(passage: Passage) -> str:
    """The title, and the innermost heading or the page, short enough for a button."""
    where = passage.location.split(" › ")[-1]
    return " · ".join(_short(part, 30) for part in (passage.title, where) if part)


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


def _passage(text: str, spans: Spans) -> None:
    """The passage with what is marked in it. Much text before the marked paragraph is folded, so
    that the mark is in sight; a heading or the head of a table stays."""
    begin = text.rfind("\n", 0, min(spans)[0]) + 1 if spans else 0
    if begin > LONG_BEFORE:
        with st.expander("Earlier in this passage", type="compact"):
            st.html(safe.marked(text[:begin].strip()))
    else:
        begin = 0
    st.html(safe.marked(text[begin:], [(start - begin, end - begin) for start, end in spans]))


def _footer(answer: Answer) -> str:
    parts = [safe.plain(answer.model)]
    if "total" in answer.timings:
        parts.append(f"{answer.timings['total']:.1f} s")
    if answer.speed:
        parts.append(f"{answer.speed:,.0f} tokens/s")
    if answer.by_quotes and answer.quotes:
        parts.append("word for word from your documents")
    return " · ".join(parts)
