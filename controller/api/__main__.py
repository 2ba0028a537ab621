"""``python -m controller.api``: the OpenAPI document as JSON, for docs/reference."""

from __future__ import annotations

import json
import sys

from controller.api.app import document

if __name__ == "__main__":
    json.dump(document(), sys.stdout, indent=2, ensure_ascii=False)
    sys.stdout.write("\n")
