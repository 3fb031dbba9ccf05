"""The repository's scripts, which are not part of the package, as modules for tests."""

import functools
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

REPOSITORY = Path(__file__).parent.parent


@functools.cache
def script(path: str) -> ModuleType:
    """A script by its path in the repository; its classes find themselves in `sys.modules`."""
    spec = importlib.util.spec_from_file_location(f"script_{Path(path).stem}", REPOSITORY / path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module
