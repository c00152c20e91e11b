"""What building llama.cpp from its source needs here, and how to get what is missing."""

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

CUDA_FOLDERS = ("CUDA_PATH", "CUDA_HOME")  # where its installers note where they put it
HEADERS = (Path("/usr/include"), Path("/usr/local/include"))


def missing_to_build(kind: str) -> list[str]:
    """One sentence for each thing that a build for this kind lacks here, with how to get it."""
    sentences = [] if has_compiler() else [NO_COMPILER.format(hint=compiler_hint())]
    if kind == "cuda" and nvcc() is None:
        sentences.append(NO_NVCC)
    if kind == "vulkan" and not has_vulkan_kit():
        sentences.append(NO_VULKAN_KIT)
    return sentences


NO_COMPILER = "There is no C++ compiler to build it with. {hint}"
NO_NVCC = (
    "There is no CUDA toolkit (nvcc) to build it with. Get it from "
    "https://developer.nvidia.com/cuda-downloads, on Debian and Ubuntu also with: "
    "sudo apt install nvidia-cuda-toolkit. Vulkan does without: python3 start.py --gpu vulkan"
)
NO_VULKAN_KIT = (
    "There is no Vulkan SDK (glslc) to build it with. Get it from "
    "https://vulkan.lunarg.com/sdk/home, on Debian and Ubuntu also with: "
    "sudo apt install libvulkan-dev glslc spirv-headers"
)


def build_environment(
    kind: str, system: str, environment: Mapping[str, str], nvcc: str | None
) -> dict[str, str]:
    """The environment for a build of this kind: ours comes last, so it wins over what was set."""
    switch = {"cuda": "-DGGML_CUDA=on", "vulkan": "-DGGML_VULKAN=on", "metal": "-DGGML_METAL=on"}
    ours = switch.get(kind, "-DGGML_METAL=off" if system == "Darwin" else "")
    built = dict(environment)
    built["CMAKE_ARGS"] = f"{environment.get('CMAKE_ARGS', '')} {ours}".strip()
    if kind == "cuda" and nvcc and system != "Windows":  # there Visual Studio knows where it is
        built.setdefault("CUDACXX", nvcc)
    sdk = environment.get("VULKAN_SDK", "")
    if kind == "vulkan" and sdk:  # CMake looks there for the compiler only, not for the headers
        before = environment.get("CMAKE_PREFIX_PATH", "")
        built["CMAKE_PREFIX_PATH"] = os.pathsep.join(filter(None, (sdk, before)))
    return built


def nvcc() -> str | None:
    """CUDA's compiler; NVIDIA's own packages for Linux do not put it where programs are found."""
    folders = [os.environ[name] for name in CUDA_FOLDERS if os.environ.get(name)]
    places = [str(Path(folder, "bin")) for folder in (*folders, "/usr/local/cuda")]
    return shutil.which("nvcc") or shutil.which("nvcc", path=os.pathsep.join(places))


def has_vulkan_kit() -> bool:
    sdk = os.environ.get("VULKAN_SDK", "")
    if sdk:  # the whole of it: compiler, headers, library
        places = os.pathsep.join((str(Path(sdk, "bin")), str(Path(sdk, "Bin"))))
        return bool(shutil.which("glslc") or shutil.which("glslc", path=places))
    return bool(shutil.which("glslc")) and all(
        any((folder / header).exists() for folder in HEADERS)
        for header in ("vulkan/vulkan.h", "spirv/unified1/spirv.hpp")
    )


def has_nvidia_driver() -> bool:
    return cuda_answer() is not None or Path("/proc/driver/nvidia/version").exists()


def cuda_answer() -> str | None:
    """What the NVIDIA driver says about itself and its cards; None where none answers."""
    try:
        answer = subprocess.run(
            ["nvidia-smi"],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=20,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return answer.stdout if answer.returncode == 0 else None


def has_compiler() -> bool:
    if os.name == "nt":
        return bool(shutil.which("cl")) or has_visual_studio()
    if sys.platform == "darwin":  # /usr/bin/cc is always there, and may only offer an installation
        return succeeds("xcode-select", "-p")
    c = (os.environ.get("CC", ""), "cc", "gcc", "clang")
    cpp = (os.environ.get("CXX", ""), "c++", "g++", "clang++")
    return any(map(shutil.which, c)) and any(map(shutil.which, cpp))


def has_visual_studio() -> bool:
    programs = os.environ.get("PROGRAMFILES(X86)", "")
    vswhere = Path(programs, "Microsoft Visual Studio", "Installer", "vswhere.exe")
    tools = "Microsoft.VisualStudio.Component.VC.Tools.x86.x64"
    return vswhere.exists() and succeeds(vswhere, "-products", "*", "-requires", tools)


def succeeds(*command: str | Path) -> bool:
    """Ended well, and named something."""
    answer = subprocess.run(command, capture_output=True, check=False)
    return answer.returncode == 0 and bool(answer.stdout.strip())


def compiler_hint() -> str:
    system = platform.system()
    if system == "Windows":
        return 'Install "Visual Studio Build Tools" with "Desktop development with C++".'
    if system == "Darwin":
        return "To have one: xcode-select --install"
    return "To have one, on Debian and Ubuntu: sudo apt install build-essential"
