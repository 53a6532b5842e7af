"""Settings of `bench/webhooks_peer.py`: the project's, with Django's and Celery's own defaults for database and queue."""

from lootbox import settings as ours

globals().update({name: value for name, value in vars(ours).items() if name.isupper() and not name.startswith("CELERY_")})
DATABASES = {
    "default": {name: ours.DATABASES["default"][name] for name in ("ENGINE", "NAME", "USER", "PASSWORD", "HOST", "PORT")}
}
CELERY_BROKER_URL = ours.CELERY_BROKER_URL
