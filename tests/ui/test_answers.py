"""An answer on the page: why these passages, what stood in the way, and what is nearest."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from localchat.chat.answer import Answer, Citation, Passage, Quote, Search, Translation
from tests.ui.conftest import said

if TYPE_CHECKING:
    from streamlit.testing.v1 import AppTest

TEXT = "The lamp of the tower turns once in ten seconds. It is old."
PASSAGES = tuple(
    Passage(n, n, f"Title {n}", f"file{n}.txt", None, "", None, f"{TEXT} Number {n}.")
    for n in range(1, 7)
)
QUOTED = Answer(
    "done",
    model="Quotes only",
    quotes=(Quote(1, 0, 48, TEXT[:48], 0.9),),
    passages=PASSAGES,
    citations=(Citation(1, 0, 48),),
    search=Search(language="en", seconds=0.034),
    timings={"total": 0.5},
)
WRITTEN = replace(QUOTED, by_quotes=False, model="Otter 4B", text="Ten seconds [1].")
NOTHING = replace(QUOTED, quotes=(), citations=())


def _draw(stored: str) -> None:
    from localchat.chat.answer import Answer
    from localchat.ui import answers

    answers.draw(Answer.from_json(stored), 1)


def _draw_running(stored: str, phase: object) -> None:
    from localchat.chat.answer import Answer
    from localchat.ui import answers

    answers.draw_running(Answer.from_json(stored), phase)


def drawn(answer: Answer) -> AppTest:
    from streamlit.testing.v1 import AppTest

    tab = AppTest.from_function(_draw, args=(answer.to_json(),), default_timeout=20).run()
    assert not tab.exception
    return tab


def why(answer: Answer) -> str:
    tab = drawn(answer)
    [found] = [e for e in tab.expander if e.label == "Why these passages?"]
    return "\n".join(str(element.value) for element in found.caption).replace("\\", "")


def test_under_an_answer_stands_how_its_passages_were_found() -> None:
    text = why(QUOTED)
    assert "All your documents were searched." in text
    assert "By meaning and by words" in text
    assert "The best 6 passages were taken" in text
    assert "The search took 34 milliseconds." in text
    quick = replace(QUOTED, search=Search(seconds=0.0011))
    assert "The search took 1 millisecond." in why(quick)


@pytest.mark.parametrize(
    ("search", "text"),
    [
        (Search(sources=2, of=14), "2 of your 14 documents were searched, as you chose."),
        (Search(sources=1, of=14), "One of your 14 documents was searched, as you chose."),
        (
            Search(language="en", translations=(Translation("de", "Wann *dreht* sie sich?"),)),
            "translated to German for the search: “Wann *dreht* sie sich?”",
        ),
        (Search(language="zh", by_meaning=False), "hardly understands Chinese"),
        (
            Search(language="en", translations=(Translation("de", "Wann?"),), by_meaning=False),
            "hardly understands German",
        ),
        (Search(failure="It is broken.", by_meaning=False), "By words alone"),
    ],
    ids=[
        "some",
        "one",
        "translated",
        "unknown language",
        "unknown documents",
        "no embedder",
    ],
)
def test_it_says_what_was_different_this_time(search: Search, text: str) -> None:
    assert text in why(replace(QUOTED, search=search))


def test_it_says_how_many_passages_the_model_was_given() -> None:
    assert "the model was given all of them" in why(WRITTEN)
    assert "the model was given 4," in why(replace(WRITTEN, left_out=2))


def test_an_answer_of_an_earlier_version_has_no_why() -> None:
    tab = drawn(replace(QUOTED, search=None))
    assert "Why these passages?" not in [e.label for e in tab.expander]


def test_where_the_search_model_failed_the_answer_says_so_with_what_to_do() -> None:
    reason = "The search model is not on this computer. Fetch it again."
    text = said(drawn(replace(QUOTED, search=Search(failure=reason, by_meaning=False))))
    assert f"Your documents were searched by their words alone. {reason}" in text
    assert "by their words alone" not in said(drawn(QUOTED))


def test_where_nothing_answers_the_nearest_passages_are_offered() -> None:
    tab = drawn(NOTHING)
    assert "Nothing in your documents seems to answer this. Try other words" in said(tab)
    assert "The nearest passages" in [e.label for e in tab.expander]
    tab.session_state["cite-1-near-2"] = True
    tab.run()
    assert f"{TEXT} Number 2." in said(tab)


def test_where_only_some_documents_were_asked_it_says_those() -> None:
    text = said(drawn(replace(NOTHING, search=Search(sources=1, of=3))))
    assert "Nothing in the documents that you chose to ask seems to answer this." in text
    assert "Ask everything" in text


def test_without_any_passage_there_is_nothing_to_offer() -> None:
    tab = drawn(replace(NOTHING, passages=(), search=Search(of=3)))
    assert "Nothing in your documents seems to answer this" in said(tab)
    assert "The nearest passages" not in [e.label for e in tab.expander]
    assert "No passage was found." in said(tab)


def test_an_empty_library_is_called_empty() -> None:
    tab = drawn(replace(NOTHING, passages=(), search=Search(of=0)))
    assert "There is no document in your library that could be asked." in said(tab)
    assert "seems to answer" not in said(tab)
    assert not tab.expander


def opened(answer: Answer, key: str) -> str:
    """What a citation's button opens."""
    tab = drawn(answer)
    tab.session_state[key] = True
    tab.run()
    [passage] = [body for h in tab.get("html") if "<mark" in (body := h.proto.body)]
    return str(passage)


