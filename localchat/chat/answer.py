"""An answer as it is shown, kept and printed: quotes, text, citations. Plain values."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

State = Literal["searching", "translating", "answering", "done", "stopped", "failed"]
ON_ITS_WAY = ("searching", "translating", "answering")


@dataclass(frozen=True)
class Passage:
    """A passage that was found, numbered as the model sees it."""

    number: int
    source_id: int
    title: str
    name: str
    address: str | None
    location: str
    anchor: str | None
    text: str
    similarity: float = 0.0

    @property
    def source(self) -> str:
        """The address or the file's name."""
        return self.address or self.name


@dataclass(frozen=True)
class Quote:
    """A sentence that answers: ``text`` is ``[start:end]`` of passage ``number``."""

    number: int
    start: int
    end: int
    text: str
    score: float


@dataclass(frozen=True)
class Citation:
    """A number in the answer that points to a passage. ``[start:end]`` of the passage's text is
    the sentence that supports what was said; both are None where no sentence clearly does."""

    number: int
    start: int | None
    end: int | None


@dataclass(frozen=True)
class Translation:
    """A question in another language, for the search."""

    language: str
    """ISO 639-1."""
    text: str


@dataclass(frozen=True)
class Search:
    """How the passages were looked for: what is told under “Why these passages?”."""

    language: str = ""
    """What the question seems to be written in, ISO 639-1."""
    translations: tuple[Translation, ...] = ()
    """What was looked for besides the question itself."""
    untranslated: tuple[str, ...] = ()
    """Languages of documents that were searched with a question which is in none of them, by an
    embedder that does not know both."""
    by_meaning: bool = True
    """Whether the embedder knows the language of what was looked for. Where it does not, the words
    decide."""
    failure: str = ""
    """Why there was no embedder at work, for people; empty: there was one."""
    sources: int | None = None
    """How many sources were looked in; None: all."""
    of: int = 0
    """How many there were."""
    seconds: float = 0.0
    """What it took, without the translation."""


@dataclass(frozen=True)
class Answer:
    """What there is of an answer so far."""

    state: State = "searching"
    by_quotes: bool = True
    model: str = ""
    text: str = ""
    thoughts: str = ""
    """What the model thought before it answered: never part of the answer."""
    sent: str = ""
    written: str = ""
    """What the model was given to read, and what it wrote where that is not ``text``: a later
    prompt repeats both to the letter, so that the model need not read them again."""
    quotes: tuple[Quote, ...] = ()
    passages: tuple[Passage, ...] = ()
    search: Search | None = None
    """None until the passages are there, and in answers of earlier versions."""
    citations: tuple[Citation, ...] = ()
    left_out: int = 0
    error: str = ""
    timings: dict[str, float] = field(default_factory=dict)
    """Seconds: ``quotes`` until they were shown, ``first_token``, ``total``."""
    usage: dict[str, int] = field(default_factory=dict)
    """Tokens: ``prompt_tokens``, of which ``kept_tokens`` needed no reading, ``answer_tokens``."""
    speed: float = 0.0
    """Tokens per second while writing."""
    cut_off: bool = False
    """Whether the answer reached the longest length that it may have."""

    @property
    def found_nothing(self) -> bool:
        """Whether no sentence of any passage answers the question, or supports what was said."""
        supported = any(citation.start is not None for citation in self.citations)
        return self.state == "done" and not self.quotes and not supported

    @property
    def given(self) -> tuple[Passage, ...]:
        """The passages that the model was given."""
        return self.passages[: len(self.passages) - self.left_out]

    def passage(self, number: int) -> Passage | None:
        """The passage with that number."""
        return next((p for p in self.passages if p.number == number), None)

    def to_json(self) -> str:
        return json.dumps(asdict(self), ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Answer:
        """What ``to_json`` wrote; fields that are missing get their defaults."""
        values: dict[str, Any] = json.loads(text)
        for name, kind in (("quotes", Quote), ("passages", Passage), ("citations", Citation)):
            values[name] = tuple(kind(**item) for item in values.get(name, ()))
        values["search"] = _search(values.get("search"))
        return cls(**values)


def _search(values: dict[str, Any] | None) -> Search | None:
    if values is None:
        return None
    translations = tuple(Translation(**item) for item in values["translations"])
    untranslated = tuple(values["untranslated"])
    return Search(**{**values, "translations": translations, "untranslated": untranslated})


@dataclass(frozen=True)
class Turn:
    """A question and its answer in a conversation."""

    id: int
    question: str
    answer: Answer
