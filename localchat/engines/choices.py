"""What is chosen where the person leaves it to us. Each choice has its reason, which is shown."""

from __future__ import annotations

from dataclasses import dataclass

COMFORTABLE_CONTEXT = 8192
SMALLEST_CONTEXT = 2048
SHORTEST_ANSWER = 128


@dataclass(frozen=True)
class Choice:
    """A value and why it was taken, in words for people."""

    value: int
    reason: str


def choose_gpu_layers(wanted: int | None, layers: int, supported: bool) -> Choice:
    """How many of the model's ``layers`` go to the GPU. -1 asks for all, as None does."""
    if not supported:
        return Choice(0, "on the CPU: this llama.cpp was built without GPU support")
    if wanted is None:
        return Choice(layers, f"automatic: all {layers} layers on the GPU")
    if wanted == 0:
        return Choice(0, "on the CPU, as chosen")
    if wanted < 0 or wanted >= layers:
        return Choice(layers, f"all {layers} layers on the GPU, as chosen")
    return Choice(wanted, f"{wanted} of {layers} layers on the GPU, as chosen")


def choose_threads(wanted: int | None, cores: int) -> Choice:
    """How many threads compute, on a computer with so many physical ``cores``.

    More threads than physical cores make llama.cpp slower, since they spin while they wait.
    """
    if wanted:
        return Choice(wanted, f"{wanted} threads, as chosen")
    if cores >= 4:
        return Choice(cores - 1, f"{cores - 1} of {cores} cores: one stays free for the window")
    return Choice(max(cores, 1), f"all {cores} cores: fewer would be felt")


def choose_context(
    wanted: int | None, trained: int, bytes_per_token: int, free_bytes: int
) -> Choice:
    """The context window in tokens, for a model ``trained`` on so many.

    Automatic: what a question with its passages and an answer needs, as long as the model's
    memory of it takes no more than a quarter of the free memory.
    """
    if wanted:
        beyond = f", but this model was trained for {trained:,}" if wanted > trained else ""
        return Choice(wanted, f"{wanted:,} tokens, as chosen{beyond}")
    if trained <= COMFORTABLE_CONTEXT:
        tokens, reason = trained, "all that this model was trained for"
    else:
        tokens = COMFORTABLE_CONTEXT
        reason = f"enough for a question with its passages; the model can do {trained:,}"
    while tokens > SMALLEST_CONTEXT and free_bytes and tokens * bytes_per_token > free_bytes // 4:
        tokens, reason = max(tokens // 2, SMALLEST_CONTEXT), "what fits the free memory"
    return Choice(tokens, f"automatic: {tokens:,} tokens: {reason}")


def room_for_prompt(context: int, answer_tokens: int) -> int:
    """The longest prompt that leaves room for an answer worth having."""
    return context - min(answer_tokens, SHORTEST_ANSWER, context // 4)


def physical_cores() -> int:
    """The physical cores that this process may use."""
    import psutil

    cores = psutil.cpu_count(logical=False) or psutil.cpu_count() or 1
    allowed = psutil.Process().cpu_affinity() if hasattr(psutil.Process, "cpu_affinity") else None
    return min(cores, len(allowed)) if allowed else cores


def free_memory() -> int:
    """Bytes that can be used without swapping."""
    import psutil

    return int(psutil.virtual_memory().available)


def all_memory() -> int:
    """Bytes of memory in this computer."""
    import psutil

    return int(psutil.virtual_memory().total)
