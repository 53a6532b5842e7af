"""How fast webhooks go out beside Celery as most use it, a task for each delivery: goal W1, ratios of alternating rounds."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def measure() -> list[tuple[str, float, float]]:
    """Return name, ratio and goal of each part of W1, measured on a database and a broker of its own."""
    command = [
        sys.executable,
        "-m",
        "lootbox.embedded",
        "exec",
        "--temporary",
        "--",
        sys.executable,
        "-m",
        "bench.webhooks_rounds",
    ]
    environment = {name: value for name, value in os.environ.items() if name not in {"DATABASE_URL", "REDIS_URL"}}
    environment |= {"DJANGO_SETTINGS_MODULE": "lootbox.settings", "LOOTBOX_ALLOW_PRIVATE_URLS": "true"}
    rounds = subprocess.run(command, cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE)
    return [(name, ratio, goal) for name, ratio, goal in json.loads(rounds.stdout)]


if __name__ == "__main__":
    for name, ratio, goal in measure():
        print(f"{name:60} {ratio:7.3f}   goal {goal}")
