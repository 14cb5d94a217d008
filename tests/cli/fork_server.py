"""The process that `forking.Forks` starts: imports what commands import, then forks for each run.

A program, and its one argument is the descriptor of the socket on which requests come. It stays
alone in its process: nothing of the tests is imported here.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import pkgutil
import runpy
import signal
import socket
import sys

# The command's own modules are imported, but for these: they import LLVM, torch or lm-eval, which
# few runs need, or are the program.
LEFT_OUT = ("__main__", "engine.reference", "integrations.generation_arguments", "jit", "kernels")
# What they import when they need it. Without huggingface_hub, which reads the environment as it is
# imported; but with the HTTP client of its newer or older versions.
OTHERS = ("filelock", "httpx", "httpx2", "rich.console", "tokenizers", "yaml")


def _import_all() -> None:
    package = importlib.import_module("pythia_cli")
    for found in pkgutil.walk_packages(package.__path__, "pythia_cli."):
        if not f"{found.name}.".startswith(tuple(f"pythia_cli.{name}." for name in LEFT_OUT)):
            importlib.import_module(found.name)
    for name in OTHERS:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)


def child(server: socket.socket) -> list[str]:
    """Serve until the tests close the socket. Returns in each child: the arguments of its run."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the tests, which then close it
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the keepers
    while True:
        request, descriptors, _, _ = socket.recv_fds(server, 16, 5)
        if not request:
            os._exit(0)
        if os.fork() == 0:
            server.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            if (process := os.fork()) == 0:
                signal.signal(signal.SIGINT, signal.default_int_handler)
                return _arrange(descriptors)
            _keep(process, descriptors)
        for descriptor in descriptors:
            os.close(descriptor)


def _keep(process: int, descriptors: list[int]) -> None:
    """Say which process it is, and then how it ended."""
    *others, answer, _ = descriptors
    for descriptor in others:
        os.close(descriptor)
    with contextlib.suppress(BrokenPipeError):  # nobody waits any more
        os.write(answer, b"%d\n" % process)
        _, status = os.waitpid(process, 0)
        os.write(answer, b"%d\n" % os.waitstatus_to_exitcode(status))
    os._exit(0)


def _arrange(descriptors: list[int]) -> list[str]:
    """Streams, environment and folder as a process that was started for this run has them."""
    with open(descriptors[-1], encoding="utf-8", closefd=False) as request:
        arguments, environment, folder = json.load(request)
    for number, descriptor in enumerate(descriptors[:3]):
        os.dup2(descriptor, number)
    os.closerange(3, max(descriptors) + 1)
    for number, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        before = getattr(sys, name)
        fresh = open(  # noqa: SIM115
            number, mode, encoding=before.encoding, errors=before.errors, closefd=False
        )
        fresh.reconfigure(line_buffering=name == "stderr", write_through=before.write_through)
        setattr(sys, name, fresh)
        setattr(sys, f"__{name}__", fresh)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    importlib.import_module("numpy.random").seed()  # Python's own generator sees to that itself
    return arguments


if __name__ == "__main__":
    del sys.path[0]  # this file's folder
    _import_all()
    sys.argv = ["pythia", *child(socket.socket(fileno=int(sys.argv[1])))]
    sys.path.insert(0, os.getcwd())  # as `python -m` has it
    runpy.run_module("pythia_cli", run_name="__main__", alter_sys=True)
