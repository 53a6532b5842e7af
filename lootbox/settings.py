"""All settings, read from the environment. `make demo` needs none of them; docs/running.md lists each."""

import datetime as dt
from pathlib import Path
from typing import Any

import django_stubs_ext
import environ
import structlog
from django.urls import reverse_lazy

from lootbox import embedded
from lootbox.core.postgresql.base import Connection

# Django's generic classes take their type arguments at run time too.
django_stubs_ext.monkeypatch()

env = environ.Env()

BASE_DIR = Path(__file__).resolve().parent.parent
LOOTBOX_HOME = Path(env.str("LOOTBOX_HOME", str(BASE_DIR / ".lootbox"))).resolve()

# Mode and secrets. The values for development are public; lootbox.checks refuses them in production.
PRODUCTION = env.bool("LOOTBOX_PRODUCTION", False)
DEVELOPMENT_SECRET_KEY = "development-only-" + "not-a-secret-" * 3
DEVELOPMENT_FIELD_KEY = "ZGV2ZWxvcG1lbnQtb25seS1ub3QtYS1zZWNyZXQtMzI="
SECRET_KEY = env.str("LOOTBOX_SECRET_KEY", DEVELOPMENT_SECRET_KEY)
LOOTBOX_FIELD_KEYS: list[str] = env.list("LOOTBOX_FIELD_KEYS", default=[DEVELOPMENT_FIELD_KEY])
DEBUG = False
LOOTBOX_DOMAIN = env.str("LOOTBOX_DOMAIN", "localhost")
ALLOWED_HOSTS = env.list("LOOTBOX_ALLOWED_HOSTS", default=[f".{LOOTBOX_DOMAIN}", "127.0.0.1", "[::1]", "localhost"])

# Money: how long a wallet may take, when recovery acts (contract sections 5 and 10).
# On in the demo, and so for every command beside a running one: its wallets are on loopback.
BESIDE_DEMO = "DATABASE_URL" not in env.ENVIRON and (LOOTBOX_HOME / "demo.json").exists()
LOOTBOX_ALLOW_PRIVATE_URLS = env.bool("LOOTBOX_ALLOW_PRIVATE_URLS", BESIDE_DEMO)
LOOTBOX_WALLET_TIMEOUT_S = env.float("LOOTBOX_WALLET_TIMEOUT_S", 10.0)
LOOTBOX_ABANDON_AFTER_S = env.float("LOOTBOX_ABANDON_AFTER_S", 120.0)
LOOTBOX_RECOVERY_STEPS_S: list[float] = env.list(
    "LOOTBOX_RECOVERY_STEPS_S", cast=float, default=[1, 5, 30, 120, 600, 3600, 86400]
)
LOOTBOX_RATES_URL = env.str("LOOTBOX_RATES_URL", "https://www.ecb.europa.eu/stats/eurofxref/eurofxref-daily.xml")
LOOTBOX_RATE_MAX_AGE_S = env.float("LOOTBOX_RATE_MAX_AGE_S", 7 * 86400.0)

# Webhooks (contract section 11), sessions (section 8), rate limit (section 12).
LOOTBOX_WEBHOOK_RETRY_S: list[float] = env.list(
    "LOOTBOX_WEBHOOK_RETRY_S", cast=float, default=[5, 30, 120, 600, 3600, 10800, 21600, 43200, 86400, 86400]
)
LOOTBOX_LAUNCH_TTL_S = env.float("LOOTBOX_LAUNCH_TTL_S", 60.0)
LOOTBOX_SESSION_IDLE_S = env.float("LOOTBOX_SESSION_IDLE_S", 1800.0)
LOOTBOX_SESSION_MAX_S = env.float("LOOTBOX_SESSION_MAX_S", 43200.0)
LOOTBOX_RATE_LIMIT = env.int("LOOTBOX_RATE_LIMIT", 200)

# Flags and the RTP watch (docs/finance.md): false alarms a year that chance may raise for one box version in one currency, and
# from when on wins and free opens are unusual.
LOOTBOX_RTP_FALSE_ALARMS = env.float("LOOTBOX_RTP_FALSE_ALARMS", 0.01)
LOOTBOX_BIG_WIN_PRICES = env.int("LOOTBOX_BIG_WIN_PRICES", 100)
LOOTBOX_FREE_OPENS = env.int("LOOTBOX_FREE_OPENS", 50)
LOOTBOX_FREE_OPENS_WINDOW_S = env.float("LOOTBOX_FREE_OPENS_WINDOW_S", 86400.0)

