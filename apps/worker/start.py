"""What a worker's Python is given to run: ``python -I -B start.py FD``. Makes ``apps`` importable, and nothing else of where it lies."""

import importlib.util
import pathlib
import sys

place = pathlib.Path(__file__).resolve().parent.parent
found = importlib.util.spec_from_file_location("apps", place / "__init__.py", submodule_search_locations=[str(place)])
assert found is not None
assert found.loader is not None
package = importlib.util.module_from_spec(found)
sys.modules["apps"] = package
found.loader.exec_module(package)

from apps.worker.child import main  # noqa: E402

main(int(sys.argv[1]))
