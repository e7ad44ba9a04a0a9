"""couriermail.rfc822."""

__all__: list[str] = []
