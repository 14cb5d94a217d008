"""Small tasks of lm-eval, written where a test wants them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

LOADER = """
import json
from pathlib import Path
import datasets

def load(**_):
    lines = (Path(__file__).parent / "documents.jsonl").read_text(encoding="utf-8").splitlines()
    rows = datasets.Dataset.from_list([json.loads(line) for line in lines])
    return {"test": rows, "train": rows}

def fail(doc, results):
    if not (Path(__file__).parent / "mended").exists():
        raise ValueError("this task is broken")
    return {"acc": 0.5}
"""

CHOICES = """
custom_dataset: !function loader.load
output_type: multiple_choice
test_split: test
doc_to_text: "{{context}}"
doc_to_choice: endings
doc_to_target: gold
metric_list:
  - {metric: acc, aggregation: mean, higher_is_better: true}
metadata: {version: 2.5}
"""

GROUP = """
group: both
task: [first, second]
aggregate_metric_list:
  - {metric: acc, aggregation: mean, weight_by_size: true}
"""

DOCUMENTS: list[dict[str, Any]] = [
    {"context": "She looked at him and", "endings": ["said nothing.", "zebra."], "gold": 0},
    {"context": "It was not a", "endings": ["Bennet.", "good thing."], "gold": 1},
    {"context": "Mr.", "endings": ["Darcy", "was", "a"], "gold": 0},
]


def write_tasks(folder: Path) -> Path:
    """Write tasks first and second (group both, tag pair), shots (with examples), and bad ones.

    broken fails until there is a file `mended` in the folder.
    """
    folder.mkdir(exist_ok=True)
    (folder / "loader.py").write_text(LOADER)
    (folder / "documents.jsonl").write_text("\n".join(map(json.dumps, DOCUMENTS)))
    for name in ("first", "second"):
        (folder / f"{name}.yaml").write_text(f"task: {name}\ntag: pair\n{CHOICES}")
    (folder / "both.yaml").write_text(GROUP)
    shots = CHOICES + "fewshot_split: train\nnum_fewshot: 1\n"
    (folder / "shots.yaml").write_text(f"task: shots\n{shots}")
    (folder / "broken.yaml").write_text(
        f"task: broken\n{CHOICES}process_results: !function loader.fail\n"
    )
    local = "dataset_path: json\ndataset_kwargs: {data_files: {test: not-there.jsonl}}"
    for name, data in [("no_data", local), ("no_hub", "dataset_path: EleutherAI/not-there")]:
        made = CHOICES.replace("custom_dataset: !function loader.load", data)
        (folder / f"{name}.yaml").write_text(f"task: {name}\n{made}")
    (folder / "unsafe.yaml").write_text(f"task: unsafe\nunsafe_code: true\n{CHOICES}")
    return folder
