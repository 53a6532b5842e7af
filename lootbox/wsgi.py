"""The web server's entry point. It refuses to start on settings that the system checks refuse."""

import os

import django
from django.core.checks import run_checks
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "lootbox.settings")
django.setup()

refusals = [check for check in run_checks() if check.is_serious() and not check.is_silenced()]
if refusals:
    raise SystemExit("\n".join(f"{check.id}: {check.msg} {check.hint or ''}" for check in refusals))

application = get_wsgi_application()
