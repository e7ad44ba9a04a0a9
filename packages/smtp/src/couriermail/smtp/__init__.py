"""couriermail.smtp."""

__all__: list[str] = []
