"""The web server's settings: `gunicorn --config lootbox/gunicorn.py lootbox.wsgi`. Options on its command line win."""

import os
from pathlib import Path

worker_class = "gthread"
workers = os.environ.get("WEB_CONCURRENCY", "2")
# A thread waits for an operator's wallet most of the time. The database pool (LOOTBOX_POOL_MAX) is smaller: no thread holds a
# connection while it waits.
threads = os.environ.get("WEB_THREADS", "24")
timeout = 30  # without a sign of life from the worker, not for one request; a wallet call may take 10 s
graceful_timeout = 15  # a purchase that is under way finishes when the server is told to end
keepalive = 75  # operators' backends keep their connections
control_socket_disable = True  # it would stand in the user's home and outside of LOOTBOX_HOME
# The sign of life is a file's time: in memory, as a slow disk would read like a dead worker.
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108
