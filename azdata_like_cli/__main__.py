"""``python -m azdata_like_cli`` is the command ``bdc``."""

import sys

from azdata_like_cli.main import main

sys.exit(main())
