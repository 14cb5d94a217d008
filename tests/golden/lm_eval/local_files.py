"""The data of the tasks in this folder: JSONL files beside it, wherever lm-eval is started."""

import json
from pathlib import Path
from typing import Any

import datasets


def load(data_file: str, **metadata: Any) -> dict[str, datasets.Dataset]:
    """The file's lines as split `test`; lm-eval passes the task's metadata too."""
    lines = (Path(__file__).parent / data_file).read_text(encoding="utf-8").splitlines()
    return {"test": datasets.Dataset.from_list([json.loads(line) for line in lines])}
