"""What is an entry of a list of references, and what only looks like one."""

from __future__ import annotations

import pytest

from localchat.core.references import is_list_of_references, is_reference


@pytest.mark.parametrize(
    "sentence",
    [
        "[17] Zhang et al. “Automatic chain of thought.” arXiv preprint arXiv:2210.03493.",
        "[8] Ashish Vaswani, et al. “Attention is all you need.” NIPS 2017.",
        "[2] “Neural Machine Translation (seq2seq) Tutorial”",
        "Lin, J. (2019). The neural hype. ACM SIGIR Forum, Vol. 52, pp. 40-51.",
        "Gale, Hooker: The State of Sparsity. arXiv:1902.09574 (2019). | code",
        "Smith, A. On kettles. doi:10.1000/182, 2004.",
    ],
)
def test_an_entry_is_known_by_its_number_or_its_end(sentence: str) -> None:
    assert is_reference(sentence)


@pytest.mark.parametrize(
    "sentence",
    [
        "Chain-of-thought prompting (Wei et al. 2022) generates a sequence of short sentences.",
        "[3] The tower was closed.",
        "12. In 1999 the town built a bridge.",
        "The bridge was opened in 1999.",
        "The paper (arXiv:2210.03493) shows how a model can check what it wrote.",
        "Read pp. 12-14 before you start the boiler.",
        "",
    ],
)
def test_a_sentence_that_cites_or_counts_is_none(sentence: str) -> None:
    assert not is_reference(sentence)


@pytest.mark.parametrize(
    "headings",
    ["References", "Attention › References", "7. REFERENCES", "论文 › 参考文献", "Literatur:"],
)
def test_a_list_is_known_by_its_heading_in_many_languages(headings: str) -> None:
    assert is_list_of_references(headings, ["The kettle book."])


def test_without_a_heading_it_is_known_by_most_of_its_entries() -> None:
    entries = ["[1] Lee et al. “Tea.” 2019.", "[2] Kim et al. “Cups.” 2020.", "See there."]
    assert is_list_of_references("", entries)
    assert not is_list_of_references("Tea", ["Tea is steamed.", "Lee et al. (2019) tried."])
    assert not is_list_of_references("", [])
