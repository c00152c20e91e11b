"""Which language the documents are in, and whether the embedder knows it."""

from __future__ import annotations

import time

import pytest

from localchat.core.folder import DataFolder
from localchat.library.embedder import BUILT_IN
from localchat.library.languages import SAMPLE
from localchat.library.library import Library
from tests.library.kit import Shelf, WordEmbedder, add_text, long_text, opened

CHINESE = "绿茶采摘以后很快就蒸青，所以叶子保持绿色。龙井产于杭州西湖附近的山上。"
GERMAN = "Der Turm hat vierzig Stufen aus Holz, und die Lampe ist nicht an, weil es Tag ist."
ENGLISH = "The tower has forty steps of wood, and the lamp is not lit because it is day."


def test_an_empty_library_is_in_no_language(library: Library) -> None:
    assert library.language_advice() is None


@pytest.mark.parametrize(
    ("text", "language", "speaks"),
    [(CHINESE, "zh", False), (GERMAN, "de", False), (ENGLISH, "en", True)],
)
def test_the_language_of_the_documents_and_whether_the_embedder_knows_it(
    library: Library, text: str, language: str, speaks: bool
) -> None:
    add_text(library, "a.txt", text)
    advice = library.language_advice()
    assert advice is not None
    assert (advice.language, advice.share, advice.speaks) == (language, 1.0, speaks)
    assert advice.wants_another is not speaks


def test_a_few_foreign_documents_among_many_are_no_reason_for_another_embedder(
    library: Library,
) -> None:
    add_text(library, "long.md", long_text(30))
    add_text(library, "tea.txt", CHINESE)
    advice = library.language_advice()
    assert advice is not None
    assert (advice.language, advice.wants_another) == ("en", False)
    assert 0.9 < advice.share < 1


def test_what_is_added_or_removed_later_counts(library: Library) -> None:
    add_text(library, "a.txt", ENGLISH)
    tea = add_text(library, "tea.md", "\n\n".join(f"## 第{n}章\n\n{CHINESE}" for n in range(9)))
    advice = library.language_advice()
    assert advice is not None
    assert (advice.language, advice.wants_another) == ("zh", True)
    library.remove(tea.id)
    advice = library.language_advice()
    assert advice is not None
    assert (advice.language, advice.share) == ("en", 1.0)


def test_an_embedder_that_knows_the_language_settles_it(folder: DataFolder) -> None:
    both = Shelf(
        {
            BUILT_IN: WordEmbedder("old"),
            "many": WordEmbedder("many", languages=frozenset({"en", "zh"})),
        }
    )
    with opened(folder, both) as library:
        add_text(library, "tea.txt", CHINESE)
        library.change_embedder("many")
        end = time.monotonic() + 15
        while library.change is not None and time.monotonic() < end:
            time.sleep(0.02)
        advice = library.language_advice()
        assert advice is not None
        assert (advice.language, advice.speaks, advice.wants_another) == ("zh", True, False)


def test_a_large_library_is_sampled_from_its_first_chunk_to_its_last(library: Library) -> None:
    # Half of the chunks, and the second half of them, in another language.
    text = long_text(2 * SAMPLE) + "\n\n" + "\n\n".join(
        f"## 第{n}章\n\n{CHINESE * 8}" for n in range(2 * SAMPLE)
    )  # fmt: skip
    source = add_text(library, "both.md", text)
    assert source.passages > 2 * SAMPLE
    shares = library._languages.shares()
    assert set(shares) == {"en", "zh"}
    assert shares["zh"] == pytest.approx(0.5, abs=0.15)


# Into which languages a question has to be translated


def several(library: Library, **sections: int) -> dict[str, int]:
    """Adds a document in each of these languages with so many sections; their ids by language."""
    texts = {"en": ENGLISH, "de": GERMAN, "zh": CHINESE * 2}
    return {
        language: add_text(
            library,
            f"{language}.md",
            "\n\n".join(f"# {n}\n\n{texts[language] * 5}" for n in range(number)),
        ).id
        for language, number in sections.items()
    }


@pytest.mark.parametrize(
    ("question", "into"),
    [
        ("Where does green tea grow?", ("zh",)),
        ("Wo wächst der grüne Tee?", ("zh",)),
        ("緑茶はどこで育ちますか。", ("zh",)),
        ("龙井产于哪里？", ()),
        # Names, numbers and a word or two are the same in many languages.
        ("Longjing", ()),
        ("Longjing tea?", ()),
        ("Longjing Xihu Hangzhou 1949", ()),
        ("42", ()),
        ("?!", ()),
        ("", ()),
    ],
)
def test_a_question_in_another_language_than_the_documents_is_to_be_translated(
    library: Library, question: str, into: tuple[str, ...]
) -> None:
    several(library, zh=1)
    assert library.to_translate_into(question) == into


def test_a_question_in_the_language_of_a_fifth_of_the_documents_is_asked_as_it_is(
    library: Library,
) -> None:
    several(library, zh=5, en=5)
    assert library.to_translate_into("Where does green tea grow?") == ()
    assert set(library.to_translate_into("Wo wächst der grüne Tee?")) == {"en", "zh"}


def test_a_few_documents_in_its_own_language_do_not_keep_a_question_from_being_translated(
    library: Library,
) -> None:
    several(library, zh=12, en=1)
    assert library.to_translate_into("Where does green tea grow?") == ("zh",)


def test_only_the_documents_that_are_asked_count(library: Library) -> None:
    ids = several(library, zh=3, de=3, en=3)
    question = "Where does green tea grow?"
    assert library.to_translate_into(question) == ()
    assert library.to_translate_into(question, frozenset({ids["zh"]})) == ("zh",)
    foreign = library.to_translate_into(question, frozenset({ids["zh"], ids["de"]}))
    assert set(foreign) == {"zh", "de"}
    assert library.to_translate_into(question, frozenset({ids["en"], ids["de"]})) == ()
    assert library.to_translate_into(question, frozenset()) == ()


def test_an_embedder_that_knows_both_languages_needs_no_translation(folder: DataFolder) -> None:
    both = WordEmbedder("many", languages=frozenset({"en", "zh"}))
    with opened(folder, both) as library:
        several(library, zh=1)
        assert library.to_translate_into("Where does green tea grow?") == ()
        assert library.to_translate_into("Wo wächst der grüne Tee?") == ("zh",)


def test_an_empty_library_needs_no_translation(library: Library) -> None:
    assert library.to_translate_into("Where does green tea grow?") == ()
