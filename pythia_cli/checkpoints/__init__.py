"""From a branch on the Hub, or a folder, to an installed int8 file.

`pythia_cli.checkpoints` is also the name of a public function, which opens several checkpoints one
after the other. Python binds the name to this package as soon as anything in it is imported, so the
package can be called: `pythia_cli.checkpoints(...)` does the same either way.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import Any


class _CallablePackage(ModuleType):
    def __call__(self, *args: Any, **options: Any) -> Any:
        # By name, as the function is in a higher layer.
        return importlib.import_module("pythia_cli.engine.load").checkpoints(*args, **options)


sys.modules[__name__].__class__ = _CallablePackage
