"""Settings: complete in .env.example, refused by name when they do not fit together, silent about their values."""

from pathlib import Path

import pytest

from services.config import ConfigurationError, Settings, load_settings

ROOT = Path(__file__).parents[2]
SECRET = "s3cr3t-value-that-must-not-be-shown"
REAL = {"sahha_client_id": "id-7f3a", "sahha_client_secret": SECRET, "admin_api_key": "admin-key-of-16-characters"}


@pytest.fixture(autouse=True)
def _no_ambient_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.chdir(tmp_path)


def test_env_example_lists_every_setting_in_order() -> None:
    lines = (ROOT / ".env.example").read_text().splitlines()
    listed = [line.split("=")[0] for line in lines if line and not line.startswith("#")]
    assert listed == [name.upper() for name in Settings.model_fields]


def test_env_example_is_a_usable_file(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text((ROOT / ".env.example").read_text())
    assert load_settings() == Settings(_env_file=None)


def test_without_credentials_it_is_sandbox_mode() -> None:
    assert load_settings().sandbox
    assert not load_settings(**REAL).sandbox


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"sahha_client_id": "id-7f3a"}, "SAHHA_CLIENT_SECRET"),
        ({"sahha_client_secret": SECRET}, "SAHHA_CLIENT_ID"),
        ({"sahha_base_url": "https://sandbox-api.sahha.ai"}, "SAHHA_CLIENT_ID"),
        ({**REAL, "admin_api_key": None}, "ADMIN_API_KEY"),
        ({**REAL, "clock": "2025-07-12T05:42:00+12:00"}, "CLOCK"),
        ({"clock": "2025-07-12T05:42:00"}, "CLOCK"),
        ({"port": 70_000}, "PORT"),
        ({"admin_api_key": "short"}, "ADMIN_API_KEY"),
        ({**REAL, "sahha_client_secret": "your-client-secret"}, "SAHHA_CLIENT_SECRET"),
        ({**REAL, "sahha_client_id": "<client id>"}, "SAHHA_CLIENT_ID"),
        ({"service_api_keys": f"app:{SECRET}"}, "SERVICE_API_KEYS"),
        ({"sahha_base_url": "api.sahha.ai"}, "SAHHA_BASE_URL"),
        ({"worker": "yes"}, "WORKER"),
    ],
)
def test_a_wrong_or_half_set_combination_names_the_variable_and_no_value(given: dict[str, object], named: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        load_settings(**given)
    assert named in str(refused.value)
    assert SECRET not in str(refused.value)


def test_service_keys_are_split(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERVICE_API_KEYS", f"app:{'0' * 64}, partner.two:{'f' * 64}")
    assert load_settings().service_api_keys == (f"app:{'0' * 64}", f"partner.two:{'f' * 64}")


def test_secrets_are_not_in_the_representation() -> None:
    assert SECRET not in repr(load_settings(**REAL))
