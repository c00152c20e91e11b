"""Which sentences answer a question. The embedder here knows three themes by their words."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
import pytest

from localchat.core.evidence import SHORTEST, Vectors, covered, rank_sentences
from localchat.core.text.width import width

THEMES = (("tea", "leaf", "steamed"), ("lamp", "light", "lighthouse"), ("bee", "flower", "honey"))


def embed(texts: Sequence[str]) -> Vectors:
    """How much of each theme, and a little of nothing, so that no vector is empty."""
    rows = [[*(sum(text.lower().count(w) for w in t) for t in THEMES), 0.3] for text in texts]
    vectors = np.array(rows, dtype=np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


ENGLISH = frozenset({"en"})


def test_the_sentence_that_answers_comes_first_with_its_exact_place() -> None:
    passages = ["Bees dance. A bee finds the flower.", "It is old. The lamp turns in ten seconds."]
    best = rank_sentences("How fast does the lamp turn?", passages, embed, ENGLISH)[0]
    assert (best.passage, best.text) == (1, "The lamp turns in ten seconds.")
    assert passages[1][best.start : best.end] == best.text
    assert 0 < best.words_covered <= 1


def test_spans_are_exact_whatever_the_text() -> None:
    chance = random.Random(5)
    parts = ["tea ", "lamp. ", "Bee! ", "绿茶。", "\n", '"Why?" ', "(see 1.) ", "🐛 ", "e.g. ", "é"]
    for _ in range(100):
        passages = ["".join(chance.choices(parts, k=30)) for _ in range(3)]
        ranked = rank_sentences("Which tea has a lamp?", passages, embed, ENGLISH)
        for found in ranked:
            assert passages[found.passage][found.start : found.end] == found.text
            assert width(found.text) >= SHORTEST
        assert [s.score for s in ranked] == sorted((s.score for s in ranked), reverse=True)


@pytest.mark.parametrize("passages", [[], [""], ["1.", "No."]])
def test_nothing_long_enough_is_no_evidence_and_costs_no_embedding(passages: list[str]) -> None:
    def never(_: Sequence[str]) -> Vectors:
        raise AssertionError

    assert rank_sentences("Why?", passages, never, ENGLISH) == []


def test_a_question_in_the_text_seldom_answers_one() -> None:
    passages = ["How old is the lamp of the lighthouse? The lamp is ninety years old now."]
    best = rank_sentences("How old is the lamp?", passages, embed, ENGLISH)[0]
    assert best.text == "The lamp is ninety years old now."


def test_in_a_language_that_the_embedder_does_not_know_the_words_decide() -> None:
    passages = ["Der Turm hat vierzig Stufen aus Holz.", "lamp lamp lamp und noch eine lamp hier."]
    question = "Wie viele Stufen hat der Turm mit der lamp und was ist das?"
    known = rank_sentences(question, passages, embed, frozenset({"de"}))
    unknown = rank_sentences(question, passages, embed, ENGLISH)
    assert (known[0].passage, unknown[0].passage) == (1, 0)


def test_a_better_passage_breaks_the_tie() -> None:
    passages = ["The lamp turns slowly.", "The lamp turns slowly."]
    ranked = rank_sentences("lamp", passages, embed, ENGLISH, known_scores=[0.1, 1.0])
    assert ranked[0].passage == 1


def test_rare_words_count_more_than_common_ones() -> None:
    texts = ["the tea is hot", "the tea is cold", "the tea is old", "the kettle is hot"]
    shares = covered("tea kettle", texts)
    assert shares[3] > shares[0] == shares[1]
    assert covered("tea", ["tea", "nothing"]) == [1.0, 0.0]
    assert covered("", ["tea"]) == [0.0]
