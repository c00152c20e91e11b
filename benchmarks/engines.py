"""How fast LocalChat answers with llama.cpp, compared with llama.cpp's own loop.

    python3 start.py bench engines [--json FILE] [--strict] [--gpu-layers 0,half,all]

On a model with random weights in the shape of a real one (see ``shapes``), by turns: a question
through the whole app but the search (chain, engine, child process), and the same prompt in the
bare loop of a process of its own. Ratios are medians over the pairs. Then the model classes of
LangChain's tutorials, a second question of a conversation, and Stop in the middle of a long
prompt. README.md says what came of it here.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from benchmarks._engines_table import BARS, lines_of
from benchmarks._ours import Ours, Timed, made_up_prompt, rendered
from benchmarks._process import CannotRun, Other
from benchmarks._report import add_json_option, hand_over
from benchmarks.shapes import SHAPES, write_shape

BARE = "benchmarks._bare:Bare"
CONTESTANTS = ("ours", "bare", "bare_flash")
TEMPERATURE = 0.2
LONG_PROMPT = 4_000
TUTORIALS = {
    # prompt tokens, answer tokens, repetitions
    "ChatLlamaCpp": (1_000, 64, 2),
    "GPT4All": (60, 12, 1),
}


@dataclass
class Wanted:
    """What to measure."""

    path: Path
    prompt_tokens: int
    answer_tokens: int
    repetitions: int
    context: int
    quiet: float


def main(argv: list[str]) -> int:
    """Measure and print; returns the exit code."""
    options = _parser().parse_args(argv)
    try:
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            path = (options.model_dir or Path(folder)) / f"random-{options.shape}-q4_0.gguf"
            if not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                write_shape(path, SHAPES[options.shape])
            wanted = Wanted(
                path,
                options.prompt_tokens,
                options.answer_tokens,
                options.repetitions,
                context=8_192,
                quiet=options.wait_for_quiet,
            )
            numbers = measure(wanted, options.gpu_layers, options.shape, options.tutorials)
    except CannotRun as error:
        print(f"llama.cpp's own loop does not run here ({error}).", file=sys.stderr)
        return 1
    hand_over(numbers, lines_of(numbers), options.json)
    return 1 if options.strict and not all(numbers["met"].values()) else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="bench engines",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_json_option(parser)
    parser.add_argument("--strict", action="store_true", help="exit code 1 where a bar is missed")
    parser.add_argument("--shape", choices=SHAPES, default="0.5b")
    parser.add_argument("--model-dir", type=Path, help="keep the model file there for next time")
    parser.add_argument("--repetitions", type=int, default=5, metavar="N")
    parser.add_argument("--prompt-tokens", type=int, default=1_000, metavar="N")
    parser.add_argument("--answer-tokens", type=int, default=128, metavar="N")
    parser.add_argument(
        "--gpu-layers",
        type=lambda text: text.split(","),
        default=["0"],
        metavar="LIST",
        help="numbers, half or all; the bars are for the first",
    )
    parser.add_argument(
        "--no-tutorials", dest="tutorials", action="store_false", help="leave out the slow ones"
    )
    parser.add_argument(
        "--wait-for-quiet",
        type=float,
        default=0.0,
        metavar="SECONDS",
        help="before each pair wait at most so long until nobody else uses the processor",
    )
    return parser


def measure(wanted: Wanted, layers: list[str], shape: str, tutorials: bool) -> dict[str, Any]:
    """All of it; the keys of ``BARS`` are at the top."""
    began, before = time.perf_counter(), _load()
    known = SHAPES[shape].layers + 1  # the output counts as a layer
    counts = {"half": known // 2, "all": known}
    by_layers = {
        name: measure_layers(wanted, int(counts.get(name, name)), everything=name == layers[0])
        for name in layers
    }
    numbers: dict[str, Any] = dict(by_layers[layers[0]])
    if len(layers) > 1:
        numbers["by_gpu_layers"] = {
            name: {key: found[key] for key in ("gpu", "writing_ratio", *CONTESTANTS)}
            for name, found in by_layers.items()
        }
    if tutorials:
        numbers["tutorials"] = {
            name: against_tutorial(wanted, name, numbers["ours"]) for name in TUTORIALS
        }
    numbers["met"] = {
        name: numbers[name] >= bar if sign == ">=" else numbers[name] <= bar
        for name, (sign, bar) in BARS.items()
    }
    numbers["conditions"] = {
        "model": f"random weights in the shape of {shape}, Q4_0",
        "prompt_tokens": wanted.prompt_tokens,
        "answer_tokens": wanted.answer_tokens,
        "repetitions": wanted.repetitions,
        "computer": f"{platform.platform()}, {os.cpu_count()} cores",
        "python": platform.python_version(),
        "llama_cpp_python": metadata.version("llama-cpp-python"),
        "load_before": before,
        "load_after": _load(),
        "seconds": round(time.perf_counter() - began, 1),
    }
    return numbers


def measure_layers(wanted: Wanted, layers: int, *, everything: bool) -> dict[str, Any]:
    """Pairs with so many layers on the GPU; ``everything`` else too, where that is asked."""
    ours = Ours(
        wanted.path,
        answer_tokens=wanted.answer_tokens,
        temperature=TEMPERATURE,
        context=wanted.context,
        gpu_layers=layers,
    )
    try:
        threads = ours.engine.info["threads"]
        settings = {"context": wanted.context, "threads": threads, "temperature": TEMPERATURE}
        settings |= {"path": str(wanted.path), "gpu_layers": layers}
        plain = Other(BARE, patience=600, **settings, flash_attention=False)
        flash = Other(BARE, patience=600, **settings, flash_attention=True)
        with plain, flash:
            numbers = by_turns(wanted, ours, {"bare": plain, "bare_flash": flash})
        numbers["gpu"] = ours.engine.info["gpu_reason"]
        numbers["threads"] = threads
        if everything:
            numbers |= manners(ours)
    finally:
        ours.close()
    return numbers


def by_turns(wanted: Wanted, ours: Ours, others: dict[str, Other]) -> dict[str, Any]:
    """Ours and the bare loops by turns, each time another one first."""

    def run(name: str) -> Timed:
        if name == "ours":
            return ours.ask()
        tokens = wanted.answer_tokens
        return Timed(**others[name].run(prompt=rendered(ours.prompt), tokens=tokens))

    names = ["ours", *others]
    ours.make_prompts_of(wanted.prompt_tokens)
    for name in names:  # not counted: pages of the file come from the disk
        run(name)
    rounds: list[dict[str, Timed]] = []
    used = []
    for number in range(wanted.repetitions):
        used.append(_wait_for_quiet(wanted.quiet))
        turn = number % len(names)
        rounds.append({name: run(name) for name in names[turn:] + names[:turn]})
    numbers: dict[str, Any] = ratios(rounds, "bare")
    numbers["with_flash_attention"] = ratios(rounds, "bare_flash")
    for name in names:
        numbers[name] = summary([each[name] for each in rounds])
    numbers["processor_used_by_others"] = used
    numbers["rounds"] = [{name: asdict(timed) for name, timed in each.items()} for each in rounds]
    return numbers


def ratios(rounds: list[dict[str, Timed]], name: str) -> dict[str, float]:
    """Ours to ``name``: the medians over the rounds."""
    pairs = [(each["ours"], each[name]) for each in rounds]
    return {
        "writing_ratio": _median(our.writing_speed / its.writing_speed for our, its in pairs),
        "first_token_ratio": _median(our.first_token / its.first_token for our, its in pairs),
    }


def summary(runs: list[Timed]) -> dict[str, float]:
    """Medians of some runs."""
    return {
        "tokens_read": _median(run.tokens_in - run.kept for run in runs),
        "first_token_seconds": _median(run.first_token for run in runs),
        "reading_tokens_per_second": _median(run.reading_speed for run in runs),
        "writing_tokens_per_second": _median(run.writing_speed for run in runs),
    }


def manners(ours: Ours) -> dict[str, Any]:
    """A second question, and Stop."""
    second = ours.second_question()
    ours.make_prompts_of(LONG_PROMPT)
    stops = [ours.stop_while_reading() for _ in range(3)]
    return {
        "second_question": second,
        "extra_tokens_read": second["tokens_read"] - second["new_tokens"],
        "stop_seconds": max(stop["idle"] for stop in stops),
        "first_event_seconds": max(stop["first_event"] for stop in stops),
        "stops": stops,
    }


def against_tutorial(wanted: Wanted, name: str, ours: dict[str, float]) -> dict[str, Any]:
    """Speeds of a tutorial's model class, and how many times ours they are below them."""
    prompt_tokens, answer_tokens, repetitions = TUTORIALS[name]
    prompt_tokens = min(prompt_tokens, wanted.prompt_tokens)
    try:
        contestant = f"benchmarks._tutorial:{name}"
        with Other(contestant, patience=120, path=str(wanted.path), context=2_048) as other:
            runs = [
                other.run(prompt=made_up_prompt(prompt_tokens, seed), tokens=answer_tokens)
                for seed in range(repetitions)
            ]
    except CannotRun as error:
        return {"failed": str(error)}
    reading = _median(prompt_tokens / run["first_token"] for run in runs)
    writing = _median((run["tokens_out"] - 1) / run["writing"] for run in runs)
    return {
        "prompt_tokens": prompt_tokens,
        "answer_tokens": answer_tokens,
        "repetitions": repetitions,
        "reading_tokens_per_second": reading,
        "writing_tokens_per_second": writing,
        "ours_reads_times_as_fast": round(ours["reading_tokens_per_second"] / reading, 2),
        "ours_writes_times_as_fast": round(ours["writing_tokens_per_second"] / writing, 2),
    }


def _median(values: Iterable[float]) -> float:
    return round(statistics.median(values), 4)


def _load() -> list[float]:
    return [round(value, 2) for value in os.getloadavg()] if hasattr(os, "getloadavg") else []


def _wait_for_quiet(seconds: float) -> float:
    """Wait until nobody uses the processor; the part of it, 0 to 1, that is used still."""
    import psutil

    end = time.monotonic() + seconds
    while (used := psutil.cpu_percent(0.5) / 100) > 0.1 and time.monotonic() < end:
        time.sleep(1)
    return round(used, 2)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
