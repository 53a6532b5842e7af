import io
import secrets
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from django.core.management.base import CommandError, CommandParser
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from catalog import charts
from catalog.figures import share
from catalog.models import BoxVersion
from catalog.simulation import Simulation, simulate
from lootbox.core.commands import PlainCommand
from lootbox.core.wording import money
from operators.configuration import InvalidSetting
from operators.selectors import operator_by_slug

DRAWS: Final = 10_000_000
MOST_DRAWS: Final = 10_000_000_000
SHARES: Final = (0.5, 0.9, 0.99, 0.999)
BAR_LENGTH: Final = 16


class Command(PlainCommand):
    """Simulate draws of a box."""

    help = "Draw a published box many times, and compare what comes out with what its weights promise. No money moves."

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        """Return the parser; ours is the version of a box, not Django's own."""
        return super().create_parser(prog_name, subcommand, conflict_handler="resolve", **kwargs)

    def add_own_arguments(self, parser: CommandParser) -> None:
        """Add which box, and how much of it."""
        parser.add_argument("slug", metavar="SLUG", help="The operator.")
        parser.add_argument("box", metavar="BOX_SLUG", help="The box.")
        parser.add_argument("--version", type=int, metavar="N", help="A version by its number (default: the current one).")
        parser.add_argument("--draws", type=int, default=DRAWS, help=f"How many draws (default {DRAWS:,}).")
        parser.add_argument("--seed", type=int, help="The same seed gives the same draws (default: a new one each time).")
        parser.add_argument("--chart", type=Path, metavar="FILE.svg", help="Write the chart to this file too.")

    def act(self, **options: Any) -> Mapping[str, Any]:
        """Return the simulation's figures."""
        version = _version(options["slug"], options["box"], options["version"])
        if not 1 <= options["draws"] <= MOST_DRAWS:
            raise CommandError(f"--draws takes a whole number from 1 to {MOST_DRAWS:,}.")
        seed = secrets.randbits(63) if options["seed"] is None else options["seed"]
        if seed < 0:
            raise CommandError("--seed takes a whole number from 0 up.")
        prizes = list(version.prizes.all())
        with _progress(options["draws"]) as advance:
            simulation = simulate(
                weights=[prize.weight for prize in prizes],
                values=[prize.value_minor for prize in prizes],
                price_minor=version.price_minor,
                draws=options["draws"],
                seed=seed,
                progress=advance,
            )
        names = [prize.name[version.operator.default_locale] for prize in prizes]
        if options["chart"]:
            _write(options["chart"], names, simulation, version)
        return _figures(version, names, simulation)

    def show(self, result: Mapping[str, Any]) -> None:
        """Print the figures as a table with bars, and the rest below it."""
        table = Table(title=f"{result['box']} v{result['versionNumber']}, {result['draws']:,} draws", title_justify="left")
        for heading, side in (("prize", "left"), ("worth", "right"), ("odds", "right"), ("drawn", "right"), ("", "left")):
            table.add_column(heading, justify=side)  # type: ignore[arg-type]
        most = max(prize["count"] for prize in result["prizes"])
        for prize in result["prizes"]:
            bar = "█" * max(round(BAR_LENGTH * prize["count"] / most), 1 if prize["count"] else 0)
            worth, odds = money(prize["valueMinor"], result["currency"]), share(prize["weight"], result["totalWeight"])
            table.add_row(Text(prize["name"]), worth, odds, share(prize["count"], result["draws"]), bar)
        console = Console(file=io.StringIO(), force_terminal=self.stdout.isatty(), width=shutil.get_terminal_size().columns)
        console.print(table)
        lines = [f"{name:>22}  {text}" for name, text in _sentences(result)]
        self.stdout.write("\n".join([console.file.getvalue().rstrip(), *lines]))  # type: ignore[attr-defined]


def _version(slug: str, box: str, number: int | None) -> BoxVersion:
    try:
        operator = operator_by_slug(slug=slug)
    except InvalidSetting as error:
        raise CommandError(str(error)) from error
    versions = BoxVersion.objects.filter(operator=operator, box__slug=box).select_related("operator", "box")
    wanted = versions.filter(superseded_at=None) if number is None else versions.filter(number=number)
    version = wanted.prefetch_related("prizes").first()
    if version is None:
        what = "a current version" if number is None else f"a version {number}"
        raise CommandError(f"{operator.slug} has no box {box} with {what}.")
    return version


@contextmanager
def _progress(draws: int) -> Iterator[Callable[[int], object]]:
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    columns = (TextColumn("drawing"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("drawing", total=draws)
        yield lambda size: progress.advance(task, size)


def _write(file: Path, names: list[str], simulation: Simulation, version: BoxVersion) -> None:
    chart = charts.simulated(title=f"{version.box.slug} v{version.number}", names=names, simulation=simulation)
    try:
        file.write_text(chart.svg(), encoding="utf-8")
    except OSError as error:
        raise CommandError(f"{file} can't be written: {error.strerror}.") from error


def _figures(version: BoxVersion, names: list[str], simulation: Simulation) -> dict[str, Any]:
    statistic, freedom, chance = simulation.chi_square()
    return {
        "box": version.box.slug,
        "versionNumber": version.number,
        "draws": simulation.draws,
        "seed": simulation.seed,
        "currency": version.currency,
        "priceMinor": version.price_minor,
        "totalWeight": version.total_weight,
        "rtp": simulation.rtp,
        "rtpMargin": simulation.rtp_margin,
        "expectedRtp": simulation.expected_rtp,
        "meanPayoutMinor": simulation.mean,
        "payoutMinorAtShare": {str(wanted): simulation.percentile(wanted) for wanted in SHARES},
        "largestPayoutMinor": simulation.largest,
        "hitFrequency": simulation.hit_frequency,
        "longestLosingStreak": simulation.longest_losing_streak,
        "chiSquare": {"statistic": statistic, "degreesOfFreedom": freedom, "p": chance},
        "agrees": simulation.agrees(),
        "prizes": [
            {"name": name, "valueMinor": value, "weight": weight, "count": count}
            for name, value, weight, count in zip(names, simulation.values, simulation.weights, simulation.counts, strict=True)
        ],
    }


def _sentences(result: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    price, currency = result["priceMinor"], result["currency"]
    low, high = (100 * (result["rtp"] + sign * result["rtpMargin"]) for sign in (-1, 1))
    yield "RTP", f"{100 * result['rtp']:.3f} %, with 95 % confidence {low:.3f} % to {high:.3f} %"
    yield "by the weights", f"{100 * result['expectedRtp']:.3f} %: {'they agree' if result['agrees'] else 'THEY DO NOT AGREE'}"
    for wanted, value in result["payoutMinorAtShare"].items():
        yield f"{100 * float(wanted):g} % of the draws", f"are worth {money(value, currency)} or less"
    yield "largest", money(result["largestPayoutMinor"], currency)
    yield "worth the price", f"{100 * result['hitFrequency']:.2f} % of the draws ({money(price, currency)} or more)"
    yield "longest losing streak", f"{result['longestLosingStreak']:,} draws"
    test = result["chiSquare"]
    yield "chi-square", f"{test['statistic']:.2f} with {test['degreesOfFreedom']} degrees of freedom, p = {test['p']:.3f}"
    yield "seed", str(result["seed"])
