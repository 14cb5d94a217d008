"""Random changes of bytes, of JSON values and of numbers, from a seeded source."""

from __future__ import annotations

import copy
import json
from random import Random
from typing import Any

NUMBERS: tuple[Any, ...] = (
    0, 1, -1, 2, 3, 7, 8, 16, 17, 63, 64, 127, 128, 255, 256, 257, 1000, 4095, 65535, 65536,
    2**24, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**40, 2**53 + 1, 2**62, 2**63 - 1, 2**63, -(2**63),
    2**64 - 1, 2**64, 10**30, 10**400, 0.0, -0.0, 0.5, 0.25, 1.0, 1.5, -0.5, 1e-5, 5e-324, 1e-45,
    1e30, 1e38, 1e308, float("inf"), float("-inf"), float("nan"),
)  # fmt: skip
TEXTS = (
    "", "a", "0", "1", "-1", "null", " ", "\n", "\0", "\x1b[31m", "..", "../../evil", "/etc/passwd",
    "a/b", "a\\b", ".", "con", "nul", "x" * 300, "\ud800", "\ufeff", "é", "e\u0301", "日本", "🙂",
    "\u202e", "%s%n", "$(id)", "a" * 64, "f" * 40, "0" * 64, "main", "step1", "*", "[a-z]", "?",
)  # fmt: skip
_DEEP = 2000  # deeper than Python's own limit of recursion


def odd_value(random: Random) -> Any:
    """A JSON value of any kind, often an extreme one."""
    kind = random.randrange(8)
    if kind < 3:
        return random.choice(NUMBERS)
    if kind < 5:
        return random.choice(TEXTS)
    if kind == 5:
        return random.choice((None, True, False))
    inner: Any = random.choice((None, 1, "a", [], {}))
    return random.choice(([], {}, [inner], {"a": inner}, [[inner]], [inner] * 50))


def near(random: Random, number: Any) -> Any:
    """A number close to the given one, or simply related to it; any, if it is no number."""
    if not isinstance(number, int | float):
        return random.choice(NUMBERS)
    changes = (
        lambda n: n + 1, lambda n: n - 1, lambda n: n * 2, lambda n: n // 2, lambda n: -n,
        lambda n: n * 2**32, lambda n: n + 2**32, lambda n: n + 2**64, lambda n: float(n),
        lambda n: str(n), lambda n: n * 1000, lambda n: n + 0.5,
    )  # fmt: skip
    try:
        return random.choice(changes)(number)
    except OverflowError:
        return 0


def mutated_json(random: Random, value: Any, n_changes: int | None = None) -> Any:
    """A copy of a JSON value with some changes, more often close to its root."""
    root = [copy.deepcopy(value)]
    for _ in range(n_changes or random.choice((1, 1, 1, 2, 2, 3, 5))):
        _change(random, root)
    return root[0]


def _change(random: Random, root: list[Any]) -> None:
    parent: Any = root
    key: Any = 0
    while True:
        child = parent[key]
        if not isinstance(child, dict | list) or not child or random.random() < 0.1:
            break
        parent, key = (
            child,
            random.choice(list(child) if isinstance(child, dict) else range(len(child))),
        )
    child = parent[key]
    kind = random.randrange(10)
    if kind < 3 and isinstance(child, int | float) and not isinstance(child, bool):
        parent[key] = near(random, child)
    elif kind < 6:
        parent[key] = odd_value(random)
    elif parent is root:
        if isinstance(child, dict):
            child[random.choice(TEXTS)] = odd_value(random)
    elif kind == 6:
        del parent[key]
    elif kind == 7 and isinstance(parent, dict):
        parent[random.choice((random.choice(TEXTS), random.choice(list(parent))))] = child
        parent.pop(key)
    elif kind == 8 and isinstance(parent, list):
        parent.insert(random.randrange(len(parent) + 1), copy.deepcopy(child))
    else:
        other = random.choice(list(parent) if isinstance(parent, dict) else range(len(parent)))
        parent[key], parent[other] = parent[other], parent[key]


def json_bytes(random: Random, value: Any) -> bytes:
    """JSON text; one in a hundred is deeper than a parser may recurse, or has a key twice."""
    text = json.dumps(value)
    chance = random.randrange(300)
    if chance == 0:
        return b"[" * _DEEP * 10 + text.encode()
    if chance == 1 and isinstance(value, dict) and value:
        key = random.choice(list(value))
        return f"{text[:-1]}, {json.dumps(key)}: {json.dumps(odd_value(random))}}}".encode()
    if chance == 2:
        return random.choice((b"\xef\xbb\xbf", b"\xff\xfe", b"\x00")) + text.encode()
    if chance < 8:
        return mutated_bytes(random, text.encode())
    return text.encode()


def mutated_bytes(random: Random, data: bytes) -> bytes:
    """A copy with some bytes changed, removed, added or doubled, more often near the start."""
    changed = bytearray(data)
    for _ in range(random.choice((1, 1, 2, 3, 8))):
        n = len(changed)
        at = random.randrange(n + 1) if random.random() < 0.6 else random.randrange(min(n, 64) + 1)
        kind = random.randrange(7)
        if kind == 0 and at < n:
            changed[at] ^= 1 << random.randrange(8)
        elif kind == 1 and at < n:
            changed[at] = random.choice((0, 1, 0x7F, 0x80, 0xFF, random.randrange(256)))
        elif kind == 2:
            del changed[at:]
        elif kind == 3:
            del changed[at : at + random.choice((1, 2, 4, 8, 64, 512))]
        elif kind == 4:
            changed[at:at] = random.randbytes(random.choice((1, 2, 4, 8, 64)))
        elif kind == 5:
            part = changed[at : at + random.choice((1, 8, 64))]
            changed[at:at] = part * random.choice((1, 2, 20))
        else:
            width = random.choice((2, 4, 8))
            number = random.choice((0, 1, 2**31, 2**32 - 1, 2**63 - 1, 2**64 - 1, n, n + 1, n - 1))
            order = random.choice(("little", "big"))
            changed[at : at + width] = (number % 2 ** (8 * width)).to_bytes(width, order)
    return bytes(changed)
