"""What a person can choose, and what is remembered between starts.

Kept as TOML in the data folder. A variable ``LOCALCHAT_<FIELD>`` overrides a field for one run
and is never written back.
"""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any, Literal

import tomli_w
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from localchat.core.errors import StorageError
from localchat.core.folder import storage_errors

LOCK_SECONDS = 10.0
"""How long one process waits for another that is writing."""
EngineName = Literal["quotes", "llama.cpp", "gpt4all", "llamafile", "server"]


class Server(BaseModel):
    """An OpenAI-compatible server. ``models`` are those it listed when it was last asked;
    ``hands_on`` names the computers that it hands the questions to some of them on to."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    url: str
    key: str = Field("", repr=False)
    kind: str = Field("", description="Which program it is, for people.")
    models: tuple[str, ...] = ()
    hands_on: dict[str, str] = Field({}, description="Model → computer.")


class Settings(BaseModel):
    """All settings, flat. ``None`` means "automatic": the app chooses and says why."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    engine: EngineName = Field("quotes", description="What answers: the quotes alone, or a model.")
    model: str = Field("", description="Path of the model's file, or its name at the server.")
    program: str = Field("", description="The llamafile that runs the model's file.")
    weights: str = Field("", description="What a llamafile is told of the model in it.")
    server_url: str = Field("", description="Address of the server that answers.")
    server_key: str = Field("", repr=False, description="Its key, if not among the servers.")
    servers: tuple[Server, ...] = Field((), description="The servers that are known.")
    agreed: tuple[str, ...] = Field((), description="Other computers that data may go to.")
    gpu_layers: int | None = Field(None, ge=0, description="Layers on the GPU.")
    context_tokens: int | None = Field(None, ge=256, description="Context window, in tokens.")
    threads: int | None = Field(None, ge=1, le=512, description="Threads that compute.")
    flash_attention: Literal["auto", "on", "off"] = "auto"
    kv_cache: Literal["auto", "f16", "q8_0"] = Field(
        "auto", description="How llama.cpp keeps what it has read: q8_0 takes half the memory."
    )
    chat_format: str = Field("", description="A known chat format; empty: the model's own.")
    safer_settings: bool = Field(True, description="Take safer settings when a load fails.")
    answer_tokens: int = Field(512, ge=16, le=32_768, description="Longest answer, in tokens.")
    temperature: float = Field(0.2, ge=0.0, le=2.0, description="0 is the same answer each time.")
    top_p: float = Field(0.95, gt=0.0, le=1.0, description="Only the likeliest tokens.")
    min_p: float = Field(0.05, ge=0.0, lt=1.0, description="Only tokens so near the likeliest.")
    repeat_penalty: float = Field(1.0, ge=0.5, le=2.0, description="1 is none.")
    seed: int | None = Field(None, ge=0, description="For the same answer each time.")
    thinking: bool = Field(False, description="Whether a model that can think first may do so.")
    passages: int = Field(6, ge=1, le=50, description="Passages given to the model at most.")
    passage_tokens: int = Field(
        1_500, ge=100, le=100_000, description="About how many tokens these may have together."
    )
    fetch_seconds: float = Field(30.0, gt=0, description="Time for one web page, in seconds.")
    fetch_bytes: int = Field(50_000_000, gt=0, description="Largest page or file, in bytes.")
    question_characters: int = Field(8_000, gt=0, description="Longest question, in characters.")
    chroma_url: str = Field("", description="Address of a Chroma server; empty: embedded.")
    model_files: tuple[str, ...] = Field((), description="Model files used where they are.")
    hub: str = Field("", description="The model hub or a mirror; empty: HF_ENDPOINT, else its own.")
    hub_token: str = Field("", repr=False, description="For models behind an agreement.")
    never_network: bool = Field(False, description="Nothing goes out but what is asked for.")
    use_when_here: tuple[str, ...] = Field((), description="What is used once it is fetched.")
    welcome_step: int = Field(1, ge=1, description="How far the welcome is; 4 is behind it.")

    @property
    def server(self) -> Server:
        """The server that answers, with what is known of it."""
        known = next((s for s in self.servers if s.url == self.server_url), None)
        known = known or Server(url=self.server_url)
        return known.model_copy(update={"key": known.key or self.server_key})


def load_settings(path: Path) -> Settings:
    """Read the settings at ``path``; a file that is not there means the defaults.

    Raises:
        StorageError: the file or an overriding variable holds something that is no setting.
    """
    written = _read(path)
    overrides = {
        name: value
        for name in Settings.model_fields
        if (value := os.environ.get(f"LOCALCHAT_{name.upper()}")) is not None
    }
    try:
        return Settings.model_validate({**written, **overrides})
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        where = f"the variable LOCALCHAT_{field.upper()}" if field in overrides else str(path)
        raise StorageError(
            f"The setting “{field}” in {where} cannot be used: {first['msg']}.",
            "Correct it or remove it: the default is used where nothing is set.",
        ) from error


def save_settings(path: Path, **changes: Any) -> None:
    """Write ``changes`` over what the file at ``path`` holds, in one step; the rest stays. Several
    processes may do so at once: the window and the command line.

    Raises:
        StorageError: a value is no setting, or the file cannot be written.
    """
    from filelock import FileLock

    with storage_errors(path.parent), FileLock(path.with_suffix(".lock"), timeout=LOCK_SECONDS):
        _save(path, changes)


def _save(path: Path, changes: dict[str, Any]) -> None:
    written = _read(path)
    # What another version wrote is not ours to forget.
    unknown = {name: value for name, value in written.items() if name not in Settings.model_fields}
    try:
        settings = Settings.model_validate({**written, **changes})
    except ValidationError as error:
        raise StorageError(f"That setting cannot be used: {error.errors()[0]['msg']}.") from error
    half = path.with_suffix(".new")
    kept = {**unknown, **settings.model_dump(exclude_defaults=True, exclude_none=True)}
    # A key of a server is for nobody else's eyes.
    half.touch(mode=0o600)
    half.write_text(tomli_w.dumps(kept), encoding="utf-8")
    half.replace(path)


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise StorageError(
            f"The settings file {path} cannot be read ({error.strerror}).",
            "Make it readable, or move it away to start from the defaults.",
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise StorageError(
            f"The settings file {path} is damaged ({error}).",
            "Correct it, or delete it to start from the defaults.",
        ) from error
