"""What the generators share: write the files they made, or with --check list the stale ones."""

import argparse
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def write_or_check(files: dict[str, str], command: str, root: Path = ROOT) -> int:
    """`files` by path under `root`; 0, or 1 where --check finds one that differs."""
    parser = argparse.ArgumentParser(prog=command)
    parser.add_argument("--check", action="store_true", help="write nothing; fail where stale")
    check = parser.parse_args().check
    stale = [name for name, text in files.items() if _content(root / name) != text.encode()]
    for name in stale:
        if check:
            print(f"{name} is stale; run: python {command}")
        else:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_bytes(files[name].encode())
            print(f"wrote {name}")
    return int(check and bool(stale))


def _content(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None
