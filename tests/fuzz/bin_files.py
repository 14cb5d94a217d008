"""pytorch_model.bin: zip files and the older form, with pickles of any structure."""

from __future__ import annotations

import io
import json
import struct
import zipfile
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from pythia_cli.weights.float_checkpoint import FloatCheckpoint
from tests.fuzz.configs import OLD
from tests.fuzz.mutate import NUMBERS, TEXTS, mutated_bytes, near, odd_value
from tests.fuzz.pickles import Call, Global, Stored, dumps
from tests.fuzz.samples import float_tensors, tokenizer_json

_TENSOR = "torch._utils _rebuild_tensor_v2"
_FUNCTIONS = (
    "torch._utils _rebuild_tensor", "torch._utils _rebuild_tensor_v3",
    "torch._utils _rebuild_qtensor", "torch.storage UntypedStorage",
    "torch._utils _rebuild_parameter", "torch._utils _rebuild_parameter_with_state",
    "torch._utils _rebuild_sparse_tensor", "torch._utils _rebuild_nested_tensor",
    "torch._utils _rebuild_meta_tensor_no_storage", "torch._utils _rebuild_wrapper_subclass",
    "torch._utils _rebuild_device_tensor_from_numpy", "torch._tensor _rebuild_from_type_v2",
    "torch Size", "torch Tensor", "torch FloatTensor", "torch device", "builtins set",
    "builtins complex", "builtins bytearray", "collections OrderedDict", "collections Counter",
    "_codecs encode", "torch.nn.parameter Parameter", "torch.serialization _get_layout",
    "torch FloatStorage", "os system", "builtins eval", "torch load",
)  # fmt: skip
_STORAGES = (
    "FloatStorage", "HalfStorage", "BFloat16Storage", "DoubleStorage", "LongStorage", "BoolStorage",
    "ByteStorage", "ComplexFloatStorage", "QInt8Storage", "UntypedStorage", "XStorage",
)  # fmt: skip
_MAGIC, _PROTOCOL = 0x1950A86A20F9469CFC6C, 1001
_SYSTEM = {
    "protocol_version": _PROTOCOL, "little_endian": True,
    "type_sizes": {"short": 2, "int": 4, "long": 4},
}  # fmt: skip
_VIEW = (None,)  # the older form says in a storage's id of which other one it is a part
_HALF = 2  # bytes of a value


