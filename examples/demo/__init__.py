"""The demonstration behind `make demo`: a whole mail system in a temporary directory."""
