"""BLiMP's minimal pairs as lm-eval scores them, and as minicons does without the leading space."""

import json
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from lm_eval import simple_evaluate
from lm_eval.tasks import TaskManager
from minicons.scorer import IncrementalLMScorer

KEPT = 100
KEPT_FIELDS = ("sentence_good", "sentence_bad", "field", "linguistics_term", "UID", "pairID")
SENTENCES = ("sentence_good", "sentence_bad")
BATCH = 50
KINDS = {
    "logprob": np.float32,
    "correct": np.uint8,
    "n_tokens": np.uint8,
    "logprob_no_space": np.float32,
}


def make(model_folder: Path, scorer: IncrementalLMScorer, blimp: Path, out: Path) -> None:
    """Write UID.jsonl, the first pairs of each file in `blimp`, and golden.npz of all pairs."""
    files = sorted(blimp.glob("*.jsonl"))
    pairs = {file.stem: read_lines(file) for file in files}
    out.mkdir(exist_ok=True)
    for uid, items in pairs.items():
        kept = [{field: item[field] for field in KEPT_FIELDS} for item in items[:KEPT]]
        lines = "".join(json.dumps(item, ensure_ascii=False) + "\n" for item in kept)
        (out / f"{uid}.jsonl").write_text(lines, encoding="utf-8")
    samples = run_lm_eval(model_folder, files)
    stacked: dict[str, list[np.ndarray]] = {name: [] for name in KINDS}
    for uid, items in pairs.items():
        for name, array in figures(items, samples[f"golden_{uid}"], scorer).items():
            stacked[name].append(array)
        print(f"blimp: {uid}: {stacked['correct'][-1].mean():.3f}")
    arrays = {name: np.stack(stacked[name]).astype(kind) for name, kind in KINDS.items()}
    np.savez_compressed(out / "golden.npz", uid=np.array(list(pairs)), **arrays)


def figures(
    items: list[dict], samples: list[dict], scorer: IncrementalLMScorer
) -> dict[str, np.ndarray]:
    """One file's figures, [n_pairs] or [n_pairs, 2]: good, bad."""
    samples = sorted(samples, key=lambda sample: sample["doc_id"])
    assert [sample["doc"]["pairID"] for sample in samples] == [item["pairID"] for item in items]
    sentences = [item[field] for item in items for field in SENTENCES]
    encoded = scorer.tokenizer([f" {sentence}" for sentence in sentences]).input_ids
    return {
        "logprob": np.array([[r[0][0] for r in sample["resps"]] for sample in samples]),
        "correct": np.array([sample["acc"] for sample in samples]),
        "n_tokens": np.reshape([len(ids) for ids in encoded], (-1, 2)),
        "logprob_no_space": np.reshape(without_space(scorer, sentences), (-1, 2)),
    }


def read_lines(file: Path) -> list[dict]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def run_lm_eval(model_folder: Path, files: list[Path]) -> dict[str, list[dict]]:
    """Each task's samples: lm-eval's own definition of BLiMP, with a local file for its data."""
    template = Path(find_spec("lm_eval").origin).parent / "tasks" / "blimp" / "_template_yaml"
    tasks = model_folder.parent / "blimp_tasks"
    tasks.mkdir()
    for file in files:
        (tasks / f"{file.stem}.yaml").write_text(
            f"include: {template}\n"
            f"task: golden_{file.stem}\n"
            "dataset_path: json\n"
            f"dataset_kwargs: {{data_files: {{train: {file}}}}}\n",
            encoding="utf-8",
        )
    results = simple_evaluate(
        model="hf",
        model_args={"pretrained": str(model_folder), "dtype": "float32"},
        device="cpu",
        batch_size=BATCH,
        tasks=[f"golden_{file.stem}" for file in files],
        task_manager=TaskManager(include_path=str(tasks)),
        bootstrap_iters=0,
    )
    return results["samples"]


def without_space(scorer: IncrementalLMScorer, sentences: list[str]) -> list[float]:
    """Sums of log-probabilities behind <|endoftext|>, the sentence as it is."""
    sums: list[float] = []
    for start in range(0, len(sentences), BATCH):
        batch = sentences[start : start + BATCH]
        sums += scorer.sequence_score(batch, lambda x: x.double().sum().item(), bos_token=True)
    return sums