class BinFiles:
    """All tensors of the valid file lie in one storage, one after the other."""

    def __init__(self, folder: Path) -> None:
        import torch

        torch.set_num_threads(1)
        self._folder = folder
        (folder / "config.json").write_text(json.dumps(OLD))
        (folder / "tokenizer.json").write_bytes(tokenizer_json())
        self._tensors = float_tensors()
        self._storage = b"".join(values.tobytes() for values in self._tensors.values())
        self._n = len(self._storage) // _HALF
        self.valid = _zip(dumps(self._state()), {"0": self._storage})
        self.check(_legacy(dumps(self._state(_VIEW)), self._storage, self._n))

    def make(self, random: Random) -> bytes:
        kind = random.random()
        if kind < 0.1:
            return mutated_bytes(random, self.valid)
        is_legacy = kind < 0.3
        state: Any = self._state(_VIEW if is_legacy else ())
        for _ in range(random.choice((1, 1, 1, 2, 3))):
            state = self._changed(random, state)
        program = dumps(state)
        if random.random() < 0.15:
            program = mutated_bytes(random, program)
        storage = self._storage
        if random.random() < 0.15:
            at = _HALF * random.randrange(self._n)
            odd = struct.pack("<e", random.choice((float("nan"), float("inf"), 6e4)))
            storage = storage[:at] + odd + storage[at + _HALF :]
        if random.random() < 0.1:
            storage = random.choice(
                (storage[:-1], storage[: random.randrange(99)], storage * 2, b"")
            )
        if is_legacy:
            n = random.choice((self._n, self._n, random.choice(NUMBERS)))
            data = _legacy(program, storage, n, random)
        else:
            data = _zip(program, {"0": storage}, random)
        return mutated_bytes(random, data) if random.random() < 0.05 else data

    def _state(self, view: tuple[None, ...] = ()) -> dict[str, Any]:
        state, offset = {}, 0
        for name, values in self._tensors.items():
            strides = tuple(n // _HALF for n in values.strides)
            state[name] = _tensor(self._stored(view=view), offset, values.shape, strides)
            offset += values.size
        return state

    def _stored(self, kind: str = "HalfStorage", view: tuple[None, ...] = ()) -> Stored:
        return Stored(("storage", Global(f"torch {kind}"), "0", "cpu", self._n, *view))

    def _changed(self, random: Random, state: Any) -> Any:
        if not isinstance(state, dict) or not state:
            return state
        state = dict(state)
        name = random.choice(list(state))
        old = state[name]
        kind = random.randrange(12)
        if kind < 4 and isinstance(old, Call) and old.function == Global(_TENSOR):
            state[name] = Call(old.function, self._other_arguments(random, old.arguments))
        elif kind == 4:
            state[name] = Call(Global(random.choice(_FUNCTIONS)), self._arguments(random))
        elif kind == 5:
            state[name] = Call(
                Global("torch._utils _rebuild_parameter"), (old, random.choice((True, 0)), {}),
                random.choice((None, None, {"shape": 1}, {"detach": "x"}, {"requires_grad": 5})),
            )  # fmt: skip
        elif kind == 6:
            state[name] = random.choice((odd_value(random), {name: old}, [old], (old,)))
        elif kind == 7:
            state[random.choice((*TEXTS, "lm_head.weight", 3, None, (1,)))] = state.pop(name)
        elif kind == 8:
            other = random.choice(list(state))
            state[name], state[other] = state[other], old
        elif kind == 9:
            state["gpt_neox.layers.0.attention.bias"] = old
        elif kind == 10:
            return random.choice(([state], (state,), {"state_dict": state}, None, 5, {}))
        else:
            return Call(Global("collections OrderedDict"), (list(state.items()),))
        return state

    def _other_arguments(self, random: Random, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
        changed = list(arguments)
        at = random.randrange(min(6, len(changed)))  # an earlier change may have cut them to 4
        if at == 0:
            key = list(changed[0].key) if isinstance(changed[0], Stored) else [changed[0]]
            part = random.randrange(len(key))
            key[part] = random.choice((
                Global(f"torch {random.choice(_STORAGES)}"), random.choice(NUMBERS),
                near(random, self._n),
                "1", "meta", "cuda:0", "module", random.choice(TEXTS), None,
            ))  # fmt: skip
            changed[0] = random.choice((Stored(tuple(key)), Stored(tuple(key)), Stored("0"), None))
        elif at == 1:
            changed[1] = random.choice((near(random, changed[1]), random.choice(NUMBERS)))
        elif at in (2, 3):
            numbers = list(changed[at])
            if random.random() < 0.5:  # expanded, transposed, or of no size
                numbers = random.choice(
                    ([0] * len(numbers), numbers[::-1], [*numbers, 1], numbers[:-1])
                )
            elif numbers:
                i = random.randrange(len(numbers))
                numbers[i] = random.choice((near(random, numbers[i]), random.choice(NUMBERS)))
            changed[at] = tuple(numbers)
        elif at == 4:
            changed[4] = random.choice((True, 0, None, "x"))
        else:
            changed[5] = random.choice((None, {}, {"x": 1}, Global("builtins eval")))
        if random.random() < 0.2:
            changed.append(random.choice((None, {}, {"conj": True}, {"neg": True}, {"x": 1})))
        return tuple(changed[: 6 if random.random() < 0.97 else 4])

    def _arguments(self, random: Random) -> tuple[Any, ...]:
        """Arguments for any function, some of which fit it."""
        few = (
            self._stored(random.choice(_STORAGES)), random.choice(NUMBERS), (2, 3), (3, 1), 0, {},
            _tensor(self._stored(), 0, (16,), (1,)), Global("torch float16"), "cpu", True,
            Call(Global("torch Size"), ([random.choice(NUMBERS)],)), random.choice(TEXTS),
            Call(Global("collections OrderedDict"), ()), Global("torch.sparse_coo"), None, [1, 2],
        )  # fmt: skip
        return tuple(random.choice(few) for _ in range(random.choice((0, 1, 2, 2, 3, 4, 5, 6, 7))))

    def check(self, data: bytes) -> None:
        (self._folder / "pytorch_model.bin").write_bytes(data)
        checkpoint = FloatCheckpoint(self._folder)
        for name, expected in self._tensors.items():
            for lo, hi in ((0, None), (0, 1), (1, 7)):
                values = checkpoint.rows(name, lo, hi)
                assert values.dtype == np.float32
                assert values.shape == expected[lo:hi].shape
                assert np.isfinite(values).all()


def _tensor(stored: Any, offset: int, shape: tuple[int, ...], strides: tuple[int, ...]) -> Call:
    hooks = Call(Global("collections OrderedDict"), ())
    return Call(Global(_TENSOR), (stored, offset, shape, strides, False, hooks))


def _zip(program: bytes, storages: dict[str, bytes], random: Random | None = None) -> bytes:
    """A file as torch.save writes it; with `random`, at times one that it would not write."""
    parts = {"data.pkl": program, "byteorder": b"little", "version": b"3\n"}
    parts |= {f"data/{key}": data for key, data in storages.items()}
    prefix, compression = "archive", zipfile.ZIP_STORED
    chance = 0 if random is None else random.randrange(60)
    if random is not None and chance == 1:
        parts.pop(random.choice(list(parts)))
    elif random is not None and chance == 2:
        name = random.choice(list(parts))
        parts[name] = random.choice((b"", b"big", b"99\n", b"\0" * 64, parts[name] * 2))
    elif random is not None and chance == 3:
        prefix = random.choice(("", "..", "a/b", "/", "x" * 300, "é"))
    elif chance == 4:
        compression = zipfile.ZIP_DEFLATED
    elif chance == 5:
        parts["constants.pkl"] = program
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, data in parts.items():
            archive.writestr(zipfile.ZipInfo(f"{prefix}/{name}"), data, compression)
    return file.getvalue()


def _legacy(program: bytes, storage: bytes, n: Any, random: Random | None = None) -> bytes:
    """A file as torch.save wrote it before it wrote zip files."""
    heads: list[Any] = [_MAGIC, _PROTOCOL, _SYSTEM]
    keys: Any = ["0"]
    if random is not None and random.random() < 0.2:
        heads[random.randrange(3)] = odd_value(random)
    if random is not None and random.random() < 0.2:
        keys = random.choice(([], ["1"], ["0", "0"], None, 5, "0", [0], ["0"] * 100))
    size = struct.pack("<q", n) if isinstance(n, int) and abs(n) < 2**63 else b"\xff" * 8
    return b"".join(map(dumps, heads)) + program + dumps(keys) + size + storage
