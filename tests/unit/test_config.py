"""Settings: complete in .env.example, refused by name when they do not fit together, silent about their values."""

from pathlib import Path

import pytest

from services.config import ConfigurationError, Settings, load_settings

ROOT = Path(__file__).parents[2]
SECRET = "s3cr3t-value-that-must-not-be-shown"
TOKENS = {"jwt_secret": SECRET, "jwt_audience": "app", "jwt_issuer": "https://issuer.net/"}
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
        ({"service_api_keys": f"app:{'0' * 64}, app:{'f' * 64}"}, "SERVICE_API_KEYS"),
        ({"sahha_base_url": "api.sahha.ai"}, "SAHHA_BASE_URL"),
        ({"worker": "yes"}, "WORKER"),
        ({"openai_base_url": "https://api.openai.com/v1"}, "OPENAI_API_KEY"),
        ({"openai_model": "gpt-5.4"}, "OPENAI_API_KEY"),
        ({"openai_reasoning_effort": "low"}, "OPENAI_API_KEY"),
        ({"openai_api_key": "<your key>"}, "OPENAI_API_KEY"),
        ({"openai_api_key": "sk-your-key"}, "OPENAI_API_KEY"),
        ({"openai_api_key": SECRET, "openai_model": "your-model"}, "OPENAI_MODEL"),
        ({"openai_api_key": SECRET, "openai_base_url": "http://models.internal/v1"}, "OPENAI_BASE_URL"),
        ({"openai_api_key": SECRET, "openai_base_url": "https://your-host/v1"}, "OPENAI_BASE_URL"),
        ({"openai_api_key": SECRET, "openai_reasoning_effort": "lots"}, "OPENAI_REASONING_EFFORT"),
        ({"jwt_secret": SECRET, "jwt_audience": "app"}, "JWT_ISSUER"),
        ({"jwt_secret": SECRET, "jwt_issuer": "app"}, "JWT_AUDIENCE"),
        ({"jwt_audience": "app", "jwt_issuer": "app"}, "JWT_SECRET"),
        ({"jwt_issuer": "app"}, "JWT_JWKS_URL"),
        ({**TOKENS, "jwt_jwks_url": "https://issuer.net/keys"}, "JWT_JWKS_URL"),
        ({**TOKENS, "jwt_secret": SECRET[:31]}, "JWT_SECRET"),
        ({**TOKENS, "jwt_secret": "change-me-" * 4}, "JWT_SECRET"),
        ({**TOKENS, "jwt_secret": None, "jwt_jwks_url": "http://issuer.net/keys"}, "JWT_JWKS_URL"),
        ({**TOKENS, "jwt_secret": None, "jwt_jwks_url": "https://me:pass@issuer.net/keys"}, "JWT_JWKS_URL"),
        ({"openai_api_key": SECRET, "clock": "2025-07-12T05:42:00+12:00"}, "CLOCK"),
        ({"daily_tokens": -1}, "DAILY_TOKENS"),
        ({"cors_origins": "*"}, "CORS_ORIGINS"),
        ({"cors_origins": "https://app.company.com, https://*.company.com"}, "CORS_ORIGINS"),
        ({"cors_origins": "https://app.company.com/"}, "CORS_ORIGINS"),
        ({"cors_origins": "https://App.company.com"}, "CORS_ORIGINS"),
        ({"cors_origins": "https://app.company.com:443"}, "CORS_ORIGINS"),
        ({"cors_origins": "app.company.com"}, "CORS_ORIGINS"),
    ],
)
def test_a_wrong_or_half_set_combination_names_the_variable_and_no_value(given: dict[str, object], named: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        load_settings(**given)
    assert named in str(refused.value)
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize("url", ["https://models.internal-host.net/v1/", "http://127.0.0.1:8011/v1", "http://localhost:8011/v1"])
def test_a_model_may_be_anywhere_by_https_and_on_loopback(url: str) -> None:
    given = {"openai_api_key": SECRET, "openai_base_url": url}
    assert load_settings(**given).openai_base_url == url.rstrip("/")


def test_origins_are_those_that_browsers_send() -> None:
    given = "https://app.company.com, http://localhost:5173,capacitor://localhost, http://[::1]:8080"
    origins = ("https://app.company.com", "http://localhost:5173", "capacitor://localhost", "http://[::1]:8080")
    assert load_settings(cors_origins=given).cors_origins == origins


def test_a_clock_may_stand_beside_a_stand_in_of_the_model() -> None:
    standin = {"openai_api_key": SECRET, "openai_base_url": "http://127.0.0.1:8011/v1"}
    assert load_settings(**standin, clock="2025-07-12T05:42:00+12:00").clock is not None


def test_service_keys_are_split(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERVICE_API_KEYS", f"app:{'0' * 64}, partner.two:{'f' * 64}")
    assert load_settings().service_api_keys == (f"app:{'0' * 64}", f"partner.two:{'f' * 64}")


def test_secrets_are_not_in_the_representation() -> None:
    assert SECRET not in repr(load_settings(**REAL))
