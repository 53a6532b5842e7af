"""The task queue. It carries ids and wakes workers; what has to be done stands in PostgreSQL."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "lootbox.settings")

app = Celery("lootbox")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
