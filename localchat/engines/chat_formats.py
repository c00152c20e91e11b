"""The chat formats that models were trained with, for files that do not bring theirs.

Each is a template in the language of chat templates (Jinja, as Hugging Face and llama.cpp use
it). The text that begins every prompt (BOS) is left to the tokenizer.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Turn = dict[str, str]
"""``role`` (system, user, assistant) and ``content``."""


@dataclass(frozen=True)
class Format:
    """``name`` is for people. ``stop`` are texts that end an answer, where the model does not
    have them as tokens; ``marks`` is what only we may say to the model."""

    name: str
    template: str
    stop: tuple[str, ...]
    marks: tuple[str, ...] = ()


_SYSTEM_FIRST = """
{%- set system = '' %}
{%- if messages and messages[0].role == 'system' %}
{%- set system = messages[0].content %}{% set messages = messages[1:] %}
{%- endif %}
"""
_SYSTEM_INSIDE = """
{%- for m in messages %}
{%- if m.role == 'user' and loop.first and system %}
{%- set text = SYSTEM ~ m.content %}
{%- else %}
{%- set text = m.content %}
{%- endif %}
"""
_END_FOR = "{%- endfor %}"


def _inside(system: str, user: str, assistant: str, end: str = "") -> str:
    """A template for models that read the system message within the first question."""
    return (
        _SYSTEM_FIRST
        + _SYSTEM_INSIDE.replace("SYSTEM", system)
        + "{%- if m.role == 'assistant' %}{{- "
        + assistant
        + " }}{%- else %}{{- "
        + user
        + " }}{%- endif %}"
        + _END_FOR
        + ("{%- if add_generation_prompt %}{{- " + end + " }}{%- endif %}" if end else "")
    )


def _each(turn: str, end: str) -> str:
    """A template that says each message, and its role, in the same way."""
    return (
        "{%- for m in messages %}{{- " + turn + " }}{%- endfor %}"
        "{%- if add_generation_prompt %}{{- " + end + " }}{%- endif %}"
    )


FORMATS: dict[str, Format] = {
    "chatml": Format(
        "ChatML",
        _each(
            r"'<|im_start|>' ~ m.role ~ '\n' ~ m.content ~ '<|im_end|>\n'",
            r"'<|im_start|>assistant\n'",
        ),
        ("<|im_end|>", "<|im_start|>"),
        ("<|im_start|>", "<|im_end|>"),
    ),
    "llama-2": Format(
        "Llama 2",
        _inside(
            r"'<<SYS>>\n' ~ system ~ '\n<</SYS>>\n\n'",
            "(bos_token if not loop.first else '') ~ '[INST] ' ~ text ~ ' [/INST]'",
            "' ' ~ text ~ ' ' ~ (eos_token or '</s>')",
        ),
        ("[INST]", "</s>"),
        ("[INST]", "[/INST]", "<<SYS>>", "<</SYS>>"),
    ),
    "llama-3": Format(
        "Llama 3",
        _each(
            r"'<|start_header_id|>' ~ m.role ~ '<|end_header_id|>\n\n' ~ m.content | trim"
            " ~ '<|eot_id|>'",
            r"'<|start_header_id|>assistant<|end_header_id|>\n\n'",
        ),
        ("<|eot_id|>", "<|start_header_id|>"),
        ("<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"),
    ),
    "mistral": Format(
        "Mistral",
        _inside(
            r"system ~ '\n\n'",
            "'[INST] ' ~ text ~ ' [/INST]'",
            "' ' ~ text ~ (eos_token or '</s>')",
        ),
        ("[INST]", "</s>"),
        ("[INST]", "[/INST]"),
    ),
    "gemma": Format(
        "Gemma",
        _inside(
            r"system ~ '\n\n'",
            r"'<start_of_turn>user\n' ~ text | trim ~ '<end_of_turn>\n'",
            r"'<start_of_turn>model\n' ~ text | trim ~ '<end_of_turn>\n'",
            r"'<start_of_turn>model\n'",
        ),
        ("<end_of_turn>", "<start_of_turn>"),
        ("<start_of_turn>", "<end_of_turn>"),
    ),
    "phi-3": Format(
        "Phi-3",
        _each(r"'<|' ~ m.role ~ '|>\n' ~ m.content ~ '<|end|>\n'", r"'<|assistant|>\n'"),
        ("<|end|>", "<|user|>"),
        ("<|system|>", "<|user|>", "<|assistant|>", "<|end|>"),
    ),
    "vicuna": Format(
        "Vicuna",
        "{%- for m in messages %}{%- if m.role == 'system' %}{{- m.content ~ ' ' }}"
        "{%- elif m.role == 'user' %}{{- 'USER: ' ~ m.content ~ ' ' }}"
        "{%- else %}{{- 'ASSISTANT: ' ~ m.content ~ (eos_token or '</s>') }}{%- endif %}"
        "{%- endfor %}{%- if add_generation_prompt %}{{- 'ASSISTANT:' }}{%- endif %}",
        ("USER:", "</s>"),
    ),
    "alpaca": Format(
        "Alpaca",
        "{%- for m in messages %}{%- if m.role == 'system' %}{{- m.content ~ '\\n\\n' }}"
        "{%- elif m.role == 'user' %}{{- '### Instruction:\\n' ~ m.content ~ '\\n\\n' }}"
        "{%- else %}{{- '### Response:\\n' ~ m.content ~ (eos_token or '</s>') ~ '\\n\\n' }}"
        "{%- endif %}{%- endfor %}{%- if add_generation_prompt %}{{- '### Response:\\n' }}"
        "{%- endif %}",
        ("### Instruction", "</s>"),
        ("### Instruction", "### Response"),
    ),
    "zephyr": Format(
        "Zephyr",
        _each(
            r"'<|' ~ m.role ~ '|>\n' ~ m.content ~ (eos_token or '</s>') ~ '\n'",
            r"'<|assistant|>\n'",
        ),
        ("</s>", "<|user|>"),
        ("<|system|>", "<|user|>", "<|assistant|>"),
    ),
    "plain": Format(
        "plain",
        "{%- for m in messages %}{%- if m.role == 'system' %}{{- m.content ~ '\\n\\n' }}"
        "{%- else %}{{- m.role | capitalize ~ ': ' ~ m.content ~ '\\n' }}{%- endif %}{%- endfor %}"
        "{%- if add_generation_prompt %}{{- 'Assistant:' }}{%- endif %}",
        ("\nUser:", "\nAssistant:"),
    ),
}


def compile_template(template: str, bos: str, eos: str) -> Callable[[list[Turn], bool], str]:
    """A function that renders ``template`` for messages and whether the model may think first.

    As transformers and llama.cpp render them, and in jinja2's sandbox: the template comes with a
    file from anywhere.

    Raises:
        ValueError: whatever is wrong with the template; its function raises it, too.
    """
    import jinja2

    wrong = (jinja2.TemplateError, TypeError, KeyError, AttributeError, ArithmeticError)
    try:
        compiled = _environment().from_string(template)
    except (*wrong, RecursionError) as error:
        raise ValueError(str(error)) from error

    def render(turns: list[Turn], thinking: bool) -> str:
        reason: Exception = ValueError("it says nothing")
        for switches in _switches(thinking, template):
            try:
                return str(
                    compiled.render(
                        messages=turns,
                        bos_token=bos,
                        eos_token=eos,
                        add_generation_prompt=True,
                        **switches,
                    )
                )
            except (*wrong, ValueError, RecursionError, OverflowError) as error:
                reason = error
        raise ValueError(str(reason)) from reason

    return render


def _switches(thinking: bool, template: str) -> list[dict[str, Any]]:
    """How templates are told whether to think: first in the words of all of them, then, as some
    refuse what they do not know, in the most common one. Some want a list of tools."""
    common: dict[str, Any] = {"enable_thinking": thinking, "tools": None}
    little: dict[str, Any] = {} if thinking else {"thinking_budget": 0}
    if not thinking and "<|channel|>" in template:  # gpt-oss thinks always: let it be little
        little["reasoning_effort"] = "low"
    return [
        {**common, "thinking": thinking, **little},
        common,
        {**common, "tools": [], "functions": ""},
    ]


def _environment() -> Any:
    from datetime import datetime

    from jinja2 import nodes
    from jinja2.ext import Extension, loopcontrols
    from jinja2.parser import Parser
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Generation(Extension):
        """``{% generation %}``, which marks what to train on, changes nothing of the text."""

        tags = {"generation"}  # noqa: RUF012 - as jinja2 wants it

        def parse(self, parser: Parser) -> list[nodes.Node]:
            parser.stream.skip(1)
            return parser.parse_statements(("name:endgeneration",), drop_needle=True)

    def refuse(message: str) -> str:
        raise ValueError(message)

    def to_json(value: Any, ensure_ascii: bool = False, **how: Any) -> str:
        return json.dumps(value, ensure_ascii=ensure_ascii, **how)

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols, Generation]
    )
    environment.filters["tojson"] = to_json
    environment.globals["raise_exception"] = refuse
    environment.globals["strftime_now"] = lambda form: datetime.now().strftime(form)
    return environment
