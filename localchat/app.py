"""Opens one data folder and wires the parts together, once for a process."""

from __future__ import annotations

import json
import logging
import logging.handlers
import os
import threading
from collections.abc import Callable, Iterable, Sequence
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from localchat.chat.answer import Answer, Turn
from localchat.chat.conversations import Conversations
from localchat.core.database import Database
from localchat.core.errors import FolderInUse, LocalChatError
from localchat.core.folder import DataFolder
from localchat.core.settings import Settings
from localchat.core.settings_file import SettingsFile
from localchat.library.library import Library
from localchat.library.rows import Source
from localchat.library.scope import EVERYTHING, Scope

if TYPE_CHECKING:
    from filelock import FileLock

    from localchat.chat.asking import Asking
    from localchat.chat.chain import Chain
    from localchat.engines.base import Engine

log = logging.getLogger(__name__)

GUIDE = "A short guide to LocalChat.md"


class LocalChat:
    """The app without a window. Made by ``open_localchat``; ``close()`` it at the end.

    Args:
        eager: Load a model as soon as it is chosen: of use only to a process that stays.
    """

    def __init__(self, folder: DataFolder, lock: FileLock, *, eager: bool = True) -> None:
        from localchat.answering.answering import Answering
        from localchat.answering.embedders import EmbedderShelf
        from localchat.answering.models import Models
        from localchat.engines.room import EngineRoom
        from localchat.engines.shelf import EngineShelf

        self.folder = folder
        self._lock = lock
        self._log = _log_to(folder.logs / "localchat.log")
        self._guard = threading.Lock()
        self._settings = SettingsFile(folder.settings)
        self.database = Database(folder.database)
        self.embedders = EmbedderShelf(folder)
        self.room = EngineRoom()
        self.engines = EngineShelf(folder.logs)
        self.answering = Answering(
            folder, lambda: self.settings, self.change, self.engine, self.room
        )
        self.library = Library(
            folder, self.database, self.embedders, self.settings, busy=lambda: self.room.busy
        )
        self.models = Models(
            folder,
            self.database,
            lambda: self.settings,
            self.change,
            self.answering,
            self.embedders,
            self.library,
            load=self.preload if eager else lambda _: None,
            unload=self.room.empty,
        )
        self.conversations = Conversations(self.database)
        self._running: dict[str, Asking] = {}

    # The data folder

    @property
    def holds_lock(self) -> bool:
        """Whether this process runs the library's jobs and keeps its vector index."""
        return self._lock.is_locked

    def take_over(self) -> bool:
        """Become the one that runs the jobs, if nobody else does."""
        from filelock import Timeout

        if self._lock.is_locked:
            return True
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            return False
        self.library.start()
        self.models.start()
        return True

    def announce(self, address: str) -> None:
        """Let others know where the window on this data folder is."""
        said = json.dumps({"pid": os.getpid(), "address": address})
        self.folder.instance.write_text(said, encoding="utf-8")

    def close(self) -> None:
        """Stop what runs and let go of the data folder."""
        for asking in list(self._running.values()):
            asking.stop()
        for asking in list(self._running.values()):
            asking.wait(timeout=5)
        self.models.close()
        self.room.close()
        self.engines.close()
        self.library.close()
        self.embedders.close()
        self.database.close()
        if self._lock.is_locked:
            self.folder.instance.unlink(missing_ok=True)
            self._lock.release()
        logging.getLogger("localchat").removeHandler(self._log)
        self._log.close()

    # Settings

    @property
    def settings(self) -> Settings:
        """As they stand now, also where another process has changed them."""
        return self._settings.now()

    def change(self, **changes: Any) -> Settings:
        """Remember settings; what depends on them uses them from the next question on."""
        return self._settings.change(**changes)

    # The first source

    def add_guide(self) -> None:
        """Put the guide into a library that never held anything, so that a first question has an
        answer. Who removes it does not get it again."""
        used = self.database.one("SELECT seq FROM sqlite_sequence WHERE name = 'source'")
        if used is None:
            content = resources.files("localchat").joinpath("guide.md").read_bytes()
            self.library.add_file(GUIDE, content, "text/markdown")

    # Models

    def engine(self, settings: Settings) -> Engine:
        """The engine that these settings name. It is not loaded by this."""
        return self.engines.engine(settings)

    def chain(self, settings: Settings) -> Chain:
        """The retrieval chain for these settings. Expensive to import, cheap to make: cache it."""
        from localchat.chat import translation
        from localchat.chat.chain import build_chain
        from localchat.engines.base import WRITING

        engine = self.engine(settings)
        options = {name: getattr(settings, name) for name in WRITING}
        translator = engine.bind(**{**options, **translation.WRITING})
        return build_chain(
            self.library.retriever(settings.passages, settings.passage_tokens),
            engine.bind(**options),
            room=lambda: engine.prompt_room(settings.answer_tokens),
            count=engine.get_num_tokens,
            meaning=lambda: self.library.meaning,
            translator=None if settings.engine == "quotes" else translator,
            languages=self.library.to_translate_into,
            failure=lambda: self.library.meaning.error,
        )

    # Questions

    def ask(
        self,
        question: str,
        settings: Settings,
        chain: Chain,
        conversation_id: str | None = None,
        history: Sequence[Turn] = (),
        scope: Scope = EVERYTHING,
    ) -> Asking:
        """Begin to answer from the sources in ``scope``. With a conversation, question and answer
        are kept in it."""
        from localchat.chat.asking import Asking
        from localchat.engines.base import phase_message, phase_of
        from localchat.engines.room import EngineRoom

        engine = self.engine(settings)
        sources = self.library.resolve(scope)
        self._note_use(settings)
        # Quotes take no memory, so they need not wait for a model to leave the room.
        room = EngineRoom() if settings.engine == "quotes" else self.room
        visit = room.visit(engine)
        turn_id = self.conversations.ask(conversation_id, question) if conversation_id else None

        def ended(answer: Answer) -> None:
            if conversation_id is None or turn_id is None:
                return
            self.conversations.answer(turn_id, answer)
            with self._guard:
                if self._running.get(conversation_id) is asking:
                    del self._running[conversation_id]

        asking = Asking(
            question,
            history,
            chain,
            by_quotes=settings.engine == "quotes",
            model=engine.title,
            meaning=lambda: self.library.meaning,
            question_limit=settings.question_characters,
            enter=lambda: (phase_message(phase) for phase in visit.enter()),
            leave=visit.leave,
            phase_of=phase_of,
            on_end=ended,
            sources=sources,
            of=len(self.library.titles()),
        )
        if conversation_id:
            with self._guard:
                self._running[conversation_id] = asking
        return asking.start()

    def running(self, conversation_id: str) -> Asking | None:
        """The question of that conversation that is being answered now, if there is one."""
        asking = self._running.get(conversation_id)
        return asking if asking is not None and asking.running else None

    def preload(self, settings: Settings) -> None:
        """Load the engine in the background, so that the first question need not wait for it.
        A failure shows in the engine's phase."""
        from localchat.core.errors import EngineError

        engine = self.engine(settings)
        self._note_use(settings)

        def load() -> None:
            try:
                self.room.load(engine)
            except EngineError as error:
                log.warning("%s", error)

        threading.Thread(target=load, name="preload", daemon=True).start()

    def _note_use(self, settings: Settings) -> None:
        if settings.engine not in ("quotes", "server"):
            self.models.note_use(settings.model)


