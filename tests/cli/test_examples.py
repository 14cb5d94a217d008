"""Every example works: in the help of every command, in the README, and on pages of docs/.

But for names of models: pythia-410m and others are too large to be served here, and read
pythia-14m, which the fake Hub has at every step.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.main import get_command

from pythia_cli.cli.app import app
from pythia_cli.suite.steps import STEPS
from tests.cli.running import Pythia
from tests.cli.test_completing import shell_environment
from tests.fakes.hub import Branch, Hub, commit_of
from tests.fakes.suite import MODEL, REPO, make_repository
from tests.golden_inside import TUNED_LENS
from tests.integrations.task_files import write_tasks


def examples(command: Any = None) -> Iterator[str]:
    """The lines of help that are commands."""
    command = command or get_command(app)
    for line in (command.help or "").splitlines():
        if re.match(r"\s+(pythia|echo|cat) ", line):
            yield line.strip()
    for inner in getattr(command, "commands", {}).values():
        yield from examples(inner)


def of_page(name: str) -> Iterator[str]:
    """The commands of `pythia` in a page's sh blocks, without their comments."""
    text = (ROOT / name).read_text(encoding="utf-8")
    for block in re.findall(r"```sh\n(.*?)```", text, re.S):
        for line in block.splitlines():
            if line.startswith("pythia "):
                yield re.sub(r"\s+#.*", "", line)


ROOT = Path(__file__).resolve().parents[2]
PAGES = (
    "README.md", "docs/checkpoints.md", "docs/recipes.md", "docs/surprisal.md", "docs/pairs.md",
    "docs/choices.md", "docs/icl.md", "docs/inside.md", "docs/lens.md", "docs/sweeps.md",
    "docs/weights.md",
)  # fmt: skip
EXAMPLES = list(dict.fromkeys([*examples(), *(line for page in PAGES for line in of_page(page))]))


TEXTS = {
    "stimuli.tsv": "sentence\nIt was the best.\n",
    "prompts.jsonl": '{"prompt": "It was\\nthe"}\n',
    "words.tsv": "story\tword\n1\tIt\n1\twas\n",
    "blimp/1.jsonl": '{"sentence_good": "It was.", "sentence_bad": "It be.", "UID": "verbs"}\n',
    "pairs.csv": "grammatical,ungrammatical\nIt was.,It be.\n",
    "documents.jsonl": f'{{"text": "{"It was the age of wisdom. " * 20}"}}\n' * 3,
    "items.jsonl": '{"ctx": "It", "endings": ["was", "be"], "gold": 0}\n',
    "items.csv": "question,a,b,c,d,answer\nIt,was,be,is,are,0\n",
    "rows.jsonl": f'{{"tokens": {[*range(3, 51)]}}}\n',
}
"""What commands on items read."""


PLAN = f"""
model = "{MODEL}"
steps = "512,1000"

[[measures]]
measure = "surprisal"
inputs = ["stimuli.tsv"]
column = "sentence"
"""


def write_items(folder: Path) -> None:
    (folder / "blimp").mkdir()
    for name, text in TEXTS.items():
        (folder / name).write_text(text)
    shutil.copytree(TUNED_LENS, folder / "lens")
    np.save(folder / "sequences.npy", np.full((3, 64), 5, np.uint16))
    np.full((2, 2049), 5, np.uint16).tofile(folder / "document.bin")


@pytest.fixture(scope="module")
def place(pythia: Pythia, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with what the examples read, a store with what they name, and a Hub."""
    folder = tmp_path_factory.mktemp("examples")
    repository = make_repository(folder / "hub")[REPO]
    source = repository["step512"].folder
    assert source is not None
    for step in STEPS:
        name = f"step{step}"
        if step not in (64, 143000):
            repository[name] = Branch(commit_of(REPO, name), source)
    text = "It was the best of times, it was the worst of times, it was the age of wisdom. " * 8
    (folder / "chapters").mkdir()
    for name in ("book.txt", "held-out.txt", "chapters/1.txt", "chapters/2.txt"):
        (folder / name).write_text(text)
    write_items(folder)
    for name in ("pythia-14m", "my-finetune"):
        shutil.copytree(source, folder / name)
    write_tasks(folder / "tasks")
    for name in ("lambada_openai", "piqa", "my_task"):  # with the documents of a small one
        made = (folder / "tasks/first.yaml").read_text().replace("task: first", f"task: {name}")
        (folder / f"tasks/{name}.yaml").write_text(made)
    own = replace(pythia, store=folder / "store")
    with Hub({REPO: repository}) as hub:
        (folder / "environment").write_text(f"{hub.url}\n")
        env = {"HF_ENDPOINT": hub.url, "HF_HOME": str(folder / "hf")}
        own("download", "-m", MODEL, "-c", "64,512,1000,main", env=env)
        own("download", "-m", MODEL, "-c", "3000", "--keep-original", env=env)
        own("checkpoint", "use", f"{MODEL}@main")
        (folder / "plan.toml").write_text(PLAN)
        own("sweep", "runs/grammar", "-c", "512,main", "--pairs", "blimp/1.jsonl", cwd=folder)
        yield folder


def test_every_command_has_examples() -> None:
    def check(command: Any) -> None:
        inner = getattr(command, "commands", None)
        if inner is None:
            assert list(examples(command)), command.name
        for one in (inner or {}).values():
            check(one)

    check(get_command(app))
    assert len(EXAMPLES) >= 20


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example(pythia: Pythia, place: Path, tmp_path: Path, example: str) -> None:
    if "jq" in shlex.split(example) and shutil.which("jq") is None:
        example = example.split(" | jq")[0]
    example = re.sub(r"pythia-(410m|70m-deduped)\b", MODEL, example)
    if example.startswith("pythia eval"):
        if importlib.util.find_spec("lm_eval") is None:
            pytest.skip("needs lm-eval")
        example = re.sub(
            "(--tasks [^ ]+)( --include-path [^ ]+)?", r"\1 --include-path tasks", example
        )
    if " icl " in example:  # the context of the small model is 64 tokens
        example = example.replace(" icl ", " icl --early 5 --late 60 ")
    if " --icl " in example:
        example += " --set icl.early=5 --set icl.late=60"
    if example.startswith("pythia heads") and MODEL in example:
        example += " --length 20"
    if " --on slurm" in example and shutil.which("sbatch") is None:
        example = example.split(" --on slurm")[0]
    # Each changes a store of its own, and asks nobody. Files of a store are replaced, not written.
    shutil.copytree(place / "store", tmp_path / "store", copy_function=os.link)
    if example.startswith("pythia quantize"):
        shutil.rmtree(tmp_path / f"store/checkpoints/{MODEL}/step143000")
    if "checkpoint remove" in example and "--yes" not in example:
        example += " --yes"
    own = replace(pythia, store=tmp_path / "store")
    environment = shell_environment(own) | {
        "HF_ENDPOINT": (place / "environment").read_text().strip(),
        "HF_HOME": str(tmp_path / "hf"),
    }
    done = subprocess.run(
        ["bash", "-ec", f"set -o pipefail; {example}"],
        cwd=place, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
        timeout=200, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done
    assert done.stdout or done.stderr, done
