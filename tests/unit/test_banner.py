"""What the banner says of who writes the plans."""

from server.banner import _planner
from services.config import Settings


def test_without_a_model_the_rules_write() -> None:
    assert _planner(Settings(_env_file=None)) == "built-in rules"


def test_a_model_is_named_with_its_address_and_never_with_its_key() -> None:
    settings = Settings(_env_file=None, openai_api_key="sk-of-the-test", openai_base_url="http://127.0.0.1:9/v1")
    assert _planner(settings) == "gpt-5.4-mini at http://127.0.0.1:9/v1, on built-in rules"
