"""The commands of couriermail: one typer module each, thin."""
