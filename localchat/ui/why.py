"""Under an answer: where and how its passages were looked for, and what stood in the way."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from localchat.core.text.language import guess_language
from localchat.ui import safe
from localchat.ui.models import words

if TYPE_CHECKING:
    from localchat.chat.answer import Answer, Search


def notices(answer: Answer) -> None:
    """What made the search worse than it could be, in a sentence with the way out."""
    search = answer.search
    if search is None:
        return
    if search.failure:
        st.caption(
            ":material/search_off: Your documents were searched by their words alone. "
            f"{safe.plain(search.failure)}"
        )
    elif search.untranslated and not _answers_as_asked(answer, search):
        _untranslated(answer, search)


def _answers_as_asked(answer: Answer, search: Search) -> bool:
    """Whether what answers is in the question's own language, whatever most documents are in."""
    best = answer.passage(answer.quotes[0].number) if answer.quotes else None
    return best is not None and guess_language(best.text) == search.language


def asked_nothing(answer: Answer) -> bool:
    """Whether there was no document to look in."""
    search = answer.search
    return search is not None and not search.of and not answer.passages


def draw(answer: Answer, key: object) -> None:
    """“Why these passages?”, folded; nothing under an answer of an earlier version."""
    search = answer.search
    if search is None or answer.state == "failed" or asked_nothing(answer):
        return
    # Its key keeps it open where the answer above it gets a line more.
    with st.expander(
        "Why these passages?", icon=":material/manage_search:", type="compact", key=f"why-{key}"
    ):
        st.caption("\n".join(f"- {line}" for line in explained(answer, search)))


def explained(answer: Answer, search: Search) -> list[str]:
    """The search in whole sentences, as Markdown."""
    lines = [_where(search)]
    lines += [
        f"Your question was translated to {words.language(translation.language)} for the search: "
        f"“{safe.plain(translation.text)}” Your own words were looked for, too."
        for translation in search.translations
    ]
    lines += [_how(search), _chosen(answer)]
    lines.append(f"The search took {_seconds(search.seconds)}.")
    return lines


def _where(search: Search) -> str:
    if search.sources is None:
        return "All your documents were searched."
    if search.sources == 1:
        return f"One of your {search.of} documents was searched, as you chose."
    return f"{search.sources} of your {search.of} documents were searched, as you chose."


def _how(search: Search) -> str:
    if search.failure:
        return "By words alone: the search by meaning did not work."
    if search.untranslated:
        known = words.languages((search.language, *search.untranslated))
        return f"Mostly by words: the search model in use does not know all of {known}."
    if search.by_meaning:
        return "By meaning and by words: passages that have both come first."
    unknown = [translation.language for translation in search.translations] or [search.language]
    return (
        f"Mostly by words: the search model in use hardly understands {words.languages(unknown)}."
    )


def _chosen(answer: Answer) -> str:
    found, given = len(answer.passages), len(answer.given)
    if not found:
        return "No passage was found."
    best = "The best passage was taken" if found == 1 else f"The best {found} passages were taken"
    if answer.by_quotes:
        return f"{best}; the answer is the sentences in them that fit your question."
    if given == found:
        return f"{best}, and the model was given {'it' if found == 1 else 'all of them'}."
    return f"{best}; the model was given {given}, which is what its context has room for."


def _seconds(seconds: float) -> str:
    if seconds >= 1:
        return f"{seconds:.1f} seconds"
    milliseconds = round(1000 * seconds)
    return "1 millisecond" if milliseconds == 1 else f"{milliseconds} milliseconds"


def _untranslated(answer: Answer, search: Search) -> None:
    """The question is in another language than the documents, and nothing knew both."""
    documents, asked = words.languages(search.untranslated), words.language(search.language)
    helps = _model_for({search.language, *search.untranslated})
    if helps and answer.by_quotes:
        todo = f" The search model {helps} does, or a chat model can translate your question."
    elif helps:
        todo = f" The search model {helps} does."
    else:
        todo = " A chat model can translate your question." if answer.by_quotes else ""
    st.caption(
        f":material/translate: You asked in {asked}, your documents are mostly in {documents}, and "
        f"the search model in use does not know both.{todo}"
    )
    st.page_link("pages/models.py", label="Go to the models", icon=":material/arrow_forward:")


def _model_for(languages: set[str]) -> str:
    """The smallest search model for these languages that can run here, as Markdown; empty where
    there is none."""
    from localchat.ui.resources import localchat

    chat = localchat()
    foreign = next(iter(sorted(languages - chat.library.meaning.languages)), None)
    card = chat.models.embedder_for(foreign) if foreign else None
    return safe.plain(card.entry.name) if card and languages <= set(card.entry.languages) else ""
