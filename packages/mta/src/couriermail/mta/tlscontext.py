"""TLS of the SMTP server: certificate, and whose certificates a client may show (spec smtp 9)."""

from __future__ import annotations

import os
import ssl

from couriermail.core import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from couriermail.mta.config import EsmtpdSettings

__all__ = ["server_tls_context", "subject_field"]

_SHORT_NAMES: Mapping[str, str] = {  # RFC 4514 3, and what GnuTLS and OpenSSL call them
    "cn": "commonName",
    "c": "countryName",
    "l": "localityName",
    "st": "stateOrProvinceName",
    "o": "organizationName",
    "ou": "organizationalUnitName",
    "uid": "userId",
    "dc": "domainComponent",
    "email": "emailAddress",
}
_PEER_MODES = {"optional": ssl.CERT_OPTIONAL, "required": ssl.CERT_REQUIRED}


def server_tls_context(settings: EsmtpdSettings) -> ssl.SSLContext | None:
    """The certificate and rules of a server; None where TLS is not offered.

    Reads private keys: call it before root is given up.

    Raises:
        ConfigError: a file that cannot be used.
    """
    if not settings.tls_certificate:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(settings.tls_certificate, settings.tls_key or None)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(
            f"cannot use the certificate: {error}", path=settings.tls_certificate
        ) from error
    if settings.tls_peer != "none":
        _trust(context, settings.tls_trust)
        context.verify_mode = _PEER_MODES[settings.tls_peer]
    return context


def subject_field(name: str) -> str:
    """The long name of a field of a certificate's subject, as the library shows it."""
    return _SHORT_NAMES.get(name.lower(), name)


def _trust(context: ssl.SSLContext, path: str) -> None:
    """Trust the CAs of a file or hashed directory (TLS_TRUSTCERTS)."""
    try:
        if os.path.isdir(path):
            context.load_verify_locations(capath=path)
        else:
            context.load_verify_locations(cafile=path)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"cannot use the CA certificates: {error}", path=path) from error