def test_every_sentence_that_is_quoted_from_a_passage_is_marked_in_it() -> None:
    quotes = (Quote(1, 49, 59, TEXT[49:], 0.9), Quote(1, 0, 48, TEXT[:48], 0.8))
    shown = opened(replace(QUOTED, quotes=quotes, citations=(Citation(1, 49, 59),)), "cite-1-1")
    assert re.findall("<mark[^>]*>(.*?)</mark>", shown) == [TEXT[:48], TEXT[49:]]


def test_a_model_s_statement_has_its_one_sentence_marked() -> None:
    quotes = (Quote(1, 49, 59, TEXT[49:], 0.9),)
    shown = opened(replace(WRITTEN, quotes=quotes), "cite-1-1")
    assert re.findall("<mark[^>]*>(.*?)</mark>", shown) == [TEXT[:48]]


@pytest.mark.parametrize(("lines", "folded"), [(1, False), (60, True)], ids=["few", "many"])
def test_the_head_of_a_table_is_in_sight_and_much_text_before_a_mark_is_folded(
    lines: int, folded: bool
) -> None:
    text = "Server | City\n" + "alpha | Oslo\n" * lines + "beta | Lima"
    start = text.index("beta")
    passage = replace(PASSAGES[0], text=text)
    quotes = (Quote(1, start, len(text), text[start:], 0.9),)
    citations = (Citation(1, start, len(text)),)
    answer = replace(QUOTED, passages=(passage,), quotes=quotes, citations=citations)
    assert ("Server" not in opened(answer, "cite-1-1")) == folded


def test_an_answer_in_the_question_s_language_needs_no_other_search_model() -> None:
    german = "Die Heizung wurde 2019 durch eine Wärmepumpe ersetzt. Sie steht im Keller."
    passage = replace(PASSAGES[0], text=german)
    quotes = (Quote(1, 0, 53, german[:53], 0.9),)
    search = Search(language="de", untranslated=("en",), by_meaning=False, of=9)
    found = replace(QUOTED, passages=(passage,), quotes=quotes, search=search)
    assert "You asked in German" not in said(drawn(found))


def test_what_a_model_says_without_support_is_shown_and_called_a_guess() -> None:
    unsupported = (Citation(1, None, None),)
    guess = replace(WRITTEN, quotes=(), citations=unsupported)
    tab = drawn(guess)
    assert "Ten seconds :green-badge[1]." in said(tab)
    assert "What the model says may be a guess." in said(tab)
    assert "may be a guess" not in said(drawn(WRITTEN))


def test_a_statement_with_a_marked_sentence_is_no_guess() -> None:
    """The quotes were too careful; the model found it."""
    supported = replace(WRITTEN, quotes=())
    assert "may be a guess" not in said(drawn(supported))


@pytest.mark.parametrize("state", ["stopped", "failed"])
def test_an_answer_that_did_not_end_is_not_said_to_have_found_nothing(state: Any) -> None:
    assert "seems to answer" not in said(drawn(replace(NOTHING, state=state, error="Oh.")))


def test_while_the_question_is_translated_the_page_says_so() -> None:
    from streamlit.testing.v1 import AppTest

    from localchat.engines.base import Phase

    def running(state: Any, phase: Phase | None) -> str:
        answer = Answer(state, by_quotes=False).to_json()
        return said(AppTest.from_function(_draw_running, args=(answer, phase)).run())

    assert "Translating your question" in running("translating", None)
    assert "Loading the model… 50 %" in running("searching", Phase("loading", 500, 1000))
    assert "Looking through your documents" in running("searching", None)


def test_the_other_language_is_told_with_the_model_that_would_help(
    window: Callable[[], Any], until: Any
) -> None:
    from localchat.ui.resources import localchat

    tab = until(window(), lambda tab: "one source" in said(tab))
    library = localchat().library
    guide = library.sources()[0].id
    added = library.add_file("茶.md", ("绿茶采摘以后很快就蒸青，所以叶子保持绿色。" * 20).encode())
    library.wait([added.source_id or 0])
    library.remove(guide)
    tab.run()
    tab.chat_input[0].set_value("When is the green tea steamed?").run()
    until(tab, lambda tab: tab.chat_message and not any(b.label == "Stop" for b in tab.button))
    assert "You asked in English, your documents are mostly in Chinese" in said(tab)
    helps = localchat().models.embedder_for("zh")
    assert helps is not None
    assert f"The search model {helps.entry.name} does" in said(tab)
    assert "does not know all of English and Chinese" in said(tab)
    assert "Go to the models" in [link.proto.label for link in tab.get("page_link")]
