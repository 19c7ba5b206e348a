"""``python -m dettui``, where the script ``dettui`` is not on the path."""

import sys

from dettui.cli import main

sys.exit(main())
