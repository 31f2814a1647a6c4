"""What the tests of the gateways share."""

import pytest

from tests.support.link_venue import LinkVenue


@pytest.fixture
def venue() -> LinkVenue:
    """A venue whose leader and directory the link knows."""
    fake = LinkVenue()
    fake.start()
    return fake
