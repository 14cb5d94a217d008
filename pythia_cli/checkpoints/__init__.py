"""Checkpoints: from a branch on the Hub, or a folder, to an installed int8 file.

`pythia_cli.checkpoints` is also a public function, which opens several checkpoints one after the
other. Once a module in this package is imported, Python binds the name to the package. So the
package can be called, and `pythia_cli.checkpoints(...)` always works.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import Any


class _CallablePackage(ModuleType):
    def __call__(self, *args: Any, **options: Any) -> Any:
        # Imported by name, because the function is in a higher layer.
        return importlib.import_module("pythia_cli.library.load").checkpoints(*args, **options)


sys.modules[__name__].__class__ = _CallablePackage
