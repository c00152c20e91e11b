"""How the chosen model runs and writes. The usual choices first, the rest folded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from localchat.ui import safe

if TYPE_CHECKING:
    from localchat.answering.offers import Offer
    from localchat.app import LocalChat

CONTEXT_SIZES = (2_048, 4_096, 8_192, 16_384, 32_768)
AUTOMATIC = 0
ENGINE_NAMES = {
    "llama.cpp": "llama.cpp",
    "gpt4all": "GPT4All",
    "llamafile": "llamafile",
    "server": "a server",
}
_FIELDS = (
    "engine", "gpu_layers", "context_tokens", "answer_tokens", "temperature", "thinking", "threads",
    "flash_attention", "kv_cache", "chat_format", "safer_settings", "top_p", "min_p",
    "repeat_penalty", "seed",
)  # fmt: skip


def draw(chat: LocalChat, offer: Offer) -> None:
    """The settings of what is chosen; what its engine does not know is not shown."""
    settings = chat.settings
    for name in _FIELDS:
        st.session_state[f"set-{name}"] = getattr(settings, name)
    here = settings.engine != "server"
    if len(offer.engines) > 1:
        st.segmented_control(
            "Runs with",
            list(offer.engines),
            required=True,
            format_func=lambda engine: ENGINE_NAMES[engine],
            key="set-engine",
            on_change=_run_with,
            args=(chat, offer),
        )
    if here:
        _gpu_layers(chat, offer)
    _context(chat, offer)
    _writing(chat)
    _more(chat, here=here)


def _widget(
    chat: LocalChat, name: str, widget: Any, label: str, *args: Any, **options: Any
) -> None:
    """One setting: the widget's value is kept as soon as it changes."""
    widget(label, *args, key=f"set-{name}", on_change=_remember, args=(chat, name), **options)


def _remember(chat: LocalChat, name: str) -> None:
    """Keep one setting that was just changed; load the model again where it needs that."""
    before = chat.settings
    value = st.session_state[f"set-{name}"]
    if name == "context_tokens" and value == AUTOMATIC:
        value = None
    changed = chat.change(**{name: value})
    if changed.engine != "server" and chat.engine(changed) is not chat.engine(before):
        chat.preload(changed)


def _run_with(chat: LocalChat, offer: Offer) -> None:
    chat.preload(chat.answering.choose(offer, st.session_state["set-engine"]))


def _gpu_layers(chat: LocalChat, offer: Offer) -> None:
    from localchat.models.computer import llama_build
    from localchat.models.gpu_advice import advice_here

    build = llama_build()
    can = build.supports_gpu or chat.settings.engine != "llama.cpp"
    # llama.cpp counts the output layer too: "29 of 29".
    layers = (offer.file.layers if offer.file else 0) + 1
    layers = layers if layers > 1 else 100
    chosen = chat.settings.gpu_layers
    st.session_state["gpu-automatic"] = chosen is None
    st.toggle(
        "GPU layers: automatic",
        key="gpu-automatic",
        disabled=not can,
        on_change=_gpu_by_hand,
        args=(chat, layers),
        help="How much of the model runs on the graphics card.",
    )
    info = chat.engine(chat.settings).info
    automatic = int(info.get("gpu_layers", layers if can else 0))
    st.session_state["set-gpu_layers"] = min(automatic if chosen is None else chosen, layers)
    _widget(
        chat,
        "gpu_layers",
        st.slider,
        "GPU layers",
        0,
        layers,
        disabled=chosen is None or not can,
    )
    without = "" if can else f"on the CPU: {build.reason}"
    if reason := info.get("gpu_reason") or without:
        st.caption(safe.plain(f"{reason[:1].upper()}{reason[1:]}."))
    if chat.settings.engine == "llama.cpp" and not build.supports_gpu:
        st.caption(safe.plain(advice_here()))


def _gpu_by_hand(chat: LocalChat, layers: int) -> None:
    chat.change(gpu_layers=None if st.session_state["gpu-automatic"] else layers)
    chat.preload(chat.settings)


