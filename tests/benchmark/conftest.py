"""Networks come and go by the dozen in these tests."""

from tests.keras_session import fresh_session  # noqa: F401 - a fixture for all tests of this folder
