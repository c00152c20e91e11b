"""What ``engines`` has to reach, and its numbers for people. Measures nothing."""

from __future__ import annotations

from typing import Any

BARS = {
    "writing_ratio": (">=", 0.95),
    "first_token_ratio": ("<=", 1.05),
    "extra_tokens_read": ("<=", 16),
    "stop_seconds": ("<=", 0.5),
    "first_event_seconds": ("<=", 0.2),
}


def lines_of(numbers: dict[str, Any]) -> list[str]:
    """The numbers as a person reads them."""
    conditions = numbers["conditions"]
    times = f"median of {conditions['repetitions']}"
    lines = [
        f"{conditions['model']}; {conditions['prompt_tokens']:,} tokens read, "
        f"{conditions['answer_tokens']} written, {numbers['threads']} threads, {numbers['gpu']}",
        f"load average {conditions['load_before']} before, {conditions['load_after']} after",
        "",
        f"{times:28}{'LocalChat':>12}{'bare loop':>12}{'with flash attention':>24}",
    ]
    for key in numbers["ours"]:
        both = f"{numbers['ours'][key]:>12,.2f}{numbers['bare'][key]:>12,.2f}"
        lines.append(f"{key.replace('_', ' '):28}{both}{numbers['bare_flash'][key]:>24,.2f}")
    lines += ["", f"{'':28}{'measured':>12}{'bar':>12}"]
    for key, (sign, bar) in BARS.items():
        verdict = "met" if numbers["met"][key] else "MISSED"
        lines.append(
            f"{key.replace('_', ' '):28}{numbers[key]:>12.3f}{f'{sign} {bar}':>12}  {verdict}"
        )
    flash = numbers["with_flash_attention"]
    lines.append(
        f"to the loop with flash attention: writing {flash['writing_ratio']}, "
        f"first token {flash['first_token_ratio']}"
    )
    for name, found in numbers.get("by_gpu_layers", {}).items():
        speeds = (
            f"reads {found['ours']['reading_tokens_per_second']:,.1f} tokens/s, "
            f"writes {found['ours']['writing_tokens_per_second']:,.1f}"
        )
        lines.append(f"{name} GPU layers: {speeds}, {found['writing_ratio']} of the bare loop")
    for name, found in numbers.get("tutorials", {}).items():
        said = found.get("failed") or (
            f"reads {found['reading_tokens_per_second']:,.1f} tokens/s, ours "
            f"{found['ours_reads_times_as_fast']} times as fast; writes "
            f"{found['writing_tokens_per_second']:,.1f}, ours "
            f"{found['ours_writes_times_as_fast']} times as fast "
            f"({found['prompt_tokens']} + {found['answer_tokens']} tokens, "
            f"{found['repetitions']} times)"
        )
        lines.append(f"{name} with its own settings: {said}")
    return lines
