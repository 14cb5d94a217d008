"""lm-eval's tasks in lm_eval/, of each kind of request, through its `--model hf` in float32."""

import json
import random
import re
from pathlib import Path
from typing import Any

import golden_demo
import lm_eval
import torch
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks import TaskManager

STEPS = (64, golden_demo.LAST_STEP)
TASKS = ("golden_choices", "golden_rolling", "golden_generate", "golden_last_word")
PAGES = (70, 450, 1500, 3000, 6000)  # bytes; the last two are longer than the model's context
LAST_WORDS = 30


class RecordingLM(HFLM):
    """lm-eval's class for `--model hf`, which keeps what it asks the model, and what it answers.

    `scored` has (context ids, continuation ids, log-likelihood, is greedy) in the order asked, a
    rolling request's windows one by one; `generated` has context ids to the new ids.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(pretrained=str(folder), dtype="float32", device="cpu", batch_size=1)
        self.scored: list[tuple[list[int], list[int], float, bool]] = []
        self.generated: dict[tuple[int, ...], list[int]] = {}

    def _loglikelihood_tokens(self, requests, *args, **kwargs):
        answers = super()._loglikelihood_tokens(requests, *args, **kwargs)
        for (_, context, continuation), answer in zip(requests, answers, strict=True):
            self.scored.append((context, continuation, *answer))
        return answers

    def _model_generate(self, context, *args, **kwargs):
        out = super()._model_generate(context, *args, **kwargs)
        self.generated[tuple(context[0].tolist())] = out[0, context.shape[1] :].tolist()
        return out


def make(book: str, scratch: Path, out: Path) -> None:
    """Write rolling.jsonl, last_word.jsonl and results.json into `out`; the rest is there."""
    write_lines(out / "rolling.jsonl", [{"page": page} for page in pages(book)])
    write_lines(out / "last_word.jsonl", [{"text": text} for text in passages(book)])
    tasks: dict[str, Any] = {task: {"requests": None, "steps": {}} for task in TASKS}
    for step in STEPS:
        folder = golden_demo.make_folder(step, scratch / "lm_eval")
        for name, task in tasks.items():
            lm = RecordingLM(folder)
            results = lm_eval.simple_evaluate(
                lm, tasks=[name], task_manager=TaskManager(include_path=str(out)), bootstrap_iters=0
            )
            requests, answers = asked(
                lm, sorted(results["samples"][name], key=lambda s: s["doc_id"])
            )
            assert task["requests"] in (None, requests)  # the same for each step
            metrics = {
                metric: rounded(value)
                for metric, value in results["results"][name].items()
                if isinstance(value, float)
            }
            task["requests"] = requests
            task["steps"][str(step)] = {"metrics": metrics, "answers": answers}
            print(f"lm_eval: step {step}: {name}: {metrics}")
    (out / "results.json").write_text(as_lines({"version": lm_eval.__version__, "tasks": tasks}))


def write_lines(file: Path, items: list[dict[str, str]]) -> None:
    lines = "".join(json.dumps(item) + "\n" for item in items)
    file.write_text(lines, encoding="ascii")


def pages(book: str) -> list[str]:
    """Parts of the book, from one paragraph to three windows."""
    starts = [book.index("\n\n", 9000 * i) + 2 for i in range(len(PAGES))]
    return [
        book[start : book.rindex(" ", start, start + size)]
        for start, size in zip(starts, PAGES, strict=True)
    ]


def passages(book: str) -> list[str]:
    """25 to 50 words each: half end before a full stop, as LAMBADA's do, half after any word."""
    rng = random.Random(7)
    words = book.split()
    inside = [i for i, word in enumerate(words) if i > 50 and word.isalpha()]
    last = [i for i, word in enumerate(words) if i > 50 and word[-1] == "." and word[:-1].isalpha()]
    ends = [*rng.sample(last, LAST_WORDS // 2), *rng.sample(inside, LAST_WORDS // 2)]
    return [" ".join(words[end - rng.randint(24, 49) : end + 1]).rstrip(".") for end in ends]


def asked(lm: RecordingLM, samples: list[dict]) -> tuple[list[dict], list[dict]]:
    """What the model was asked, in token ids, and what it answered, in the same order."""
    if lm.scored:
        requests = [
            {"document": document, "context": context, "continuation": continuation}
            for document, (context, continuation, _, _) in zip(
                documents_of(lm, samples), lm.scored, strict=True
            )
        ]
        answers = [
            {
                "loglikelihood": rounded(log_p),
                "is_greedy": is_greedy,
                "margin": rounded(min(margins(lm.model, context, continuation))),
            }
            for context, continuation, log_p, is_greedy in lm.scored
        ]
        assert all((answer["margin"] > 0) == answer["is_greedy"] for answer in answers)
        return requests, answers
    requests, answers = [], []
    for sample in samples:
        room = lm.max_length - 16
        context = lm.tok_encode(sample["arguments"][0][0])[-room:]
        ids = lm.generated[tuple(context)]
        requests.append({"document": sample["doc_id"], "context": context})
        answers.append(
            {
                "text": sample["resps"][0][0],
                "token_ids": ids,
                "margin": rounded(min(margins(lm.model, context, ids))),
            }
        )
    return requests, answers


def documents_of(lm: RecordingLM, samples: list[dict]) -> list[int]:
    """The document of each scored request: one a choice, or a window of a page."""
    if "page" not in samples[0]["doc"]:
        return [sample["doc_id"] for sample in samples for _ in sample["arguments"]]
    documents: list[int] = []
    windows = iter(lm.scored)
    for sample in samples:
        left = len(lm.tok_encode(sample["doc"]["page"]))
        while left > 0:
            left -= len(next(windows)[1])
            documents.append(sample["doc_id"])
        assert left == 0
    return documents


def margins(model: torch.nn.Module, context: list[int], continuation: list[int]) -> list[float]:
    """For each token, its logit minus the largest of the others; below 0 if it is not the first."""
    ids = (context + continuation)[-(golden_demo.CONTEXT + 1) :]
    with torch.no_grad():
        logits = model(torch.tensor([ids[:-1]])).logits[0, -len(continuation) :]
    targets = torch.tensor(continuation)[:, None]
    own = logits.gather(1, targets)[:, 0]
    others = logits.scatter(1, targets, -torch.inf).max(dim=1).values
    return (own - others).tolist()


def rounded(value: float) -> float:
    return float(f"{value:.7g}")


def as_lines(results: dict[str, Any]) -> str:
    """JSON with one request or answer a line."""
    first_key = r'(\{"(?:document|loglikelihood|text|metrics)")'
    return re.sub(first_key, r"\n\1", json.dumps(results)) + "\n"
