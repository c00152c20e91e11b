"""What the chosen model is doing, how fast it is, and what helps when it fails."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from localchat.ui import safe
from localchat.ui.answers import phase_text

if TYPE_CHECKING:
    from localchat.answering.offers import Offer
    from localchat.app import LocalChat
    from localchat.engines.base import Phase


@st.fragment(run_every=1.0)
def draw(chat: LocalChat, offer: Offer) -> None:
    """Looked at every second."""
    engine = chat.engine(chat.settings)
    phase = engine.phase
    if phase.name == "failed":
        _failed(chat, engine, phase)
    elif phase.name == "loading" and phase.total:
        st.progress(min(phase.done / phase.total, 1.0), text=f"Loading {safe.plain(offer.name)}")
    else:
        st.caption(_text(phase))
    info = engine.info
    for step in info.get("steps", ()):
        st.info(f"Settings were made safer: {step}.", icon=":material/stairs:")
    if info.get("note"):
        st.caption(f":material/info: {safe.plain(info['note'])}")
    _speed(chat)


def _text(phase: Phase) -> str:
    speed = f" · {phase.per_second:,.0f} tokens/s" if phase.per_second else ""
    return {
        "unloaded": ":material/radio_button_unchecked: Loads with the first question",
        "ready": f":material/check_circle: Ready{speed}",
        "waiting": f":material/hourglass: {phase_text(phase)}",
        "loading": f":material/hourglass: {phase_text(phase)}",
        "reading": f":material/menu_book: {phase_text(phase)}",
        "writing": f":material/edit: {phase_text(phase)}",
    }[phase.name]


def _failed(chat: LocalChat, engine: Any, phase: Phase) -> None:
    """What happened, and the ways on: safer settings, a smaller model, once more."""
    note = phase.note or "The model could not be loaded."
    st.error(safe.plain(note), icon=":material/error:")
    safer = getattr(engine, "safer", None)
    with st.container(gap="small"):
        if safer is not None:
            st.button(
                f"Use safer settings: {_rung(safer)}",
                icon=":material/stairs:",
                on_click=_change_and_load,
                args=(chat,),
                kwargs=safer.changes,
                width="stretch",
            )
        out_of_memory = getattr(engine, "ran_out_of_memory", False)
        smaller = chat.answering.smaller_model() if out_of_memory else None
        if smaller is not None:
            st.button(
                f"Use {safe.plain(smaller.name)} ({smaller.detail})",
                icon=":material/compress:",
                on_click=_choose_and_load,
                args=(chat, smaller),
                width="stretch",
            )
        st.button(
            "Load again",
            icon=":material/refresh:",
            on_click=chat.preload,
            args=(chat.settings,),
            width="stretch",
        )


def _rung(safer: Any) -> str:
    if safer.gpu_layers:
        return f"{safer.gpu_layers} layers on the GPU"
    return f"a context of {safer.context:,} tokens" if safer.context else "the processor alone"


def _change_and_load(chat: LocalChat, **changes: Any) -> None:
    chat.preload(chat.change(**changes))


def _choose_and_load(chat: LocalChat, offer: Offer) -> None:
    chat.preload(chat.answering.choose(offer))


def _speed(chat: LocalChat) -> None:
    """What was measured, and the button to measure."""
    measuring = chat.answering.measuring
    if measuring is not None and measuring.running:
        phase = measuring.phase
        doing = f"{phase.note}: {phase_text(phase)}" if phase else "…"
        st.caption(f":shimmer[Measuring {safe.plain(doing)}]")
        return
    speeds = chat.answering.speeds(chat.settings)
    for number, speed in enumerate(speeds):
        kept = " It is the faster one, and used." if len(speeds) > 1 and number == 0 else ""
        st.caption(
            f":material/speed: With {speed.where}: reads {speed.reading:,.0f}, writes "
            f"{speed.writing:,.0f} tokens/s.{kept}"
        )
    if measuring is not None and measuring.error:
        st.caption(f":orange[:material/warning:] {safe.plain(measuring.error)}")
    st.button(
        "Measure again" if speeds else "Measure",
        icon=":material/speed:",
        type="tertiary",
        on_click=_measure,
        args=(chat,),
        help="How fast this model reads and writes on this computer. It takes about a minute; "
        "with a graphics card both ways are tried, and the faster is kept.",
    )


def _measure(chat: LocalChat) -> None:
    from localchat.models.computer import llama_build

    chat.answering.measure(chat.settings, has_gpu=llama_build().supports_gpu)
