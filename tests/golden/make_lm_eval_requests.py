"""Makes lm_eval_requests.json: what lm-eval's `hf` model runs, and answers, for the demo.

Needs lm_eval 0.4.13, transformers and torch. float32, one request at a time.
"""

import json
import os
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

import torch
import transformers
from lm_eval.api.instance import Instance
from lm_eval.models.huggingface import HFLM

HERE = Path(__file__).parent
DEMO = HERE.parents[1] / "pythia_cli" / "demo"
STEP = 3000
TEXT = (DEMO / "eval.txt").read_text(encoding="utf-8")

PAIRS = [
    ("It was", " not"),
    ("It was ", "not"),
    ("It was \n", "not"),
    ("It was  ", " not a"),
    ("", "It was not a small one."),
    ("", " It was"),
    ("", "<|endoftext|>It was"),
    ("<|endoftext|>", "It was"),
    ("<|endoftext|>It was", " not"),
    ("Mr. Bennet was so odd a mixture of", " quick parts"),
    ("Mr. Bennet was so odd a mixture of", " quick"),
    ("Mr. Bennet was so odd a mixture of", " slow parts, and"),
    ("Mr. Bennet was so odd a mixture of", " zebra"),
    ("The univers", "ally acknowledged"),
    ("The univers", "al"),
    ("Question: who is Jane?\nAnswer:", " A"),
    ("Question: who is Jane?\nAnswer:", " B"),
    ("Question: who is Jane?\nAnswer:", " C"),
    ("na\u00efve cafe\u0301", " \u00e9t\u00e9"),
    ("\U0001f600 and", " \U0001f468\u200d\U0001f469\u200d\U0001f467"),
    ("tab\tand  two   spaces", "\t\tx"),
    ("trailing\u00a0", "space"),
    ("", "\n\n"),
    ("She said", "."),
    (TEXT[:4000], " and"),
    (TEXT[:4000] + " ", "and so it was that she"),
    (TEXT[:40], TEXT[40:1200]),
]
TEXTS = [
    "It was.",
    "",
    "x",
    " leading and trailing ",
    TEXT[5000:5600],
    TEXT[:3000],
    TEXT[2000:9000],
    "<|endoftext|>It was not.<|endoftext|>",
    "cafe\u0301 \U0001f600\r\n",
]
PROMPTS = [
    ("It was", {"until": ["\n"], "max_gen_toks": 16}),
    ("She looked at him and", {"until": [".", "\n\n"], "max_gen_toks": 24, "do_sample": False}),
    ("She looked at him and", {"until": [" "], "max_gen_toks": 12}),
    ("She looked at him and", {"until": ["b", "ab", "a"], "max_gen_toks": 24}),
    ("Mr. Darcy ", {"until": [], "max_gen_toks": 20, "temperature": 0.0}),
    (
        "Mr. Darcy",
        {"until": "Elizabeth", "max_new_tokens": 20, "temperature": 1, "do_sample": False},
    ),
    ("caf\u00e9", {"until": ["\n"], "max_gen_toks": 8}),
    (TEXT[:6000], {"until": ["\n\n"], "max_gen_toks": 32}),
    (TEXT[:6000], {"until": [], "max_gen_toks": 480}),
    ("It was", {"until": ["\n"]}),
    ("It was", {"until": [""], "max_gen_toks": 8}),
    ("It was not", {"until": ["\n"], "max_gen_toks": 16, "repetition_penalty": 1.3}),
]


class Recording(HFLM):
    """HFLM that keeps the token ids it runs."""

    def __init__(self, *args, **kwargs):
        self.inputs = []
        super().__init__(*args, **kwargs)

    def _model_call(self, inps, *args, **kwargs):
        self.inputs.append(inps[0].tolist())
        return super()._model_call(inps, *args, **kwargs)

    def _model_generate(self, context, *args, **kwargs):
        self.inputs.append(context[0].tolist())
        return super()._model_generate(context, *args, **kwargs)

    def taken(self):
        taken, self.inputs = self.inputs, []
        return taken


def load() -> Recording:
    folder = DEMO / f"step{STEP}"
    model = transformers.GPTNeoXForCausalLM.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager"
    )
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_file=str(folder / "tokenizer.json"),
        bos_token="<|endoftext|>", eos_token="<|endoftext|>", unk_token="<|endoftext|>",
    )  # fmt: skip
    return Recording(pretrained=model, tokenizer=tokenizer, device="cpu", batch_size=1)


def main() -> None:
    torch.set_num_threads(1)
    lm = load()
    made = {"step": STEP, "loglikelihood": [], "loglikelihood_rolling": [], "generate_until": []}

    def ask(kind, arguments):
        (answer,) = getattr(lm, kind)([Instance(kind, {}, arguments, 0)])
        made[kind].append({"arguments": arguments, "inputs": lm.taken(), "answer": answer})

    for pair in PAIRS:
        ask("loglikelihood", pair)
    for text in TEXTS:
        ask("loglikelihood_rolling", (text,))
    for prompt in PROMPTS:
        ask("generate_until", prompt)
    lines = ",\n".join(f'"{key}": {_rows(value)}' for key, value in made.items())
    (HERE / "lm_eval_requests.json").write_text(f"{{{lines}}}\n", encoding="utf-8")


def _rows(value) -> str:
    if not isinstance(value, list):
        return json.dumps(value)
    return "[\n" + ",\n".join(json.dumps(row, separators=(",", ":")) for row in value) + "\n]"


if __name__ == "__main__":
    main()
