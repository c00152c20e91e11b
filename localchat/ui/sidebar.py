"""The sidebar: what answers, how, and where the data is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from localchat.core.errors import LocalChatError
from localchat.ui import safe
from localchat.ui.resources import localchat

if TYPE_CHECKING:
    from localchat.app import LocalChat
    from localchat.engines.base import Phase
    from localchat.models.gguf import ModelFile

QUOTES = "Quotes only (no model)"
CONTEXT_SIZES = (2_048, 4_096, 8_192, 16_384, 32_768)
AUTOMATIC = 0
GIGABYTE = 1_000_000_000


def draw() -> None:
    """Draw it. Every change is remembered at once."""
    chat = localchat()
    with st.sidebar:
        model = _choose_engine(chat)
        if model is not None:
            _show_phase(chat)
            with st.expander("Model settings", icon=":material/tune:"):
                _model_settings(chat, model)
        with st.expander("Your data", icon=":material/lock:"):
            st.caption(
                "Documents, questions and answers stay on this computer, in this folder. "
                "Nothing is sent anywhere."
            )
            st.code(str(chat.folder.root), language=None, wrap_lines=True)


def _choose_engine(chat: LocalChat) -> ModelFile | None:
    """The choice of what answers; returns the model, or None for quotes."""
    from localchat.models.computer import llama_build
    from localchat.models.gguf import BrokenModel, ModelFile, read_gguf

    found = chat.models()
    models = {str(m.path): m for m in found if isinstance(m, ModelFile) and m.can_answer}
    current = chat.settings.model if chat.settings.engine == "llama.cpp" else ""
    missing = ""
    if current and current not in models:
        try:
            models[current] = read_gguf(Path(current))
        except LocalChatError as error:
            missing = str(error)
    # Another tab may have chosen something else meanwhile: what is remembered counts.
    st.session_state.engine_choice = current if current in models else ""
    chosen = st.selectbox(
        "Answers from",
        ["", *models],
        format_func=lambda path: _label(models[path]) if path else QUOTES,
        key="engine_choice",
        on_change=_switch,
        args=(chat,),
        help="Quotes show the sentences in your documents that answer best. "
        "A model writes an answer from them.",
    )
    if missing:
        st.warning(f"{missing} Quotes answer meanwhile.", icon=":material/warning:")
    for broken in found:
        if isinstance(broken, BrokenModel):
            st.caption(f":orange[:material/warning:] {safe.plain(broken.reason)}")
    build = llama_build()
    if not build.usable:
        st.warning(
            f"Models cannot run here yet: {build.reason}. Quotes work. "
            "To try again, close LocalChat and start it with `python3 start.py --repair`.",
            icon=":material/build:",
        )
    elif not models:
        _how_to_get_a_model(chat)
    return models.get(chosen) if build.usable else None


def _switch(chat: LocalChat) -> None:
    path = st.session_state.engine_choice
    changes = {"engine": "llama.cpp", "model": path} if path else {"engine": "quotes"}
    settings = chat.change(**changes, gpu_layers=None, context_tokens=None)
    if path:
        chat.preload(settings)


def _label(model: ModelFile) -> str:
    size = model.size / GIGABYTE
    return f"{model.path.stem} · {f'{size:.1f} GB' if size >= 0.1 else f'{1000 * size:.0f} MB'}"


def _how_to_get_a_model(chat: LocalChat) -> None:
    with st.popover("How to get a model", icon=":material/download:", width="stretch"):
        st.markdown(
            "LocalChat works without a model: it quotes your documents.\n\n"
            "For answers in whole sentences:\n"
            "1. Download a model file that ends in **.gguf**, for example "
            "*Qwen3-1.7B-Q8_0.gguf* (about 1.8 GB, for computers with 8 GB of memory).\n"
            "2. Move it into this folder:"
        )
        st.code(str(chat.folder.models), language=None, wrap_lines=True)
        st.markdown("3. Press the button, and choose it above.")
        st.button("Look again", icon=":material/refresh:")


@st.fragment(run_every=1.0)
def _show_phase(chat: LocalChat) -> None:
    """What the model is doing, looked at every second."""
    engine = chat.engine(chat.settings)
    phase = engine.phase
    text = _phase_text(phase)
    if phase.name == "loading" and phase.total:
        st.progress(min(phase.done / phase.total, 1.0), text=text)
    elif phase.name == "failed":
        st.error(phase.note or text, icon=":material/error:")
        if st.button("Load again", icon=":material/refresh:"):
            chat.preload(chat.settings)
    else:
        st.caption(text)


def _phase_text(phase: Phase) -> str:
    speed = f" · {phase.per_second:.0f} tokens/s" if phase.per_second else ""
    names = {
        "unloaded": ":material/radio_button_unchecked: Loads with the first question",
        "waiting": ":material/hourglass: Waiting",
        "loading": ":material/hourglass: Loading the model",
        "reading": f":material/menu_book: Reading the passages{speed}",
        "writing": f":material/edit: Writing{speed}",
        "ready": ":material/check_circle: Ready",
        "failed": "The model could not be loaded.",
    }
    return names[phase.name]


def _model_settings(chat: LocalChat, model: ModelFile) -> None:
    settings = chat.settings
    for name in ("gpu_layers", "context_tokens", "answer_tokens", "temperature"):
        st.session_state[f"set-{name}"] = getattr(settings, name) or 0
    _gpu_layers(chat, model)
    _context(chat, model)
    st.slider(
        "Answer length",
        min(64, settings.answer_tokens),
        max(2_048, settings.answer_tokens),
        step=64,
        key="set-answer_tokens",
        on_change=_remember,
        args=(chat, "answer_tokens"),
        help="The longest answer, in tokens. A token is about three quarters of an English "
        "word, or one Chinese character.",
    )
    st.slider(
        "Temperature",
        0.0,
        max(1.5, settings.temperature),
        step=0.1,
        key="set-temperature",
        on_change=_remember,
        args=(chat, "temperature"),
        help="Low: close to the documents, the same each time. High: freer.",
    )


def _remember(chat: LocalChat, name: str) -> None:
    """Keep one setting that was just changed; load the model again where it needs that."""
    before = chat.settings
    value = st.session_state[f"set-{name}"]
    if name == "context_tokens" and value == AUTOMATIC:
        value = None
    changed = chat.change(**{name: value})
    if chat.engine(changed) is not chat.engine(before):
        chat.preload(changed)


def _gpu_layers(chat: LocalChat, model: ModelFile) -> None:
    from localchat.models.computer import llama_build

    build = llama_build()
    layers = max(model.layers, 1)
    chosen = chat.settings.gpu_layers
    st.session_state["gpu-automatic"] = chosen is None
    st.toggle(
        "GPU layers: automatic",
        key="gpu-automatic",
        disabled=not build.supports_gpu,
        on_change=_gpu_by_hand,
        args=(chat, layers),
        help="How much of the model runs on the graphics card.",
    )
    automatic = layers if build.supports_gpu else 0
    st.session_state["set-gpu_layers"] = min(automatic if chosen is None else chosen, layers)
    st.slider(
        "GPU layers",
        0,
        layers,
        key="set-gpu_layers",
        disabled=chosen is None or not build.supports_gpu,
        on_change=_remember,
        args=(chat, "gpu_layers"),
    )
    if not build.supports_gpu:
        st.caption(f"The processor does all the work: {build.reason}.")
    elif chosen is None:
        st.caption(f"All {layers} layers run on the GPU: {build.reason}.")


def _gpu_by_hand(chat: LocalChat, layers: int) -> None:
    chat.change(gpu_layers=None if st.session_state["gpu-automatic"] else layers)
    chat.preload(chat.settings)


def _context(chat: LocalChat, model: ModelFile) -> None:
    largest = model.context or CONTEXT_SIZES[-1]
    sizes = {size for size in CONTEXT_SIZES if size < largest} | {largest}
    if chat.settings.context_tokens:
        sizes.add(chat.settings.context_tokens)
    st.selectbox(
        "Context size",
        [AUTOMATIC, *sorted(sizes)],
        key="set-context_tokens",
        on_change=_remember,
        args=(chat, "context_tokens"),
        format_func=lambda size: f"{size:,} tokens" if size else "automatic",
        help="How much the model can take in at once. Larger needs more memory.",
    )
    reason = getattr(chat.engine(chat.settings), "info", {}).get("context_reason")
    if reason:
        st.caption(reason)