def open_localchat(folder: DataFolder | None = None, *, alone: bool = False) -> LocalChat:
    """Open the data folder.

    Args:
        folder: Default: the one that the environment names.
        alone: Insist on being the only one on it (the window does; the command line need not).

    Raises:
        FolderInUse: ``alone``, and another process holds the folder.
        FolderNotWritable, DiskFull, StorageError: it cannot be used.
    """
    from filelock import FileLock

    folder = folder or DataFolder.default()
    folder.prepare()
    # A user's environment could turn on tracing, which would send prompts to a server.
    os.environ["LANGSMITH_TRACING"] = "false"
    os.environ["LANGCHAIN_TRACING_V2"] = "false"
    # The model hub need not hear what else is installed here.
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    chat = LocalChat(folder, FileLock(folder.lock, thread_local=False), eager=alone)
    try:
        if alone and not chat.take_over():
            raise FolderInUse(folder.root, address_of(folder))
    except LocalChatError:
        chat.close()
        raise
    return chat


def address_of(folder: DataFolder) -> str | None:
    """Where the window that holds ``folder`` is, if it said so."""
    try:
        address = json.loads(folder.instance.read_text(encoding="utf-8"))["address"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return str(address)


def _log_to(path: Path) -> logging.Handler:
    """Send our log to ``path``: two files of at most 1 MB."""
    ours = logging.getLogger("localchat")
    handler = logging.handlers.RotatingFileHandler(
        path, maxBytes=1_000_000, backupCount=1, encoding="utf-8", delay=True
    )
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    ours.addHandler(handler)
    ours.setLevel(logging.INFO)
    ours.propagate = False
    return handler


def wait_for(
    chat: LocalChat,
    source_ids: Iterable[int],
    on_change: Callable[[Source], None] = lambda _: None,
) -> list[Source]:
    """Wait until sources are taken in: by this process, or by the one whose window is open. Where
    that one goes away in the middle, this one takes over."""
    return chat.library.wait(source_ids, on_change, each_turn=chat.take_over)
