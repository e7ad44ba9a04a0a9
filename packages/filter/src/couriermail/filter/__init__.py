"""couriermail.filter."""

__all__: list[str] = []
