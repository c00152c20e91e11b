"""How often the passage with the answer is found, on real questions: LangChain's tutorial and ours.

    python3 start.py bench retrieval [--data FILE_OR_FOLDER…] [--merged] [--scoped]
                                     [--half first|second|all] [--limit N] [--json FILE]

``--data`` takes question sets in SQuAD's format; without it, those in ``../shared/eval`` are taken
where they are. Each ``context`` is a document of its own. README.md in this folder says how the
numbers are counted. The JSON is ``{"sets": {NAME: {"tutorial": {…}, "localchat": {…}}}, …}``.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks._report import add_json_option, hand_over
from benchmarks._retrieval_measures import MOST, TOKEN_RULE
from benchmarks._retrieval_table import lines_of
from benchmarks._sets import (
    HALVES,
    NotASet,
    Question,
    QuestionSet,
    find_files,
    merged,
    read_sets,
)
from localchat.core.errors import LocalChatError
from localchat.core.text.language import guess_language

DEFAULT = Path(__file__).resolve().parents[2] / "shared" / "eval"
FOREIGN = 200
"""Questions at most that are asked of another set."""


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print; returns the exit code."""
    options = _parser().parse_args(argv)
    try:
        return _measure(options)
    except (NotASet, LocalChatError) as error:
        print(error, file=sys.stderr)
    except ImportError as error:
        print(
            f"The tutorial's pipeline needs a package that is not here ({error}). "
            "Run `python3 start.py --repair`, which installs everything again.",
            file=sys.stderr,
        )
    return 1


def foreign_questions(sets: Sequence[QuestionSet], place: int) -> tuple[Question, ...]:
    """Questions of the next set in the same language, about no article that this set has; none
    where there is no such set."""
    here = sets[place]
    titles = {title.casefold() for title, _ in here.articles}
    for other in (*sets[place + 1 :], *sets[:place]):
        if _language(other) == _language(here):
            about = [title.casefold() for title, _ in other.articles]
            others = tuple(q for q in other.questions if about[q.article] not in titles)
            if others:
                return replace(other, questions=others).chosen("all", FOREIGN).questions
    return ()


def _measure(options: argparse.Namespace) -> int:
    from benchmarks._retrieval_run import measure

    files = find_files(options.data or ([DEFAULT] if DEFAULT.is_dir() else []))
    if not files:
        raise NotASet(
            "There is nothing to measure with. Name files in SQuAD's format, or folders of them: "
            "--data dev-v2.0.json"
        )
    sets = [one.chosen(options.half, options.limit) for one in read_sets(files)]
    foreign = [() if options.scoped else foreign_questions(sets, n) for n in range(len(sets))]
    if options.merged:
        sets.append(merged(sets))
        foreign.append(())
    ending = " scoped" if options.scoped else ""
    found = {
        one.name + ending: measure(one, others, scoped=options.scoped)
        for one, others in zip(sets, foreign, strict=True)
    }
    numbers = {
        "sets": found,
        "counted": {
            "half": options.half,
            "limit": options.limit,
            "passages": MOST,
            "tokens": TOKEN_RULE,
        },
    }
    hand_over(numbers, [*lines_of(found), "", f"Tokens: {TOKEN_RULE}."], options.json)
    return 0


def _language(questions: QuestionSet) -> str:
    guessed = Counter(guess_language(q.text) for q in questions.questions[:FOREIGN])
    return guessed.most_common(1)[0][0] if guessed else ""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="start.py bench retrieval", description=(__doc__ or "").split("\n")[0]
    )
    add_json_option(parser)
    parser.add_argument(
        "--data",
        nargs="+",
        type=Path,
        metavar="FILE_OR_FOLDER",
        help="question sets in SQuAD's format",
    )
    parser.add_argument("--merged", action="store_true", help="also all sets in one index")
    parser.add_argument(
        "--scoped", action="store_true", help="ask each question of its own article only"
    )
    parser.add_argument(
        "--half", choices=HALVES, default="all", help="of the questions, by a hash of their id"
    )
    parser.add_argument(
        "--limit", type=_positive, metavar="N", help="a sample of so many questions of each set"
    )
    return parser


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return number


if __name__ == "__main__":
    sys.exit(main())
