"""The benchmark of large libraries, with a small one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import scale

TOWNS = ("Alba", "Brena", "Corvo", "Delun", "Ester", "Falka", "Gorin", "Hulme", "Istra", "Jorve")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    paragraphs = [
        {
            "context": f"The town of {town} has {n + 3} bridges over its slow brown river. "
            f"Its market in {town} was first held in {1200 + n}, on a cold and windy Monday.",
            "qas": [
                {"question": f"How many bridges does {town} have, and since {year}?"}
                for year in range(8)
            ],
        }
        for n, town in enumerate(TOWNS)
    ]
    path = tmp_path / "towns.json"
    path.write_text(json.dumps({"data": [{"paragraphs": paragraphs}]}), encoding="utf-8")
    return path


def test_it_makes_a_library_asks_it_in_every_scope_and_adds_up_its_stores(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, search_model: None
) -> None:
    numbers = tmp_path / "numbers.json"
    asked = ["--chunks", "60", "--questions", "5", "--data", str(data), "--json", str(numbers)]
    assert scale.main(asked) == 0
    found = json.loads(numbers.read_text(encoding="utf-8"))["60"]
    assert 700 <= found["made"]["characters in a chunk"] <= 900
    assert set(found["the whole search, ms"]) == {
        "everything", "one source", "5 %", "half", "all but one"
    }  # fmt: skip
    assert all(0 < one["p50"] <= one["p95"] for one in found["the whole search, ms"].values())
    assert found["a search until then, ms"]["p50"] > 0
    assert found["recall of the best ten"] == {"mean": 1, "worst": 1}
    sizes = found["bytes a chunk"]
    assert sizes["vectors"] > 384
    assert sizes["keywords"] > 0
    stores = [size for name, size in sizes.items() if not name.startswith("all")]
    assert sum(stores) > sizes["all, beyond the text"] > sum(stores) - sizes["the text"] - 10
