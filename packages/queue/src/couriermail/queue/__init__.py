"""couriermail.queue."""

__all__: list[str] = []
