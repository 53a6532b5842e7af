"""Django's PostgreSQL backend with connections of our own; `ENGINE` names this package."""
