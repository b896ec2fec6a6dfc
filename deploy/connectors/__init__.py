"""
Small processes that bring in what another system knows already, as one organisation.

`event_stream` and `projects` read what others write, `programme`, `street_works` and `loads` are
the three kinds, `desk` hands in and remembers by the `cursor`, `running` is the process around.
"""

from deploy.connectors.config import CONFIGS, BadConfig, read_config
from deploy.connectors.cursor import Cursor, CursorTaken
from deploy.connectors.running import connect

__all__ = ["CONFIGS", "BadConfig", "Cursor", "CursorTaken", "connect", "read_config"]
