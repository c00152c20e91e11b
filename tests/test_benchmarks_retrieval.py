"""The retrieval benchmark: what it reads, how it counts, and both pipelines on a small set."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from benchmarks import retrieval
from benchmarks._retrieval_measures import Ranked, beginning, cost, cut, judge, quality, times
from benchmarks._retrieval_ours import file_name
from benchmarks._retrieval_table import lines_of
from benchmarks._sets import (
    Document,
    Question,
    find_files,
    merged,
    read_set,
    read_sets,
)

LIGHTHOUSE = [
    (
        "The lighthouse at Cape Anna was built in 1874 by the engineer Maria Lund. Its lamp burned "
        "whale oil for thirty years.",
        [
            ("Who built the lighthouse at Cape Anna?", "Maria Lund"),
            ("What did the lamp burn?", "whale oil"),
        ],
    ),
    (
        "A keeper lived at Cape Anna until 1962. The last keeper, Otto Berg, wrote a diary of "
        "4,000 pages.",
        [("Who was the last keeper?", "Otto Berg")],
    ),
]
TEA = [
    (
        "Green tea is steamed soon after it is picked, so that the leaves stay green.",
        [("When is green tea steamed?", "soon after it is picked")],
    ),
    (
        "Black tea is left to oxidise fully before it is dried.",
        [("Which tea oxidises?", "Black tea")],
    ),
]
CHINESE = [
    ("龙井产于杭州西湖附近的山上。", [("龙井产于哪里？", "杭州西湖")]),
    ("红茶要完全发酵。", [("哪种茶完全发酵？", "红茶")]),
]


def article(title: str, paragraphs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    return {"title": title, "paragraphs": [paragraph(title, *one) for one in paragraphs]}


def paragraph(title: str, context: str, asked: Sequence[tuple[str, str]]) -> dict[str, Any]:
    questions = [
        {"id": f"{title} {question}", "question": question, "answers": [{"text": answer}]}
        for question, answer in asked
    ]
    return {"context": context, "qas": questions}


def write(path: Path, *articles: dict[str, Any]) -> Path:
    path.write_text(json.dumps({"version": "1", "data": articles}), encoding="utf-8")
    return path


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """Six documents of three articles, and a question that none of them answers."""
    lighthouse = article("Cape Anna", LIGHTHOUSE)
    lighthouse["paragraphs"][0]["qas"].append(
        {"question": "Who painted it red?", "answers": [], "is_impossible": True}
    )
    return write(
        tmp_path / "small.json", lighthouse, article("Tea", TEA), article("茶: red/green", CHINESE)
    )


def asked(*answers: str) -> Question:
    return Question("id", "?", document=3, article=0, answers=frozenset(answers))


# Reading sets


def test_each_context_is_a_document_with_its_articles_title(small: Path) -> None:
    known = read_set(small, "small")
    assert [document.title for document in known.documents][1:3] == ["Cape Anna", "Tea"]
    assert known.articles[1] == ("Tea", frozenset({2, 3}))
    assert [q.text for q in known.impossible] == ["Who painted it red?"]
    assert len(known.questions) == 7
    keeper = known.questions[2]
    assert (keeper.document, keeper.article, keeper.answers) == (1, 0, frozenset({"otto berg"}))


def test_the_same_text_in_two_articles_is_one_document(tmp_path: Path) -> None:
    both = write(tmp_path / "two.json", article("A", TEA), article("B", TEA[:1]))
    known = read_set(both, "two")
    assert len(known.documents) == 2
    assert known.articles == (("A", frozenset({0, 1})), ("B", frozenset({0})))
    assert [q.document for q in known.questions] == [0, 1, 0]


def test_sets_are_merged_without_mixing_up_documents_and_articles(tmp_path: Path) -> None:
    files = [
        write(tmp_path / "a.json", article("Tea", TEA), article("Cape Anna", LIGHTHOUSE)),
        write(tmp_path / "b.json", article("茶", CHINESE), article("Tea again", TEA[1:])),
    ]
    sets = read_sets(files)
    together = merged(sets)
    assert (together.name, len(together.documents)) == ("merged", 6)
    before = [(one, question) for one in sets for question in one.questions]
    for (one, old), new in zip(before, together.questions, strict=True):
        assert together.documents[new.document].text == one.documents[old.document].text
        assert together.articles[new.article][0] == one.articles[old.article][0]
        assert new.document in together.articles[new.article][1]


def test_halves_are_the_same_each_time_and_make_the_whole(small: Path) -> None:
    known = read_set(small, "small")
    first, second = (known.chosen(half, None) for half in ("first", "second"))
    assert first == read_set(small, "small").chosen("first", None)
    assert first.documents == second.documents == known.documents
    assert {*first.questions, *second.questions} == set(known.questions)
    assert not {*first.questions} & {*second.questions}
    assert first.questions
    assert second.questions


def test_a_limit_draws_the_same_sample_and_keeps_all_documents(small: Path) -> None:
    known = read_set(small, "small")
    drawn = known.chosen("all", 3)
    assert len(drawn.questions) == 3
    assert drawn == known.chosen("all", 3)
    assert drawn.documents == known.documents
    assert known.chosen("all", 100).questions == known.questions


def test_a_folder_gives_its_sets_and_leaves_out_other_files(
    small: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small.with_name("notes.json").write_text('{"a": 1}')
    small.with_name("broken.json").write_text("{")
    assert find_files([small.parent, small]) == [small]
    assert "notes.json is left out" in capsys.readouterr().err


@pytest.mark.parametrize("content", ["{", "[]", '{"data": 3}', '{"data": [{}]}', '{"data": []}'])
def test_a_named_file_that_is_no_set_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str
) -> None:
    file = tmp_path / "x.json"
    file.write_text(content)
    assert retrieval.main(["--data", str(file)]) == 1
    assert str(file) in capsys.readouterr().err


def test_a_file_that_is_not_there_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert retrieval.main(["--data", "nowhere.json"]) == 1
    assert "There is no file and no folder “nowhere.json”." in capsys.readouterr().err


def test_without_sets_it_says_what_to_give(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(retrieval, "DEFAULT", tmp_path / "nowhere")
    assert retrieval.main([]) == 1
    assert "--data" in capsys.readouterr().err


def test_two_files_of_one_name_stay_apart(tmp_path: Path) -> None:
    for folder in ("old", "new"):
        (tmp_path / folder).mkdir()
        write(tmp_path / folder / "tea.json", article("Tea", TEA))
    files = [tmp_path / folder / "tea.json" for folder in ("old", "new")]
    assert [one.name for one in read_sets(files)] == ["old/tea", "new/tea"]


def test_foreign_questions_are_in_the_same_language_and_about_other_articles(
    tmp_path: Path,
) -> None:
    files = [
        write(tmp_path / "a.json", article("Tea", TEA)),
        write(tmp_path / "b.json", article("茶", CHINESE)),
        write(tmp_path / "c.json", article("TEA", TEA), article("Cape Anna", LIGHTHOUSE)),
    ]
    sets = read_sets(files)
    assert {q.text for q in retrieval.foreign_questions(sets, 0)} == {
        question for _, asked in LIGHTHOUSE for question, _ in asked
    }
    assert retrieval.foreign_questions(sets, 1) == ()


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("AC/DC: live?", "AC DC live.txt"),
        ("..", "document.txt"),
        ("example.com", "example.com.txt"),
        ("茶" * 200, "茶" * 80 + ".txt"),
    ],
)
def test_a_title_becomes_a_files_name(title: str, name: str) -> None:
    assert file_name(Document(title, "text")) == name


# Measures


def test_a_hit_is_an_answer_in_a_passage_of_the_right_document() -> None:
    wrong = Ranked(1, "Maria Lund built another one.")
    right = Ranked(3, "It was built by ＭＡＲＩＡ\n  Lund.")
    assert judge(asked("maria lund"), [wrong, Ranked(3, "It was built."), right]).rank == 3
    assert judge(asked("otto", "maria lund"), [right]).rank == 1
    assert judge(asked("maria lund"), [wrong, Ranked(None, "Maria Lund")]).rank is None


def test_tokens_are_counted_by_one_rule() -> None:
    assert cost("abcd" * 10) == 10
    assert cost("茶はお茶") == 4
    assert cost("tea 茶") == 2
    assert cut("abcdefgh", 1) == "abcd"
    assert cut("茶茶茶", 2) == "茶茶"
    assert cut("ab茶", 1) == "ab"
    assert cut("short", 100) == "short"


def test_an_answer_counts_only_as_far_as_the_budget_goes() -> None:
    filler = Ranked(1, "x" * 4 * 250)
    assert judge(asked("answer"), [filler, Ranked(3, "the answer")]).within == {256, 512, 1024}
    assert judge(asked("answer"), [filler, Ranked(3, "x" * 20 + " answer")]).within == {512, 1024}
    assert judge(asked("answer"), [filler] * 4 + [Ranked(3, "the answer")]).within == {1024}
    assert judge(asked("answer"), [filler] * 5 + [Ranked(3, "the answer")]).within == set()


def test_measures_are_percentages_of_all_questions() -> None:
    texts = [Ranked(1, "no")] * 4
    outcomes = [
        judge(asked("yes"), [Ranked(3, "yes")]),
        judge(asked("yes"), [*texts, Ranked(3, "yes")]),
        judge(asked("yes"), texts),
    ]
    assert quality(outcomes) == {
        "hit@1": 33.3,
        "hit@4": 33.3,
        "hit@10": 66.7,
        "mrr@10": 40.0,
        "tokens256": 66.7,
        "tokens512": 66.7,
        "tokens1024": 66.7,
    }


def test_an_answer_cut_after_some_sentences_counts_neighbours_too() -> None:
    quotes = [Ranked(1, "It stood there. It was built in 1874."), Ranked(3, "It burned oil.")]
    assert beginning(quotes, 1) == [Ranked(1, "It stood there.")]
    assert beginning(quotes, 2) == quotes[:1]
    assert beginning(quotes, 3) == quotes
    assert beginning([], 3) == []


def test_times_are_told_in_milliseconds() -> None:
    seconds = [n / 1000 for n in range(1, 101)]
    assert times("query", seconds) == {"query_ms_p50": 50.5, "query_ms_p95": 95.0}
    assert times("query", [0.002]) == {"query_ms_p50": 2.0, "query_ms_p95": 2.0}
    assert times("query", []) == {"query_ms_p50": None, "query_ms_p95": None}


# Both pipelines


QUALITY = ["hit@1", "hit@4", "hit@10", "mrr@10", "tokens256", "tokens512", "tokens1024"]
INSTANT = ["instant1", "instant2", "instant3"]


def measured(tmp_path: Path, *argv: str) -> dict[str, Any]:
    target = tmp_path / "numbers.json"
    assert retrieval.main([*argv, "--json", str(target)]) == 0
    sets: dict[str, Any] = json.loads(target.read_text(encoding="utf-8"))["sets"]
    return sets


def test_both_pipelines_find_what_is_there(
    search_model: None, small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sets = measured(tmp_path, "--data", str(small))
    assert list(sets) == ["small"]
    assert list(sets["small"]) == ["tutorial", "localchat"]
    tutorial, ours = sets["small"]["tutorial"], sets["small"]["localchat"]
    assert [key for key in tutorial if key in QUALITY] == QUALITY
    assert [key for key in ours if key in QUALITY + INSTANT] == QUALITY + INSTANT
    assert (ours["hit@4"], ours["tokens256"], ours["instant3"]) == (100.0, 100.0, 100.0)
    # Six documents in all: the ten nearest of the tutorial are everything there is.
    assert (tutorial["hit@10"], tutorial["chunks"], tutorial["documents"]) == (100.0, 6, 6)
    assert (ours["questions"], ours["answerable_refused"], ours["foreign_refused"]) == (7, 0, None)
    assert ours["unanswerable_refused"] in (0.0, 100.0)
    for numbers in (tutorial, ours):
        assert 0 < numbers["query_ms_p50"] <= numbers["query_ms_p95"]
        assert numbers["index_bytes_per_500"] > 0
    printed = capsys.readouterr()
    assert "small: 7 questions, 6 documents" in printed.out
    assert max(map(len, printed.out.splitlines())) <= 100
    assert "small, LocalChat: indexing 6 documents" in printed.err


def test_scoped_questions_see_only_their_own_article(search_model: None, tmp_path: Path) -> None:
    """The same text with another answer's name in each: only the scope tells them apart."""
    same = "The owner may be asked by letter. The owner of this site is {}."
    sites = [
        article(name, [(same.format(owner), [("Who is the owner of this site?", owner)])])
        for name, owner in (("a", "Maria Lund"), ("b", "Otto Berg"), ("c", "Ada Kerr"))
    ]
    sets = measured(tmp_path, "--scoped", "--data", str(write(tmp_path / "sites.json", *sites)))
    assert list(sets) == ["sites scoped"]
    for numbers in sets["sites scoped"].values():
        assert (numbers["hit@1"], numbers["mrr@10"]) == (100.0, 100.0)


def test_merged_is_one_more_set_over_all_documents(search_model: None, tmp_path: Path) -> None:
    files = [
        str(write(tmp_path / "tea.json", article("Tea", TEA))),
        str(write(tmp_path / "cape.json", article("Cape Anna", LIGHTHOUSE))),
    ]
    sets = measured(tmp_path, "--merged", "--data", *files)
    assert list(sets) == ["tea", "cape", "merged"]
    for numbers in sets["merged"].values():
        assert (numbers["documents"], numbers["questions"]) == (4, 5)
    assert sets["tea"]["localchat"]["foreign_refused"] is not None
    assert sets["merged"]["localchat"]["foreign_refused"] is None


def test_a_row_without_numbers_is_left_out() -> None:
    numbers = {"questions": 1, "documents": 1, "hit@1": 50.0, "foreign_refused": None}
    lines = lines_of({"x": {"tutorial": numbers, "localchat": numbers}})
    assert any("first passage" in line for line in lines)
    assert not any("another set" in line for line in lines)
