"""couriermail.fax."""

__all__: list[str] = []
