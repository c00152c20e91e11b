"""The chat formats, rendered, and the templates that come with files."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

from localchat.core.errors import EngineError
from localchat.engines.chat_formats import FORMATS, compile_template
from localchat.engines.child.text import ChatFormat
from tests.engines.conftest import HAS_LLAMA

TURNS = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Hi"},
    {"role": "assistant", "content": "Hello."},
    {"role": "user", "content": "Why?"},
]
RENDERED = {
    "chatml": "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n"
    "<|im_start|>assistant\nHello.<|im_end|>\n<|im_start|>user\nWhy?<|im_end|>\n"
    "<|im_start|>assistant\n",
    "llama-2": "[INST] <<SYS>>\nBe brief.\n<</SYS>>\n\nHi [/INST] Hello. </s>"
    "<s>[INST] Why? [/INST]",
    "llama-3": "<|start_header_id|>system<|end_header_id|>\n\nBe brief.<|eot_id|>"
    "<|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|>"
    "<|start_header_id|>assistant<|end_header_id|>\n\nHello.<|eot_id|>"
    "<|start_header_id|>user<|end_header_id|>\n\nWhy?<|eot_id|>"
    "<|start_header_id|>assistant<|end_header_id|>\n\n",
    "mistral": "[INST] Be brief.\n\nHi [/INST] Hello.</s>[INST] Why? [/INST]",
    "gemma": "<start_of_turn>user\nBe brief.\n\nHi<end_of_turn>\n<start_of_turn>model\n"
    "Hello.<end_of_turn>\n<start_of_turn>user\nWhy?<end_of_turn>\n<start_of_turn>model\n",
    "phi-3": "<|system|>\nBe brief.<|end|>\n<|user|>\nHi<|end|>\n<|assistant|>\nHello.<|end|>\n"
    "<|user|>\nWhy?<|end|>\n<|assistant|>\n",
    "vicuna": "Be brief. USER: Hi ASSISTANT: Hello.</s>USER: Why? ASSISTANT:",
    "alpaca": "Be brief.\n\n### Instruction:\nHi\n\n### Response:\nHello.</s>\n\n"
    "### Instruction:\nWhy?\n\n### Response:\n",
    "zephyr": "<|system|>\nBe brief.</s>\n<|user|>\nHi</s>\n<|assistant|>\nHello.</s>\n<|user|>\n"
    "Why?</s>\n<|assistant|>\n",
    "plain": "Be brief.\n\nUser: Hi\nAssistant: Hello.\nUser: Why?\nAssistant:",
}
THEIR_NAMES = {"mistral": "mistral-instruct", "plain": None, "phi-3": None}
"""Of our formats in llama-cpp-python, where they differ."""


def render(template: str, *, thinking: bool = False, turns: list[dict[str, str]] = TURNS) -> str:
    return compile_template(template, "<s>", "</s>")(turns, thinking)


def test_each_format_is_tested() -> None:
    assert set(RENDERED) == set(FORMATS)


@pytest.mark.parametrize("key", FORMATS)
def test_formats_say_what_their_models_were_trained_with(key: str) -> None:
    assert render(FORMATS[key].template) == RENDERED[key]


@pytest.mark.parametrize("key", FORMATS)
def test_formats_do_without_a_system_message(key: str) -> None:
    text = render(FORMATS[key].template, turns=TURNS[1:])
    assert "Be brief." not in text
    assert "Hi" in text
    assert "Why?" in text


@pytest.mark.parametrize("key", FORMATS)
def test_what_a_format_says_to_the_model_no_document_can_say(key: str) -> None:
    said = set(re.findall(r"<\|\w+\|>|</?\w+_of_turn>|\[/?INST\]|<</?SYS>>", RENDERED[key]))
    assert said <= set(FORMATS[key].marks)


@pytest.mark.skipif(not HAS_LLAMA, reason="llama-cpp-python is not installed")
@pytest.mark.parametrize("key", [key for key in FORMATS if THEIR_NAMES.get(key, key)])
def test_special_tokens_stand_where_llama_cpp_python_puts_them(key: str) -> None:
    """Read from its source: that package is never imported in this process."""
    spec = importlib.util.find_spec("llama_cpp")
    assert spec and spec.submodule_search_locations
    source = Path(spec.submodule_search_locations[0]) / "llama_chat_format.py"
    text = source.read_text(encoding="utf-8")
    name = THEIR_NAMES.get(key, key)
    body = text.split(f'@register_chat_format("{name}")')[1].split("@register_chat")[0]
    marks = {mark for mark in FORMATS[key].marks if not mark.startswith(("[/", "<</"))}
    assert all(mark in body for mark in marks)


def test_the_switches_that_templates_are_given() -> None:
    assert render("{{ enable_thinking }} {{ thinking }}") == "False False"
    assert render("{{ enable_thinking }} {{ thinking }}", thinking=True) == "True True"
    budget = "{% if thinking_budget is defined %}{{ thinking_budget }}{% else %}any{% endif %}"
    assert render(budget) == "0"
    assert render(budget, thinking=True) == "any"


def test_a_model_that_always_thinks_is_asked_to_think_little() -> None:
    assert render("<|channel|>{{ reasoning_effort }}") == "<|channel|>low"


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{{ {'a': 'ü'} | tojson }}", '{"a": "ü"}'),
        ("{% for m in messages %}{% if loop.index > 1 %}{% break %}{% endif %}x{% endfor %}", "x"),
        ("{% generation %}x{% endgeneration %}", "x"),
        ("{{ strftime_now('%Y')[:2] }}", "20"),
        ("{% if true %}\n  {% if true %}\nx\n  {% endif %}\n{% endif %}", "x\n"),
        ("{% for tool in tools %}{% endfor %}x", "x"),
        ("{% if tools is not none %}tools{% endif %}x", "x"),
        ("{{ bos_token }}{{ messages[1]['content'] }}{{ eos_token }}", "<s>Hi</s>"),
    ],
)
def test_templates_can_do_what_they_can_elsewhere(template: str, text: str) -> None:
    assert render(template) == text


@pytest.mark.parametrize(
    "template",
    [
        "{% for x %}",
        "{{ raise_exception('never') }}",
        "{{ messages[9].content.split }}",
        "{{ ''.__class__.__mro__ }}",
        "{{ 1 / 0 }}",
        "{% for i in range(10**12) %}x{% endfor %}",
        "{{ messages.append(1) }}",
    ],
)
def test_whatever_is_wrong_with_a_template_is_a_value_error(template: str) -> None:
    with pytest.raises(ValueError):
        render(template)


def test_a_chosen_format_goes_before_the_files_own() -> None:
    chosen = ChatFormat("{{ 'own' }}", "<s>", "</s>", has_chatml=False, chosen="gemma")
    assert chosen.render(TURNS) == RENDERED["gemma"]
    assert (chosen.name, chosen.note) == ("Gemma", "")
    assert "<end_of_turn>" in chosen.stop


def test_an_unknown_choice_is_told_and_the_files_own_is_taken() -> None:
    chosen = ChatFormat("{{ 'own' }}", "<s>", "</s>", has_chatml=False, chosen="martian")
    assert chosen.render(TURNS) == "own"
    assert "“martian” is not known" in chosen.note


@pytest.mark.parametrize(("has_chatml", "name"), [(True, "ChatML"), (False, "plain")])
def test_a_missing_template_is_told_and_replaced(has_chatml: bool, name: str) -> None:
    taken = ChatFormat(None, "<s>", "</s>", has_chatml=has_chatml)
    assert taken.name == name
    assert taken.note.startswith(f"This file has no chat template; the {name} format is used.")
    assert taken.render(TURNS) == RENDERED[name.lower()]


def test_a_template_that_refuses_everything_is_told() -> None:
    own = ChatFormat("{{ raise_exception('never') }}", "<s>", "</s>", has_chatml=False)
    with pytest.raises(EngineError, match=r"refuses the conversation \(never\)"):
        own.render(TURNS)


def test_a_template_that_wants_turns_gets_turns() -> None:
    own = ChatFormat(
        "{% for m in messages %}{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}"
        "{{ raise_exception('turns') }}{% endif %}{{ m.role[0] ~ ':' ~ m.content ~ ' ' }}"
        "{% endfor %}",
        "<s>",
        "</s>",
        has_chatml=False,
    )
    assert own.render(TURNS) == "u:Be brief.\n\nHi a:Hello. u:Why? "
