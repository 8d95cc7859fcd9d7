"""What every Kafka client of a process is built with, from the settings."""

import ssl
from typing import Any

from posta.errors import ConfigurationError
from posta.settings import KafkaSettings


def connection_options(settings: KafkaSettings, *, client_id: str) -> dict[str, Any]:
    """Keyword arguments that aiokafka's consumer, producer and admin client share.

    Raises ``ConfigurationError`` when SASL is asked for without a name and a password.
    """
    options: dict[str, Any] = {
        "bootstrap_servers": settings.bootstrap_servers,
        "client_id": client_id,
        "security_protocol": settings.security_protocol,
    }
    if settings.security_protocol.startswith("SASL"):
        if settings.sasl_username is None or settings.sasl_password is None:
            raise ConfigurationError(
                "POSTA_KAFKA__SECURITY_PROTOCOL asks for SASL: set POSTA_KAFKA__SASL_USERNAME and "
                "POSTA_KAFKA__SASL_PASSWORD too"
            )
        options |= {
            "sasl_mechanism": settings.sasl_mechanism,
            "sasl_plain_username": settings.sasl_username,
            "sasl_plain_password": settings.sasl_password.get_secret_value(),
        }
    if settings.security_protocol.endswith("SSL"):
        options["ssl_context"] = ssl.create_default_context(cafile=settings.ssl_ca_file)
    return options