# Exports: where large ones wait for download, for how long, what is large, and how long a signed link holds.
LOOTBOX_EXPORTS = Path(env.str("LOOTBOX_EXPORTS", str(LOOTBOX_HOME / "exports")))
LOOTBOX_EXPORTS_KEPT_DAYS = env.float("LOOTBOX_EXPORTS_KEPT_DAYS", 7.0)
LOOTBOX_EXPORTS_AT_ONCE_ROWS = env.int("LOOTBOX_EXPORTS_AT_ONCE_ROWS", 50_000)
LOOTBOX_EXPORTS_LINK_S = env.float("LOOTBOX_EXPORTS_LINK_S", 900.0)

# PostgreSQL. The pool lends a connection per statement phase, so that a slow wallet holds none.
DATABASES = {"default": env.db_url("DATABASE_URL", default=embedded.database_url(LOOTBOX_HOME))}
DATABASES["default"] |= {
    "ENGINE": "lootbox.core.postgresql",
    "CONN_MAX_AGE": 0,
    "CONN_HEALTH_CHECKS": False,
    "OPTIONS": {
        "pool": {
            "min_size": env.int("LOOTBOX_POOL_MIN", 2),
            "max_size": env.int("LOOTBOX_POOL_MAX", 16),
            "timeout": 3,  # for a connection: beyond it the database is away, or everybody waits
            "connection_class": Connection,
        },
        "server_side_binding": True,
        # PgBouncer in transaction mode knows prepared statements from 1.21 on; with an older one, switch this off.
        "prepare_threshold": 2 if env.bool("LOOTBOX_PREPARED_STATEMENTS", True) else None,
        "application_name": "lootbox",
    },
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# What the API and recovery wait for at most; 0 is for ever. Pages, reports and migrations take their time.
LOOTBOX_LOCK_TIMEOUT_S = env.float("LOOTBOX_LOCK_TIMEOUT_S", 1.0)
LOOTBOX_STATEMENT_TIMEOUT_S = env.float("LOOTBOX_STATEMENT_TIMEOUT_S", 3.0)
LOOTBOX_IDLE_IN_TRANSACTION_TIMEOUT_S = env.float("LOOTBOX_IDLE_IN_TRANSACTION_TIMEOUT_S", 5.0)

# Redis carries ids and limits only; nothing of value lives there.
REDIS_URL = env.str("REDIS_URL", embedded.broker_url(LOOTBOX_HOME))
CELERY_BROKER_URL = REDIS_URL
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_BROKER_TRANSPORT_OPTIONS = {"visibility_timeout": 120}
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TASK_TIME_LIMIT = 60
CELERY_DB_REUSE_MAX = 1000
# The schedule only wakes: every task finds in PostgreSQL what is due, so a beat that is missed or comes twice does no harm.
CELERY_BEAT_SCHEDULE: dict[str, dict[str, Any]] = {
    "deliver webhooks": {"task": "webhooks.tasks.dispatch", "schedule": 2.0, "options": {"expires": 5}},
    "tell people of endpoints that went off": {"task": "webhooks.tasks.send_notices", "schedule": 60.0},
    "number the ledger": {"task": "wallet.tasks.number_movements", "schedule": 2.0, "options": {"expires": 5}},
    "make exports": {"task": "finance.tasks.make_exports", "schedule": 5.0, "options": {"expires": 10}},
    "delete old exports": {"task": "finance.tasks.delete_exports", "schedule": 3600.0},
    "load exchange rates": {"task": "catalog.tasks.load_rates", "schedule": 3600.0},
    "publish boxes that are due": {"task": "catalog.tasks.publish_due", "schedule": 60.0},
    "expire won items": {"task": "vault.tasks.expire_items", "schedule": 60.0},
    "check what must hold of the money": {"task": "purchases.tasks.check_invariants", "schedule": 300.0},
    "match statements that wait": {"task": "finance.tasks.match_statements", "schedule": 60.0, "options": {"expires": 60}},
    "count what is new and flag what is unusual": {
        "task": "finance.tasks.count_new",
        "schedule": 60.0,
        "options": {"expires": 60},
    },
    "hold what was paid out against the odds": {
        "task": "finance.tasks.watch_rtp",
        "schedule": 300.0,
        "options": {"expires": 300},
    },
}

INSTALLED_APPS = [
    "unfold.apps.BasicAppConfig",
    "unfold.contrib.filters",
    "lootbox.admin_apps.BackOfficeConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "rest_framework",
    "django_otp",
    "django_otp.plugins.otp_totp",
    "axes",
    "lootbox",
    "operators",
    "catalog",
    "fairness",
    "wallet",
    "webhooks",
    "vault",
    "purchases",
    "play",
    "finance",
]

MIDDLEWARE = [
    "lootbox.core.middleware.RequestId",
    # What follows is for pages only.
    "lootbox.core.middleware.ApisApart",
    "lootbox.core.middleware.Sized",
    "lootbox.core.middleware.FramedByNobody",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django_otp.middleware.OTPMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "operators.staff_sessions.StaffSessions",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "axes.middleware.AxesMiddleware",
]
ROOT_URLCONF = "lootbox.urls"
WSGI_APPLICATION = "lootbox.wsgi.application"
TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

REST_FRAMEWORK = {
    # Deny by default: a view says who may come in.
    "DEFAULT_AUTHENTICATION_CLASSES": [],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAdminUser"],
    # Bodies are read by lootbox.core.views, from the bytes that were signed.
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "lootbox.core.negotiation.AlwaysJSON",
    "EXCEPTION_HANDLER": "lootbox.core.errors.answer_error",
    "UNAUTHENTICATED_USER": None,
}
# Contract section 12: a body is 64 KiB at most. The back-office's uploads set their own limit.
DATA_UPLOAD_MAX_MEMORY_SIZE = 64 * 1024
FILE_UPLOAD_HANDLERS = [
    "lootbox.core.uploads.Limited",
    "django.core.files.uploadhandler.MemoryFileUploadHandler",
    "django.core.files.uploadhandler.TemporaryFileUploadHandler",
]

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
STATIC_URL = "/static/"
# Set when `collectstatic` has gathered the files; without it they are served from where they lie.
STATIC_ROOT = env.str("LOOTBOX_STATIC_ROOT", "") or None
WHITENOISE_USE_FINDERS = STATIC_ROOT is None
APPEND_SLASH = False

# The back-office: how its people log in, and for how long.
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "admin:index"
FORMAT_MODULE_PATH = "lootbox.formats"
LOOTBOX_STAFF_IDLE_S = env.float("LOOTBOX_STAFF_IDLE_S", 1800.0)
LOOTBOX_STAFF_SESSION_S = env.float("LOOTBOX_STAFF_SESSION_S", 36000.0)
LOOTBOX_STAFF_PROOF_S = env.float("LOOTBOX_STAFF_PROOF_S", 600.0)
# Passwords need a one-time code too; on one's own machine only where a device was set up.
LOOTBOX_STAFF_SECOND_FACTOR = env.bool("LOOTBOX_STAFF_SECOND_FACTOR", PRODUCTION)
# From this amount on, in whole units of the operator's base currency, an action on money takes a second person.
LOOTBOX_STAFF_ALONE_UP_TO = env.int("LOOTBOX_STAFF_ALONE_UP_TO", 100)
AXES_FAILURE_LIMIT = 5
AXES_COOLOFF_TIME = dt.timedelta(minutes=15)
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_LOCKOUT_TEMPLATE = "admin/locked.html"
AXES_RESET_ON_SUCCESS = True
AXES_VERBOSE = False
AXES_ENABLE_ADMIN = False
UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "LootBox",
    "SITE_HEADER": "LootBox",
    "SITE_SUBHEADER": "Back-office",
    "SITE_SYMBOL": "deployed_code",
    "SITE_URL": None,
    "SHOW_HISTORY": False,
    "SHOW_VIEW_ON_SITE": False,
    "STYLES": ["/static/backoffice/backoffice.css", "/static/catalog/catalogue.css"],
    "COLORS": {
        "primary": {
            "50": "#effaf5", "100": "#d8f3e6", "200": "#b4e6d0", "300": "#82d2b3", "400": "#4eb792", "500": "#2b9c78",
            "600": "#0a7f5a", "700": "#0a654b", "800": "#0b503d", "900": "#0a4233", "950": "#04251d",
        }
    },
    "ACCOUNT": {"navigation": [{"title": "Second factor", "link": reverse_lazy("admin:second_factor")}]},
    "SIDEBAR": {"show_search": False, "show_all_applications": False, "navigation": "lootbox.admin.navigation"},
}  # fmt: skip

SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "no-referrer"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = PRODUCTION
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if PRODUCTION else None

structlog.configure(
    processors=[
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        structlog.processors.JSONRenderer(),
    ],
    logger_factory=structlog.stdlib.LoggerFactory(),
    cache_logger_on_first_use=True,
)
LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"console": {"class": "logging.StreamHandler"}},
    "root": {"handlers": ["console"], "level": env.str("LOOTBOX_LOG_LEVEL", "INFO")},
    # A refusal is an answer like any other. A line for each would let strangers fill the log, and costs more than refusing.
    "loggers": {"django.request": {"level": "ERROR"}},
}
