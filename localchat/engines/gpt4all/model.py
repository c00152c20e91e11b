"""A model that GPT4All has loaded, and what it has read so far. Knows nothing of questions and
answers. Errors are sentences for people."""

from __future__ import annotations

import platform
import sys
from collections.abc import Callable
from pathlib import Path

from localchat.core.errors import PromptTooLong
from localchat.engines.gpt4all.counter import PADDING, Counter, make_counter
from localchat.engines.gpt4all.failures import why_no_gpu, why_not_loaded, why_stuck
from localchat.engines.gpt4all.free_cores import FreeCores
from localchat.engines.gpt4all.library import LEAST_FREE, Library, Manner, refusals
from localchat.engines.gpt4all.place import Place, choose_place


class Gpt4AllModel:
    """One GGUF in GPT4All. ``open`` before anything else; the process frees it by ending.

    ``read`` are the tokens in its memory, of the prompt and of the answer.
    """

    def __init__(self) -> None:
        self._library = Library()
        self.read: list[int] = []
        self._cores: FreeCores | None = None

    def choose_place(self, wanted: int | None, layers: int) -> Place:
        """See ``place``, for this computer."""
        mac, arm = sys.platform == "darwin", platform.machine() == "arm64"
        return choose_place(wanted, layers, self._library.gpus, mac=mac, arm=arm)

    def open(self, path: Path, place: Place, context: int) -> None:
        """Load the file, with room for ``context`` tokens.

        Raises:
            ModelFileError: it is no model that GPT4All can run.
            LoadError: it is, but it did not load.
        """
        library, then = self._library, self._library.heard.now()
        self._path, self._place, self._context = path, place, context
        self._model = library.make(path, place.backend)
        if place.device and not library.take_gpu(self._model, place.device):
            raise why_no_gpu(place.device)
        if not library.load(self._model, path, context, place.layers):
            raise why_not_loaded(path, library.heard.since(then), place.layers)

    @property
    def on_gpu(self) -> bool:
        """Whether it runs there: not every kind of file can."""
        return self._library.on_gpu(self._model)

    def use_threads(self, threads: int, *, share: bool) -> None:
        """Compute with so many ``threads``; with fewer while other programs need the cores, where
        they are to be ``share``d."""
        self._library.use_threads(self._model, threads)
        self._cores = FreeCores(threads) if share and threads > 1 else None

    def _share_cores(self) -> None:
        threads = self._cores.threads() if self._cores else None
        if threads:
            self._library.use_threads(self._model, threads)

    def counter(self, pads: list[str]) -> Counter | None:
        """See ``make_counter``."""
        return make_counter(self._library, self._path, pads)

    def prompt(
        self,
        text: str,
        keep: int,
        manner: Manner,
        on_read: Callable[[int], bool],
        on_written: Callable[[int, bytes], bool],
    ) -> None:
        """See ``Library.prompt``.

        Raises:
            PromptTooLong: it does not fit. Nothing was read.
            LoadError: the library could not go on.
        """
        heard = self._library.heard
        then = heard.now()
        if self._cores:
            self._cores.begin()

        def written(token: int, piece: bytes) -> bool:
            self._share_cores()
            return on_written(token, piece)

        def read(token: int) -> bool:
            self._share_cores()
            return on_read(token)

        self.read = []
        self.read = self._library.prompt(self._model, text, keep, manner, read, written)
        said = heard.since(then)
        if refused := [size for size, window in refusals(said) if window > PADDING]:
            raise PromptTooLong(keep + refused[-1], self._context - LEAST_FREE)
        if stuck := why_stuck(said, self._place.layers):
            raise stuck
