"""The instant answer: the sentences that answer best, before any model has read a word.

A sentence that leans on the one before it ("It was built there in 1889") is quoted together with
it, so that a reader knows what it speaks of.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from langchain_core.documents import Document

from localchat.chat.answer import Quote
from localchat.core.evidence import Meaning
from localchat.core.floor import Found, may_answer
from localchat.core.sentence_ranking import AnswerSentence, answer_sentences
from localchat.core.text.language import guess_language
from localchat.core.text.sentences import sentence_spans

MOST = 3
WORTH_SHOWING = 0.02
"""Where one sentence answers by far best, the others are left out: those with less than this share
of its chance."""
WORTH_JOINING = 0.1
"""Neighbours become one quote where the one's chance is at least this share of the other's."""
LONGEST_BEFORE = 300
"""Characters: a longer sentence before the one that answers is not quoted with it."""
LONGEST_AFTER = 300
"""Characters that are quoted with a sentence that ends in a colon, at most: what it announces."""

# What points back at the sentence before, where it begins one.
_LEANS = re.compile(
    r"""(?: (?: it | its | they | their | them | he | his | him | she | her | this | that | these
            | those | such | there | then | here | both | however | but | so | thus | therefore
            | also | instead
            | er | sie | es | dies(?:e[rsmn]?)? | dort | damit | dabei | daher | jedoch
            | este | esta | esto | estos | estas | ese | esa | ello | ella | ellos | ellas | su
            | sus | allí
            | il | elle | ils | elles | ce | cet | cette | ces | celui-ci | celle-ci
            | он | она | оно | они | это | этот | эта | эти | там | его | её | их ) \b
        | 它 | 他 | 她 | 这 | 這 | 那 | 该 | 該 | 此 | 其 | 但 | 于是 | 因此 | 所以 | 并且 | 同时
        | 当时 | 随后 | 后来 | 之后
        | それ | これ | その | この | あの | 彼 | そこ | ここ | しかし | また
        | 그 | 이는 | 이것 | 이들 | 그러나
        | هو | هي | هم | هذا | هذه | ذلك | تلك
        | มัน | เขา | เธอ | นี่ | นั่น )""",
    re.VERBOSE | re.IGNORECASE,
)


def instant_answer(
    question: str, passages: Sequence[Document], meaning: Meaning, most: int = MOST
) -> list[Quote]:
    """The ``most`` sentences that answer best, the best first, each with the neighbours it needs.

    Args:
        question: As it was asked.
        passages: What the retriever found, in its order; ``metadata["score"]`` is the chance that
            a passage answers.
        meaning: The library's embedding model of the moment.
        most: Sentences that answer; those that come with them are not counted.

    Returns:
        Quotes, whose number is a passage's place in ``passages``, from 1. None where the passages
        seem to have nothing to do with the question.
    """
    if not _may_answer(question, passages, meaning):
        return []
    texts = [passage.page_content for passage in passages]
    chances = [float(passage.metadata["score"]) for passage in passages]
    quotes: list[Quote] = []
    said: set[str] = set()
    for sentence in answer_sentences(question, texts, chances, meaning):
        text = texts[sentence.passage]
        words = " ".join(text[sentence.start : sentence.end].split()).casefold()
        if words in said or (said and words in _names(passages[sentence.passage])):
            continue
        said.add(words)
        _add(quotes, text, sentence)
        if len(said) == most:
            break
    return quotes


def _names(passage: Document) -> set[str]:
    """What a passage is called. It adds nothing to a sentence, and stands on the button anyway."""
    known = passage.metadata
    names = (known["title"], re.split(" [›·] ", known["location"])[-1])
    return {" ".join(name.split()).casefold() for name in names}


def _may_answer(question: str, passages: Sequence[Document], meaning: Meaning) -> bool:
    language = guess_language(question)
    # The embedder first: one that fails now knows no language any more.
    meaning.embed_question(question)
    return may_answer(
        meaning.question(question),
        [Found.of(passage.page_content, passage.metadata) for passage in passages],
        meaning.floor(language),
        knows=language in meaning.languages,
    )


def worth_showing(quotes: Sequence[Quote]) -> list[Quote]:
    """``quotes``, of which the first is the best, without those that only fill the places."""
    return [quote for quote in quotes if quote.score >= WORTH_SHOWING * quotes[0].score]


def _add(quotes: list[Quote], text: str, sentence: AnswerSentence) -> None:
    """Sentences of one passage that follow each other become one quote, at the better one's place,
    unless one of them says far less; nothing is quoted twice."""
    number = sentence.passage + 1
    start = _start_with_what_it_needs(text, sentence.start)
    end = _end_with_what_it_announces(text, sentence.end)
    for place, known in enumerate(quotes):
        if known.number != number or not _touch(text, (start, end), (known.start, known.end)):
            continue
        if known.start <= sentence.start and sentence.end <= known.end:
            return
        if sentence.chance >= WORTH_JOINING * known.score:
            start, end = min(start, known.start), max(end, known.end)
            quotes[place] = Quote(number, start, end, text[start:end], known.score)
            return
        start = sentence.start
        if start < known.start:
            end = min(end, known.start)
    quotes.append(Quote(number, start, end, text[start:end], round(sentence.chance, 4)))


def _touch(text: str, one: tuple[int, int], other: tuple[int, int]) -> bool:
    """Whether nothing but spaces stands between two sentences of one paragraph."""
    first, second = sorted((one, other))
    between = text[first[1] : second[0]]
    return not between.strip() and "\n" not in between


def _start_with_what_it_needs(text: str, start: int) -> int:
    """Where the sentence at ``start`` begins, or the one before it, where it leans on that."""
    if not _LEANS.match(text, start):
        return start
    # Not beyond the paragraph: what stands there speaks of something else.
    paragraph = text.rfind("\n", 0, start) + 1
    before = sentence_spans(text[paragraph:start])
    if not before or start - paragraph - before[-1][0] > LONGEST_BEFORE:
        return start
    return paragraph + before[-1][0]


def _end_with_what_it_announces(text: str, end: int) -> int:
    """Where the sentence that ends at ``end`` is whole: behind a colon comes what it is about."""
    if not text[:end].rstrip().endswith((":", "：")):
        return end
    following = [stop for _, stop in sentence_spans(text[end:]) if stop <= LONGEST_AFTER]
    return end + max(following, default=0)
