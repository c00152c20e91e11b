"""`start.py --gpu KIND`: real environments, tiny builds, an index on this computer."""

import functools
import http.server
import io
import json
import os
import shutil
import subprocess
import tarfile
import threading
import urllib.error
from collections.abc import Iterator
from pathlib import Path

import pytest

from starting.gpu import Way, impossible, in_one, kinds_for, ways_to_kind
from starting.toolkits import build_environment, missing_to_build, nvcc
from tests.start.small_project import Project, make_wheel

LLAMA = "llama-cpp-python"
BUILD = "KIND = {kind!r}\ndef llama_supports_gpu_offload():\n    return {gpu}\n"
CPU = BUILD.format(kind="cpu", gpu=False)
VULKAN = BUILD.format(kind="vulkan", gpu=True)

BACKEND = """
import base64, hashlib, os, zipfile

INFO = "llama_cpp_python-0.3.36.dist-info"

def build_wheel(folder, config_settings=None, metadata_directory=None):
    gpu = "GGML_VULKAN=on" in os.environ.get("CMAKE_ARGS", "")
    files = {
        "llama_cpp/__init__.py": f"KIND = {'vulkan' if gpu else 'cpu'!r}\\n"
        f"def llama_supports_gpu_offload():\\n    return {gpu}\\n",
        INFO + "/METADATA": "Metadata-Version: 2.1\\nName: llama-cpp-python\\nVersion: 0.3.36\\n",
        INFO + "/WHEEL": "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
    }
    def line(path, text):
        raw = hashlib.sha256(text.encode()).digest()
        return f"{path},sha256={base64.urlsafe_b64encode(raw).decode().rstrip('=')},{len(text)}"
    record = [line(path, text) for path, text in files.items()]
    files[INFO + "/RECORD"] = "\\n".join([*record, INFO + "/RECORD,,"])
    name = "llama_cpp_python-0.3.36-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(folder, name), "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
    return name
"""
PYPROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
[project]
name = "llama-cpp-python"
version = "0.3.36"
"""


@pytest.fixture
def shelf(tmp_path: Path) -> Path:
    """What the index of ready-made builds holds: shelf / variant / llama-cpp-python / wheels."""
    folder = tmp_path / "shelf" / "llama-cpp-python" / "whl"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def index(shelf: Path) -> Iterator[str]:
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    handler = functools.partial(Quiet, directory=str(shelf.parents[1]))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def with_cpu_build(project: Project, index: str, tmp_path: Path) -> Project:
    """The small project, with a llama.cpp that computes on the processor."""
    project.llama_index_is_at(index)
    make_wheel(tmp_path, LLAMA, "0.3.36", {"llama_cpp/__init__.py": CPU})
    run_python(project, "-m", "pip", "install", "-q", "--no-index", *tmp_path.glob("*.whl"))
    entry = {"installed": True, "how": "ready-made build (cpu)"}
    project.record = project.record | {"engines": {LLAMA: entry}}
    return project


def offer(shelf: Path, variant: str, files: dict[str, str], version: str = "0.3.36") -> None:
    folder = shelf / variant / LLAMA
    folder.mkdir(parents=True)
    make_wheel(folder, LLAMA, version, files, needs="greeting>=1")


def run_python(project: Project, *arguments: str | Path) -> str:
    programs = project.root / ".venv" / ("Scripts" if os.name == "nt" else "bin")
    command = [programs / "python", *arguments]
    done = subprocess.run(
        command, env=project.environment(), capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def kind_in_place(project: Project) -> str:
    return run_python(project, "-c", "import llama_cpp; print(llama_cpp.KIND)")


ONLINE = {
    "PIP_NO_INDEX": "0",
    "PIP_INDEX_URL": "http://127.0.0.1:9",
    "PIP_RETRIES": "0",
    "NO_PROXY": "127.0.0.1",
}


# ---- It works ---------------------------------------------------------------------------------


def test_a_ready_made_build_that_finds_the_card_takes_the_place_of_the_one_before(
    with_cpu_build, shelf
):
    project = with_cpu_build
    offer(shelf, "vulkan", {"llama_cpp/__init__.py": VULKAN, "lib/cmake/ggml.cmake": ""})
    greeting = run_python(project, "-c", "import greeting; print(greeting.__file__)")
    before = Path(greeting).stat().st_mtime_ns
    done = project.start("--gpu", "vulkan", env=ONLINE)
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith("1 of 1  Getting llama.cpp")
    said = "llama.cpp computes on the graphics card (Vulkan): ready-made build (vulkan).\n"
    assert said in done.stderr
    assert json.loads(done.stdout)["arguments"] == ["serve"]
    assert kind_in_place(project) == "vulkan"
    had = {"installed": True, "how": "ready-made build (vulkan)", "gpu": "vulkan"}
    assert project.record["engines"][LLAMA] == had
    assert project.record["gpu"] == "vulkan"
    assert Path(greeting).stat().st_mtime_ns == before, "nothing else is installed again"
    assert not list((project.root / ".venv").glob("llama-*"))


def test_what_was_chosen_once_is_kept_for_the_next_version(with_cpu_build, shelf):
    project = with_cpu_build
    project.record = project.record | {"gpu": "vulkan"}
    offer(shelf, "cpu", {"llama_cpp/__init__.py": CPU}, version="0.3.37")
    offer(shelf, "vulkan", {"llama_cpp/__init__.py": VULKAN}, version="0.3.37")
    text = (project.root / "constraints.txt").read_text("utf-8")
    project.write("constraints.txt", text.replace("0.3.36", "0.3.37"))
    done = project.start("sources", engines=True, env=ONLINE)
    assert done.returncode == 0, done.stderr
    assert kind_in_place(project) == "vulkan"
    assert project.record["engines"][LLAMA]["gpu"] == "vulkan"


def test_repair_alone_keeps_the_kind(with_cpu_build, shelf):
    project = with_cpu_build
    project.record = project.record | {"gpu": "vulkan"}
    offer(shelf, "vulkan", {"llama_cpp/__init__.py": VULKAN})
    done = project.start("--repair", engines=True, env=ONLINE)
    assert done.returncode == 0, done.stderr
    assert kind_in_place(project) == "vulkan"


def test_an_environment_that_has_to_be_made_again_remembers_the_kind(with_cpu_build, shelf):
    project = with_cpu_build
    offer(shelf, "vulkan", {"llama_cpp/__init__.py": VULKAN})
    project.record = project.record | {"gpu": "vulkan", "unfinished": "packages"}
    done = project.start("sources", engines=True, env=ONLINE)
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith("1 of 5  Making a private Python environment")
    assert kind_in_place(project) == "vulkan"
    assert project.record["gpu"] == "vulkan"


def test_asking_again_for_what_is_there_downloads_nothing(with_cpu_build, shelf):
    project = with_cpu_build
    log = project.log.read_bytes()
    for wish in ("none", "none"):
        done = project.start("--gpu", wish)
        assert "llama.cpp computes on the processor: ready-made build (cpu).\n" in done.stderr
    assert project.record["gpu"] == "none"
    assert project.log.read_bytes() == log


@pytest.mark.skipif(os.name == "nt", reason="the compilers are shell scripts")
def test_a_build_from_source_is_a_new_one_and_not_the_one_that_pip_keeps(
    with_cpu_build, shelf, index, tmp_path
):
    project = with_cpu_build
    simple = shelf.parents[1] / "simple" / LLAMA
    simple.mkdir(parents=True)
    with tarfile.open(simple / "llama_cpp_python-0.3.36.tar.gz", "w:gz") as archive:
        for name, text in {"pyproject.toml": PYPROJECT, "backend.py": BACKEND}.items():
            member = tarfile.TarInfo(f"llama_cpp_python-0.3.36/{name}")
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
    for program in ("cc", "c++", "sdk/bin/glslc"):
        project.write(program, "#!/bin/sh\n")
        (project.root / program).chmod(0o755)
    env = ONLINE | {
        "PIP_INDEX_URL": f"{index}/simple",
        "PIP_CACHE_DIR": str(tmp_path / "cache"),
        "VULKAN_SDK": str(project.root / "sdk"),
    }
    kept = ["-m", "pip", "wheel", "-q", "-w", tmp_path / "built", f"{LLAMA}==0.3.36"]
    subprocess.run(
        [project.root / ".venv" / "bin" / "python", *kept],
        env=project.environment() | env,
        check=True,
    )
    assert list((tmp_path / "cache").rglob("llama_cpp_python-0.3.36*.whl")), "pip keeps it"
    done = project.start("--gpu", "vulkan", env=env)
    assert "Building llama.cpp from its source: 10 to 40 minutes, only once." in done.stderr
    assert kind_in_place(project) == "vulkan", done.stderr
    assert project.record["engines"][LLAMA] == {
        "installed": True,
        "how": "build made here from source (vulkan)",
        "gpu": "vulkan",
        "note": "There is no ready-made build for this computer.",
    }


# ---- It does not work: nobody has less than before --------------------------------------------


@pytest.mark.parametrize(
    ("module", "reason"),
    [
        (BUILD.format(kind="vulkan", gpu=False), "it finds no graphics card that it can use"),
        ("import libvulkan\n", "sudo apt install libvulkan1 mesa-vulkan-drivers"),
        pytest.param(
            "import os, signal; os.kill(os.getpid(), signal.SIGILL)\n",
            "it ends with signal 4",
            marks=pytest.mark.skipif(os.name == "nt", reason="crashes with a signal"),
        ),
    ],
)
def test_a_build_that_finds_no_card_never_takes_the_place_of_the_one_that_works(
    with_cpu_build, shelf, module, reason
):
    project = with_cpu_build
    offer(shelf, "vulkan", {"llama_cpp/__init__.py": module})
    done = project.start("--gpu", "vulkan", env=ONLINE)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["arguments"] == ["serve"], "the app is opened all the same"
    assert "llama.cpp computes on the processor: ready-made build (cpu).\n" in done.stderr
    assert "To try again later: python3 start.py --gpu vulkan" in done.stderr
    assert kind_in_place(project) == "cpu"
    entry = project.record["engines"][LLAMA]
    assert (entry["installed"], entry["gpu"]) == (True, "none")
    assert reason in entry["note"]
    assert reason in done.stderr
    assert "There is no C++ compiler" in entry["note"]
    assert not list((project.root / ".venv").glob("llama-*"))
    assert project.start("sources").stderr == "", "it is not tried at every start"


@pytest.mark.skipif(
    Path("/proc/driver/nvidia/version").exists()
    or os.name == "nt"
    or os.uname().sysname != "Linux",
    reason="for a computer without an NVIDIA card",
)
def test_a_computer_without_an_nvidia_card_is_told_so_in_plain_words(with_cpu_build):
    done = with_cpu_build.start("--gpu", "cuda")
    assert done.returncode == 0, done.stderr
    assert "No NVIDIA card answers here" in done.stderr
    assert "python3 start.py --gpu vulkan" in done.stderr
    assert kind_in_place(with_cpu_build) == "cpu"


def test_without_any_build_the_one_for_the_processor_is_better_than_none(project, index, shelf):
    project.llama_index_is_at(index)
    offer(shelf, "cpu", {"llama_cpp/__init__.py": CPU})
    done = project.start("--gpu", "vulkan", env=ONLINE)
    assert kind_in_place(project) == "cpu", done.stderr
    entry = project.record["engines"][LLAMA]
    assert (entry["how"], entry["gpu"]) == ("ready-made build (cpu)", "none")
    assert "There is no Vulkan SDK" in entry["note"]


def test_where_nothing_can_be_had_the_reason_is_recorded(project):
    project.llama_index_is_at("http://127.0.0.1:9")
    done = project.start("--gpu", "none")
    assert done.returncode == 0, done.stderr
    entry = project.record["engines"][LLAMA]
    assert not entry["installed"]
    assert entry["reason"].startswith("The index of ready-made builds does not answer. There is no")
    assert "To try again later: python3 start.py --gpu none" in done.stderr


@pytest.mark.parametrize("cut", ["before the old one was out", "in the middle of moving"])
def test_an_exchange_that_was_cut_short_is_finished_by_the_next_start(
    with_cpu_build, tmp_path, cut
):
    project = with_cpu_build
    make_wheel(tmp_path, LLAMA, "0.3.36", {"llama_cpp/__init__.py": VULKAN, "lib/a": ""})
    proven = project.root / ".venv" / "llama-proven"
    wheel = next(tmp_path.glob("*.whl"))
    run_python(project, "-m", "pip", "install", "-q", "--no-index", "--target", proven, wheel)
    entry = {"installed": True, "how": "ready-made build (vulkan)", "gpu": "vulkan"}
    (proven / "localchat-entry.json").write_text(json.dumps(entry))
    if cut == "in the middle of moving":
        (proven / "localchat-place-is-clear").touch()
        run_python(project, "-m", "pip", "uninstall", "-q", "-y", LLAMA)
        packages = Path(
            run_python(project, "-c", "import greeting; print(greeting.__file__)")
        ).parent
        for info in proven.glob("*.dist-info"):
            shutil.move(info, packages)
    done = project.start("--gpu", "vulkan")
    assert "llama.cpp computes on the graphics card (Vulkan): ready-made" in done.stderr
    assert kind_in_place(project) == "vulkan"
    assert project.record["engines"][LLAMA] == entry
    assert not proven.exists()


# ---- The decisions ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wish", "variants", "kinds"),
    [
        ("auto", ["cu124", "cu118", "cpu"], ["cuda", "none"]),
        ("auto", ["metal", "cpu"], ["metal", "none"]),
        ("auto", ["cpu"], ["none"]),
        ("vulkan", ["cu124", "cpu"], ["vulkan"]),
        ("none", ["metal", "cpu"], ["none"]),
    ],
)
def test_the_kinds_that_a_wish_stands_for_best_first(wish, variants, kinds):
    assert kinds_for(wish, variants) == kinds


@pytest.mark.parametrize(
    ("kind", "system", "machine", "nvidia", "words"),
    [
        ("cuda", "Darwin", "arm64", False, "--gpu metal"),
        ("vulkan", "Darwin", "arm64", False, "--gpu metal"),
        ("metal", "Darwin", "x86_64", False, "the processor is the faster way"),
        ("metal", "Windows", "AMD64", True, "--gpu cuda"),
        ("cuda", "Linux", "x86_64", False, "https://www.nvidia.com/drivers"),
        ("cuda", "Linux", "x86_64", True, None),
        ("metal", "Darwin", "arm64", False, None),
        ("vulkan", "Windows", "AMD64", False, None),
        ("none", "Darwin", "x86_64", False, None),
    ],
)
def test_a_kind_that_cannot_be_here_is_told_with_the_way_out(kind, system, machine, nvidia, words):
    obstacle = impossible(kind, system, machine, lambda: nvidia)
    assert obstacle is None if words is None else words in obstacle


@pytest.mark.parametrize(
    ("kind", "system", "before", "cmake", "cudacxx"),
    [
        ("cuda", "Linux", "", "-DGGML_CUDA=on", "/opt/cuda/bin/nvcc"),
        ("cuda", "Windows", "", "-DGGML_CUDA=on", None),
        ("vulkan", "Linux", "-DGGML_NATIVE=off", "-DGGML_NATIVE=off -DGGML_VULKAN=on", None),
        ("metal", "Darwin", "", "-DGGML_METAL=on", None),
        ("none", "Darwin", "", "-DGGML_METAL=off", None),
        ("none", "Linux", "", "", None),
    ],
)
def test_what_a_build_from_source_is_told(kind, system, before, cmake, cudacxx):
    built = build_environment(kind, system, {"CMAKE_ARGS": before}, "/opt/cuda/bin/nvcc")
    assert built["CMAKE_ARGS"] == cmake
    assert built.get("CUDACXX") == cudacxx


def test_the_headers_are_found_where_the_vulkan_sdk_was_unpacked():
    built = build_environment("vulkan", "Linux", {"VULKAN_SDK": "/sdk"}, None)
    assert built["CMAKE_PREFIX_PATH"] == "/sdk"


WHEELS = "https://abetlen.github.io/llama-cpp-python/whl"


def ready(variant: str) -> Way:
    options = ["--only-binary", LLAMA, "--index-url", f"{WHEELS}/{variant}"]
    return Way(f"ready-made build ({variant})", options)


def from_source(kind: str) -> Way:
    fresh = ["--no-binary", LLAMA, "--no-cache-dir"]
    return Way(f"build made here from source ({kind})", fresh, {"CMAKE_ARGS": "x"})


NO_OTHER = Way("There is no other ready-made build for this computer.", None)
NONE_READY = Way("There is no ready-made build for this computer.", None)
LACKS = [Way("There is no compiler", None), Way("There is no toolkit", None)]


@pytest.mark.parametrize(
    ("kind", "variants", "missing", "ways"),
    [
        (
            "cuda",
            ["cu132", "cu130", "cu125", "cu124", "cu118"],  # one of each CUDA is enough
            [],
            [ready("cu130"), ready("cu124"), ready("cu118"), NO_OTHER, from_source("cuda")],
        ),
        ("vulkan", ["vulkan"], [], [ready("vulkan"), NO_OTHER, from_source("vulkan")]),
        ("metal", ["metal"], [], [NONE_READY, from_source("metal")]),
        ("none", ["cpu"], [], [ready("cpu"), NO_OTHER, from_source("none")]),
        ("cuda", [], ["There is no compiler", "There is no toolkit"], [NONE_READY, *LACKS]),
    ],
)
def test_the_ways_to_a_kind_best_first(kind, variants, missing, ways):
    published = {"cu130", "cu124", "cu118", "vulkan", "cpu"}

    def fetch(address: str) -> str:
        if address.split("/")[-3] not in published:
            raise urllib.error.HTTPError(address, 404, "Not Found", None, None)  # type: ignore[arg-type]
        return "llama_cpp_python-0.3.36-py3-none-linux_x86_64.whl"

    found = ways_to_kind(kind, "0.3.36", variants, fetch, lambda _: missing, {"CMAKE_ARGS": "x"})
    assert list(found) == ways


@pytest.mark.skipif(os.name == "nt", reason="looks for programs of Linux and macOS")
def test_each_missing_thing_is_named_with_how_to_get_it(tmp_path, monkeypatch):
    for name in ("CC", "CXX", "VULKAN_SDK", "CUDA_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CUDA_HOME", str(tmp_path / "cuda"))
    compiler, toolkit = missing_to_build("vulkan")
    assert "There is no C++ compiler" in compiler
    assert "https://vulkan.lunarg.com/sdk/home" in toolkit
    if nvcc() is None:
        assert "https://developer.nvidia.com/cuda-downloads" in missing_to_build("cuda")[-1]
    for program in ("cc", "c++", "cuda/bin/nvcc"):
        place = tmp_path / program
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text("#!/bin/sh\necho here\n")
        place.chmod(0o755)
    shutil.copy(tmp_path / "cc", tmp_path / "xcode-select")
    assert nvcc() == str(tmp_path / "cuda" / "bin" / "nvcc")
    assert missing_to_build("cuda") == []


def test_reasons_stay_sentences_where_one_ends_with_a_command():
    reasons = ["There is no compiler. To have one: sudo apt install gcc", "There is no nvcc."]
    assert in_one(reasons).endswith("apt install gcc. There is no nvcc.")
    assert in_one(reasons[:1]) == reasons[0]
    assert in_one([]) == ""


def test_a_kind_nobody_knows_is_told_before_anything_is_installed(project):
    done = project.start("--gpu", "nvidia")
    assert done.returncode == 2
    assert "invalid choice: 'nvidia'" in done.stderr