def _context(chat: LocalChat, offer: Offer) -> None:
    info = chat.engine(chat.settings).info
    largest = (offer.file.context if offer.file else 0) or CONTEXT_SIZES[-1]
    sizes = {size for size in CONTEXT_SIZES if size < largest} | {largest}
    if chat.settings.context_tokens:
        sizes.add(chat.settings.context_tokens)
    st.session_state["set-context_tokens"] = chat.settings.context_tokens or AUTOMATIC
    _widget(
        chat,
        "context_tokens",
        st.selectbox,
        "Context size",
        [AUTOMATIC, *sorted(sizes)],
        format_func=lambda size: f"{size:,} tokens" if size else "automatic",
        help="How much the model can take in at once. Larger needs more memory.",
    )
    if info.get("context_reason"):
        reason = info["context_reason"]
        st.caption(safe.plain(f"{reason[:1].upper()}{reason[1:]}."))


def _writing(chat: LocalChat) -> None:
    settings = chat.settings
    _widget(
        chat,
        "answer_tokens",
        st.slider,
        "Answer length",
        min(64, settings.answer_tokens),
        max(2_048, settings.answer_tokens),
        step=64,
        help="The longest answer, in tokens. A token is about three quarters of an English "
        "word, or one Chinese character.",
    )
    _widget(
        chat,
        "temperature",
        st.slider,
        "Temperature",
        0.0,
        max(1.5, settings.temperature),
        step=0.1,
        help="Low: close to the documents, the same each time. High: freer.",
    )
    _widget(
        chat,
        "thinking",
        st.toggle,
        "Let it think first",
        help="Some models can think before they answer. It takes much longer; what they think is "
        "shown folded, apart from the answer.",
    )


def _more(chat: LocalChat, *, here: bool) -> None:
    """For those who know what these are."""
    if not st.toggle("More settings", key="more-settings", persist_state="session"):
        return
    if here:
        _widget(
            chat,
            "safer_settings",
            st.toggle,
            "Safer settings by itself",
            help="When a model does not load, try fewer GPU layers, then the processor alone, then "
            "a smaller context, and say so. Off: you are asked.",
        )
        _widget(chat, "threads", st.number_input, "Threads", 1, 512, placeholder="automatic")
    if chat.settings.engine == "llama.cpp":
        _llama_cpp(chat)
    elif chat.settings.engine == "gpt4all":
        _chat_format(chat)
    _widget(chat, "top_p", st.number_input, "Top-p", 0.05, 1.0, step=0.05)
    _widget(chat, "min_p", st.number_input, "Min-p", 0.0, 0.99, step=0.05)
    _widget(chat, "repeat_penalty", st.number_input, "Repeat penalty", 0.5, 2.0, step=0.05)
    if chat.settings.engine != "gpt4all":
        _widget(chat, "seed", st.number_input, "Seed", 0, placeholder="another one each time")


def _llama_cpp(chat: LocalChat) -> None:
    switches = {"auto": "automatic", "on": "on", "off": "off"}
    _widget(
        chat, "flash_attention", st.selectbox, "Flash attention", list(switches),
        format_func=lambda value: switches[value],
    )  # fmt: skip
    kinds = {"auto": "automatic", "f16": "f16", "q8_0": "q8_0 (half the memory)"}
    _widget(
        chat, "kv_cache", st.selectbox, "Memory of the context", list(kinds),
        format_func=lambda value: kinds[value],
    )  # fmt: skip
    _chat_format(chat)


def _chat_format(chat: LocalChat) -> None:
    from localchat.engines.chat_formats import FORMATS

    names = {"": "the model's own", **{key: known.name for key, known in FORMATS.items()}}
    _widget(
        chat, "chat_format", st.selectbox, "Chat format", list(names),
        format_func=lambda key: names.get(key, key),
        help="How question and answer are marked for the model. Its own is right wherever it has "
        "one.",
    )  # fmt: skip
