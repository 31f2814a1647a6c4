"""`oms admin` on a running venue, as its operator types it.

Called by the integration tests of its verbs.
"""

import pytest
from typer.testing import CliRunner

from oms.cli.main import app
from oms.config import SettingsError
from oms.local.venue import LocalVenue


def admin(venue: LocalVenue, *words: str) -> str:
    """One command and what it says. Raises: SettingsError."""
    data = str(venue.folder.path)
    return CliRunner().invoke(app, ["admin", *words, "--data", data], catch_exceptions=False).output


def refused(venue: LocalVenue, *words: str) -> str:
    """The same, and why the venue or the command refused it."""
    with pytest.raises(SettingsError) as refusal:
        admin(venue, *words)
    return str(refusal.value)
