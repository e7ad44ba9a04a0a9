"""couriermail.auth."""

__all__: list[str] = []
