"""Compares pythia with other engines on one full-size pythia-410m, in one run.

    python bench/peers.py [--threads 2] [--rounds 3] [--only NAME,...] [--ik FOLDER] [--out FILE]

The first run makes an environment for the peers and builds llama.cpp for this processor. Each
engine has its own process, idle while another is measured. Engines are measured in turn, so that
changes of the machine's speed affect all of them equally. Each round has new processes, and new
copies of the files that engines map: some memory of a machine can be slower than other, and a file
stays where Linux has put it. A peer is not timed if its logits differ
from those of torch in float32. A table for people goes to stderr; the last line of stdout is JSON.
POSIX only.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import peer_errors
import peer_report
import peer_setup
from full_model import float_model
from machine import cpu_model, has_avx512, is_x86, process_cost
from peer_report import FAST, MACHINE, OURS, Figures

REFERENCE, IK = "torch-float32", "ik_llama.cpp"
LEAST_CORRELATION = 0.99
SETTLE_SECONDS = 0.5
"""OpenMP threads spin for a while after their work (200 ms in Intel's OpenMP)."""

COMMON = ("decode", "score_512", "prefill_512", "decode_1900", "short_texts")
MACHINE_FIGURES = ("exact_peak",) if is_x86() else ()
OURS_ALONE = ("decode_100", "samples_4", "read_gb_per_second")
FAST_FIGURES = ("score_512", "prefill_512", "short_texts")
PROMPT = "Call me"


@dataclass(frozen=True)
class Engine:
    """One engine: peer_worker's MODULE and OPTIONS, and the name of the conversion it reads."""

    name: str
    module: str
    model: str
    options: tuple[str, ...] = ()
    figures: tuple[str, ...] = COMMON
    environment: tuple[tuple[str, str], ...] = ()
    n_cold: int = 3
    """Cold starts per round; their median is used."""


# By default it uses AVX2 on processors that are not Intel's, and does not pack weights. With these
# settings, scoring and prefill are up to a tenth faster.
CTRANSLATE2_BEST = (
    ("CT2_USE_EXPERIMENTAL_PACKED_GEMM", "1"),
    *((("CT2_FORCE_CPU_ISA", "AVX512"),) if has_avx512() else ()),
)
ENGINES = (
    Engine(MACHINE, "peer_machine", "int8", figures=MACHINE_FIGURES, n_cold=0),
    Engine(OURS, "peer_ours", "int8", figures=(*COMMON, *OURS_ALONE)),
    Engine(FAST, "peer_ours", "int8", ("fast",), FAST_FIGURES, n_cold=0),
    Engine("llama.cpp", "peer_llama", "gguf", ("0",)),
    Engine("llama.cpp-flash", "peer_llama", "gguf", ("1",)),
    Engine(IK, "peer_ik", "gguf", n_cold=0),
    Engine("ctranslate2", "peer_ctranslate2", "ctranslate2", environment=CTRANSLATE2_BEST),
    Engine(REFERENCE, "peer_torch", "float", ("float32",), n_cold=1),
    Engine("torch-int8", "peer_torch", "float", ("int8",), n_cold=1),
)
N_WARM = 3
"""Figures that a new worker measures in vain."""
MAPPED = ("int8", "gguf")
"""Files that stay mapped. Other engines read theirs into memory of their own."""
FIGURES = (
    "read_gb_per_second", "decode", "decode_100", "decode_1900", "samples_4",
    "exact_peak", "score_512", "prefill_512", "short_texts",
)  # fmt: skip
"""In this order: what is compared with one another stands side by side."""


class Broken(Exception):
    """A worker ended without an answer."""


class Worker:
    """An engine's process; requests and answers go through pipes."""

    def __init__(self, command: list[str], environment: Mapping[str, str], log: Path) -> None:
        self._log = log
        with log.open("w") as errors:
            self._process = subprocess.Popen(
                command,
                env={**os.environ, **environment},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )

    def ask(self, call: str, *args: object) -> Any:
        with contextlib.suppress(BrokenPipeError):
            print(json.dumps({"call": call, "args": args}), file=self._process.stdin, flush=True)
        answer = self._process.stdout.readline()
        if not answer:
            raise Broken(self._log.read_text()[-2000:])
        return json.loads(answer)["value"]

    def close(self) -> None:
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()


class Comparison:
    """The engines of one run, their workers, and the engines that were refused."""

    def __init__(
        self,
        python: Path,
        models: dict[str, Path],
        work: Path,
        n_threads: int,
        libraries: dict[str, Path],
    ) -> None:
        """libraries: those that engines need besides Python's, by the engine's name."""
        self._python, self._originals, self._work = python, models, work
        self._models = dict(models)
        self._libraries = libraries
        self._n_threads = n_threads
        self._workers: dict[str, Worker] = {}
        self.ours = store_environment(work, n_threads)
        self.engines: list[Engine] = []
        self.agreement: dict[str, dict[str, float]] = {}
        self.refused: dict[str, str] = {}
        self.versions: dict[str, dict[str, str]] = {}

    def _of(self, engine: Engine) -> tuple[str, dict[str, str]]:
        """The interpreter and the environment variables of an engine."""
        if engine.module in ("peer_ours", "peer_machine"):
            # The machine is measured with Python threads; BLAS must not add its own.
            return sys.executable, {**self.ours, "OPENBLAS_NUM_THREADS": "1"}
        return str(self._python), dict(engine.environment)

    def _program(self, engine: Engine, *script: str) -> list[str]:
        python, _ = self._of(engine)
        model = str(self._models[engine.model])
        folder = peer_setup.BENCH
        return [
            python,
            str(folder / script[0]),
            *script[1:],
            model,
            str(self._n_threads),
            *engine.options,
            *([str(self._libraries[engine.name])] if engine.name in self._libraries else []),
        ]

    def open(self, wanted: set[str]) -> None:
        """Start the workers one after the other, check their logits, and warm them up."""
        reference = self._work / "reference.npy"
        for engine in sorted(ENGINES, key=lambda e: e.name != REFERENCE):
            if engine.name not in wanted and engine.name != REFERENCE:
                continue
            tell(f"starting {engine.name}")
            worker = self._start(engine)
            try:
                self._check(engine, worker, reference)
                if engine.name in wanted:
                    for figure in engine.figures[:N_WARM]:
                        worker.ask(figure)
            except Broken as error:
                if engine.name in (OURS, FAST, MACHINE, REFERENCE):
                    raise SystemExit(f"{engine.name} failed:\n{error}") from error
                self.refused[engine.name] = f"failed: {error}"
            if engine.name in self.refused or engine.name not in wanted:
                self._workers.pop(engine.name).close()
        self.engines = [engine for engine in ENGINES if engine.name in self._workers]
        for name, reason in self.refused.items():
            tell(f"not timed: {name}: {reason}")

    def _start(self, engine: Engine) -> Worker:
        _, environment = self._of(engine)
        program = self._program(engine, "peer_worker.py", engine.module)
        worker = Worker(program, environment, self._work / f"{engine.name}.log")
        self._workers[engine.name] = worker
        return worker

    def renew(self, number: int) -> None:
        """Start all workers again, with copies of the files they map. Copies are kept till the end:
        the next ones would get the memory of those that are removed.
        """
        self.close()
        for kind in MAPPED:
            source = self._originals[kind]
            copy = self._work / f"{number}-{source.name}"
            peer_setup.copy_in_huge_pages(source, copy)
            self._models[kind] = copy
        for engine in self.engines:
            self._start(engine)
            for figure in engine.figures[:N_WARM]:
                self.figure(engine, figure)

    def _check(self, engine: Engine, worker: Worker, reference: Path) -> None:
        self.versions[engine.name] = worker.ask("versions")
        if engine.name == REFERENCE:
            worker.ask("save_logits", str(reference))
        elif engine.name != MACHINE:
            alike = worker.ask("compare_logits", str(reference))
            self.agreement[engine.name] = alike
            tell(
                f"  same top-1 as {REFERENCE}: {alike['top1']:.3f} of the positions,"
                f" correlation of logits {alike['correlation']:.5f}"
            )
            if not alike["correlation"] >= LEAST_CORRELATION:
                self.refused[engine.name] = f"correlation {alike['correlation']:.4f}"

    def errors(self, models: dict[str, Path], windows: Path, d_vocab: int) -> dict[str, float]:
        """The mean KL from float32 of each engine that is timed, on another model."""
        reference, found = str(self._work / "demo-reference.npy"), {}
        of_size, self._models = self._models, models
        for engine in sorted(ENGINES, key=lambda e: e.name != REFERENCE):
            timed = engine in self.engines and engine.name != MACHINE
            if not timed and engine.name != REFERENCE:
                continue
            _, environment = self._of(engine)
            program = self._program(engine, "peer_worker.py", engine.module)
            worker = Worker(program, environment, self._work / f"{engine.name}-demo.log")
            try:
                if engine.name == REFERENCE:
                    worker.ask("save_all_logits", str(windows), d_vocab, reference)
                else:
                    found[engine.name] = float(worker.ask("mean_kl", str(windows), reference))
            except Broken as error:
                tell(f"no error of {engine.name}: {error}")
            finally:
                worker.close()
        self._models = of_size
        return found

    def figure(self, engine: Engine, figure: str) -> float:
        """One measurement, while all other workers are idle."""
        try:
            value = self._workers[engine.name].ask(figure)
        except Broken as error:
            raise SystemExit(f"{engine.name} failed at {figure}:\n{error}") from error
        time.sleep(SETTLE_SECONDS)
        return float(value)

    def work_of_ours(self) -> dict[str, int]:
        """Bytes or products for each token, by figure."""
        return dict(self._workers[OURS].ask("work"))

    def cold(self, engine: Engine) -> dict[str, float]:
        """Median time (start to exit) and memory of processes that print one token."""
        _, environment = self._of(engine)
        command = (
            generate_command()
            if engine.name == OURS
            else self._program(engine, f"{engine.module}.py")
        )
        costs = [process_cost(command, environment) for _ in range(engine.n_cold)]
        return {
            "cold_first_token": statistics.median(cost["seconds"] for cost in costs),
            "peak_mib": statistics.median(cost["peak_mib"] for cost in costs),
        }

    def first_run(self) -> float:
        """Seconds until our first token with an empty cache of kernels."""
        with tempfile.TemporaryDirectory(dir=self._work) as empty:
            return process_cost(generate_command(), {**self.ours, "PYTHIA_CACHE": empty})["seconds"]

    def close(self) -> None:
        for worker in self._workers.values():
            worker.close()


def tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def store_environment(work: Path, n_threads: int) -> dict[str, str]:
    """A store and a cache for this run only."""
    return {
        "PYTHIA_HOME": str(work / "home"),
        "PYTHIA_CACHE": str(work / "kernels"),
        "PYTHIA_THREADS": str(n_threads),
    }


def generate_command() -> list[str]:
    options = ["-n", "1", "-m", peer_setup.MODEL, "--temperature", "0"]
    return [sys.executable, "-m", "pythia_cli", "generate", PROMPT, *options]


def measure(comparison: Comparison, rounds: int) -> Figures:
    """Measure all figures in rounds, each with all engines in turn, starting with another one."""
    figures: Figures = {engine.name: {} for engine in comparison.engines}
    # Not timed: compiles the kernels that only the command line needs, and warms the page cache.
    process_cost(generate_command(), comparison.ours)
    for i in range(rounds):
        tell(f"round {i + 1} of {rounds}")
        comparison.renew(i)
        turn = i % len(comparison.engines)
        engines = comparison.engines[turn:] + comparison.engines[:turn]
        for figure in FIGURES:
            for engine in engines:
                if figure in engine.figures:
                    value = comparison.figure(engine, figure)
                    figures[engine.name].setdefault(figure, []).append(value)
        for engine in engines:
            if engine.n_cold:
                for name, value in comparison.cold(engine).items():
                    figures[engine.name].setdefault(name, []).append(value)
        extra = comparison.first_run() - figures[OURS]["cold_first_token"][-1]
        figures[OURS].setdefault("first_run_seconds", []).append(extra)
    return figures


def _options_of(arguments: argparse.Namespace) -> list[str]:
    """The options that a reader of the table should know."""
    given = [f"--threads {arguments.threads}", f"--rounds {arguments.rounds}"]
    given += ["--ik FOLDER"] if arguments.ik else []
    return given + ([f"--only {arguments.only}"] if arguments.only else [])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--model", type=Path, help="a float checkpoint's folder (config.json, model.safetensors)"
    )
    parser.add_argument("--venv", type=Path, default=peer_setup.ROOT / ".peers-venv")
    names = [engine.name for engine in ENGINES if engine.name not in (OURS, FAST, MACHINE)]
    parser.add_argument("--only", metavar="NAME,...", help=f"peers, of {', '.join(names)}")
    parser.add_argument("--ik", metavar="FOLDER", type=Path, help="the source of ik_llama.cpp")
    parser.add_argument("--keep", type=Path, help="keep the conversions of this model here")
    parser.add_argument("--out", type=Path, help="write the JSON here too")
    parser.add_argument("--table", type=Path, help="write a table in Markdown here")
    arguments = parser.parse_args()
    wanted = set(arguments.only.split(",") if arguments.only else names)
    if unknown := wanted - set(names):
        parser.error(f"no such peer: {', '.join(sorted(unknown))}")
    if arguments.ik:
        wanted.add(IK)
    elif arguments.only and IK in wanted:
        parser.error(f"{IK} is built from its source: --ik FOLDER")
    else:
        wanted.discard(IK)

    python = peer_setup.peers_python(arguments.venv.absolute())
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        kept = (arguments.keep or work).absolute()
        kept.mkdir(parents=True, exist_ok=True)
        source = (arguments.model or float_model(kept / "float")).absolute()
        models = {
            "float": source,
            "gguf": peer_setup.gguf_model(python, source, kept / "model.gguf"),
            "ctranslate2": peer_setup.ctranslate2_model(python, source, kept / "ctranslate2"),
            "int8": peer_setup.int8_model(source, store_environment(work, arguments.threads)),
        }
        libraries = {}
        if arguments.ik:
            libraries[IK] = peer_setup.ik_library(arguments.ik.absolute(), kept)
        comparison = Comparison(python, models, work, arguments.threads, libraries)
        try:
            comparison.open(wanted | {OURS, FAST, MACHINE})
            ours = comparison.work_of_ours()
            windows = work / "windows.npy"
            peer_errors.write_windows(windows)
            demo = peer_errors.models(python, work, comparison.ours)
            config = json.loads((demo["float"] / "config.json").read_text())
            errors = comparison.errors(demo, windows, config["vocab_size"])
            figures = measure(comparison, arguments.rounds)
            for name, value in errors.items():
                figures[name]["kl_demo"] = [value]
        finally:
            comparison.close()

    found = peer_report.bars(figures, ours)
    record = {
        "command": " ".join(["python bench/peers.py", *_options_of(arguments)]),
        "date": datetime.date.today().isoformat(),
        "cpu": cpu_model(),
        "threads": arguments.threads,
        "rounds": arguments.rounds,
        "work_per_token": ours,
        "engines": peer_report.summary(figures),
        "bars": [{**bar._asdict(), "met": bar.met} for bar in found],
        "agreement": comparison.agreement,
        "refused": comparison.refused,
        "versions": comparison.versions,
    }
    for line in peer_report.lines(record):
        tell(line)
    if arguments.out:
        arguments.out.write_text(json.dumps(record, indent=2) + "\n")
    if arguments.table:
        arguments.table.write_text(peer_report.markdown(record))
    print(json.dumps(record))


if __name__ == "__main__":
    main()
