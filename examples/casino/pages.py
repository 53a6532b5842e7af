"""The casino's pages. Every text that came from elsewhere goes through `escape`; only the game's page needs a script."""

import json
import sqlite3
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any
from urllib.parse import urlencode, urljoin

from shop import Purchase

Box = dict[str, Any]

_DIGITS = {"JPY": 0, "KRW": 0, "CLP": 0, "ISK": 0, "VND": 0, "BHD": 3, "JOD": 3, "KWD": 3, "OMR": 3, "TND": 3}
_KINDS = {"item": "Item", "cash": "Cash", "bonus": "Bonus"}


def money(minor: int, currency: str) -> str:
    """Return 1234 EUR as `12.34 EUR`, without a float on the way."""
    digits = _DIGITS.get(currency, 2)
    whole, part = divmod(abs(minor), 10**digits)
    sign = "-" if minor < 0 else ""
    return f"{sign}{whole:,}{f'.{part:0{digits}}' if digits else ''} {currency}"


@dataclass(frozen=True, kw_only=True)
class Pages:
    """Renders what one player sees."""

    operator: str
    player: str
    players: Sequence[str]
    balance: str
    platform_url: str

    def lobby(self, boxes: Sequence[Box], purchase: Purchase | None, problem: str | None) -> str:
        cards = "".join(self._card(box) for box in boxes)
        shelf = f'<ul class="boxes">{cards}</ul>' if cards else "<p>No box is on sale right now.</p>"
        return self._page(
            "Lobby",
            (self._result(purchase) if purchase else "")
            + (_notice("The boxes can't be shown", problem) if problem else f"<h1>Pick a box</h1>{shelf}"),
        )

    def box(self, box: Box) -> str:
        rows = "".join(
            f"<tr><td>{escape(prize['name'])}<small>{_KINDS.get(prize['kind'], '')}</small></td>"
            f"<td class=number>{_money(prize)}</td><td class=number>{prize['odds'] * 100:.4g} %</td></tr>"
            for prize in box["prizes"]
        )
        return self._page(
            box["name"],
            f"""
<article class="detail">
  <div class="art">{self._art(box)}</div>
  <div><h1>{escape(box["name"])}</h1>
  <p>You get back {100 - box["houseEdgeBps"] / 100:.4g} % of the price on average.</p>
  {self._buy(box)}
  {self._ways_into_the_game(box)}</div>
</article>
<table>
  <caption>What is inside</caption>
  <thead><tr><th>Prize<th class="number worth">Worth<th class="number chance">Chance</thead>
  <tbody>{rows}</tbody>
</table>""",
        )

    def game(self, boxes: Sequence[Box], *, wanted: Mapping[str, str]) -> str:
        """Return the page that the game is in; `static/game.js` opens it with the platform's SDK."""
        others = ",".join(str(other["boxId"]) for other in boxes if str(other["boxId"]) != wanted["box"])
        data = {
            "sdk": urljoin(self.platform_url, "/sdk/games-core.js"),
            "operator": self.operator,
            "player": self.player,
            **wanted,
        }
        attributes = " ".join(f'data-{name}="{escape(value)}"' for name, value in data.items())
        return self._page(
            "Game",
            f"""
<h1 class="unseen">Game</h1>
<p id="said" class="said" role="status" hidden></p>
<div id="game" class="game" {attributes}></div>
<section><h2>You may also like</h2><div id="others" data-boxes="{escape(others)}"></div></section>
<script type="module" src="/static/game.js"></script>""",
        )

    def calls(self, arrivals: Sequence[sqlite3.Row], older: int | None) -> str:
        rows = "".join(_arrival(arrival) for arrival in arrivals)
        more = f'<p><a href="/calls?{escape(self._query(before=older))}">Older ones</a></p>' if older else ""
        return self._page(
            "Calls",
            f"""
<h1>What arrived here</h1>
<p>Wallet calls and webhooks from the platform, newest first. Open one to see the raw text.
<a href="/statement.csv" download>Download our books as CSV</a> to match them in the platform's back-office.</p>
{f'<ul class="arrivals">{rows}</ul>' if rows else "<p>Nothing yet. Open a box and come back.</p>"}
{more}""",
        )

    def problem(self, title: str, text: str) -> str:
        return self._page(title, _notice(title, text))

    def _page(self, title: str, main: str) -> str:
        options = "".join(f'<option value="{escape(player)}">' for player in self.players)
        return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)} · {escape(self.operator)} casino</title>
<link rel="icon" href="/static/icon.svg">
<link rel="stylesheet" href="/static/casino.css">
</head>
<body>
<a class="skip" href="#main">To the content</a>
<header>
  <a class="brand" href="/?{escape(self._query())}"><img src="/static/icon.svg" alt="" width="28" height="28">
    {escape(self.operator)} casino</a>
  <nav aria-label="Pages">
    <a href="/?{escape(self._query())}">Boxes</a>
    <a href="/game?{escape(self._query())}">Game</a>
    <a href="/calls?{escape(self._query())}">Wallet calls and webhooks</a>
  </nav>
  <p class="balance"><span>Balance</span> <strong id="balance">{escape(self.balance)}</strong></p>
  <form class="player" action="/" method="get">
    <label for="player">Player</label>
    <input id="player" name="player" list="players" value="{escape(self.player)}" maxlength="190" required
      autocomplete="off" spellcheck="false">
    <datalist id="players">{options}</datalist>
    <button class="quiet">Switch</button>
  </form>
</header>
<main id="main">{main}</main>
<footer>Play money. This casino is an example to copy from, not one to play at.</footer>
</body>
</html>
"""

    def _card(self, box: Box) -> str:
        badge = '<span class="badge">New</span>' if box["customAttributes"].get("is_new") is True else ""
        return f"""
<li class="box">
  <div class="art">{self._art(box)}{badge}</div>
  <h2>{escape(box["name"])}</h2>
  <a href="/boxes/{box["boxId"]:d}?{escape(self._query())}" aria-label="What is inside {escape(box["name"])}">
    What is inside</a>
  {self._buy(box)}
  {self._ways_into_the_game(box)}
</li>"""

    def _buy(self, box: Box) -> str:
        # A fresh id for every button: what it names is bought once, however often it is clicked or sent again.
        return _buy_form(
            self.player, str(uuid.uuid4()), box["boxVersionId"], f"Open for {money(box['priceMinor'], box['currency'])}"
        )

    def _ways_into_the_game(self, box: Box) -> str:
        ways: tuple[tuple[str, dict[str, int]], ...] = (
            ("Open in the game", {}),
            ("Free box", {"free": 1}),
            ("As a guest", {"guest": 1}),
        )
        name = escape(box["name"])
        links = (
            f'<a href="/game?{escape(self._query(box=box["boxId"], **more))}" aria-label="{text}: {name}">{text}</a>'
            for text, more in ways
        )
        return f'<p class="ways">{" ".join(links)}</p>'

    def _art(self, box: Box) -> str:
        image = box.get("image") or {}
        if image.get("default"):
            source = urljoin(self.platform_url, image["default"])
            return f'<img src="{escape(source)}" alt="{escape(image["alt"] or "")}" loading="lazy">'
        return _crate(hue=box["boxId"] * 67 % 360)

    def _result(self, purchase: Purchase) -> str:
        if purchase.status == 200:
            return self._won(purchase.answer["round"])
        again = ""
        if purchase.may_be_repeated:
            again = "<p>You pay at most once, however often you try.</p>" + _buy_form(
                self.player, purchase.client_action_id, purchase.box_version_id, "Try again"
            )
        if purchase.status is None:
            return _notice("No answer yet", "It is not known whether the box was opened.", again)
        error = purchase.answer.get("error", {})
        title = "The box is not open yet" if again else "The box was not opened"
        return _notice(title, f"{error.get('message')} ({error.get('code')})", again)

    def _won(self, settled: dict[str, Any]) -> str:
        prizes = "".join(_prize(reel["prize"], settled["currency"]) for reel in settled["reels"])
        kept = "".join(
            f"<li>{escape(item['name'])} is yours"
            + (f", or {_money(item, 'cashbackMinor')} back</li>" if item["cashbackMinor"] is not None else "</li>")
            for item in settled["wonItems"]
        )
        proof = "".join(
            f"<div><dt>{name}</dt><dd>{escape(str(value))}</dd></div>"
            for name, value in (
                ("Round", settled["publicId"]),
                ("Server seed hash", settled["fairness"]["serverSeedHash"]),
                ("Client seed", settled["fairness"]["clientSeed"]),
                ("Nonce", settled["fairness"]["nonce"]),
            )
        )
        return f"""
<section class="won" role="status" aria-label="Your prize">
  <div class="reveal" aria-hidden="true">{_crate(hue=45)}</div>
  <p class="lead">You won</p>
  <ul class="prizes">{prizes}</ul>
  <ul class="kept">{kept}</ul>
  <details><summary>How to check this draw</summary><dl>{proof}</dl></details>
</section>"""

    def _query(self, **more: int | None) -> str:
        return urlencode({"player": self.player, **more})


def _buy_form(player: str, client_action_id: str, box_version_id: int, label: str) -> str:
    """Return the one form that buys. In your casino the player comes from the session, never from a form."""
    return f"""
<form class="buy" action="/buy" method="post">
  <input type="hidden" name="player" value="{escape(player)}">
  <input type="hidden" name="clientActionId" value="{escape(client_action_id)}">
  <input type="hidden" name="boxVersionId" value="{box_version_id:d}">
  <button>{escape(label)}</button>
</form>"""


def _prize(prize: dict[str, Any], currency: str) -> str:
    worth = escape(money(prize["valueMinor"], currency))
    kind = _KINDS.get(prize["kind"], "Prize")
    return f"<li><strong>{escape(prize['name'])}</strong> <span>{kind} worth {worth}</span></li>"


def _money(thing: dict[str, Any], field: str = "valueMinor") -> str:
    return escape(money(thing[field], thing["currency"]))


def _notice(title: str, text: str, more: str = "") -> str:
    return f'<section class="notice" role="alert"><h2>{escape(title)}</h2><p>{escape(text)}</p>{more}</section>'


def _arrival(arrival: sqlite3.Row) -> str:
    badge = '<span class="badge">Repeat</span>' if arrival["is_repeat"] else ""
    return f"""
<li><details>
  <summary>
    <time datetime="{escape(arrival["at"])}">{escape(arrival["at"][11:19])}</time>
    <span class="channel {escape(arrival["channel"])}">{escape(arrival["channel"])}</span>
    <strong>{escape(arrival["type"])}</strong> <span>{escape(arrival["player"])}</span>
    <span>{escape(_summary(json.loads(arrival["body"]), json.loads(arrival["answer"])))}</span>{badge}
  </summary>
  <p>{escape(arrival["at"])} · {escape(arrival["reference"])}</p>
  <h2>Body</h2><pre>{escape(arrival["body"])}</pre>
  <h2>Our answer</h2><pre>{escape(arrival["answer"])}</pre>
</details></li>"""


def _summary(call: dict[str, Any], answer: dict[str, Any]) -> str:
    if "accepted" not in answer:
        return ""
    outcome = "accepted" if answer["accepted"] else f"refused: {answer['errorCode']}"
    return f"{money(call['amountMinor'], call['currency'])} {outcome}"


def _crate(*, hue: int) -> str:
    """Return a drawn box; attributes, not styles, so that the content security policy stays strict."""
    return f"""<svg viewBox="0 0 120 100" role="presentation" focusable="false">
<ellipse cx="60" cy="92" rx="46" ry="6" fill="#000" opacity=".25"/>
<path d="M18 42h84v44a6 6 0 0 1-6 6H24a6 6 0 0 1-6-6z" fill="hsl({hue} 55% 42%)"/>
<path d="M18 42h84v12H18z" fill="hsl({hue} 60% 30%)"/>
<g class="lid"><path d="M12 26a6 6 0 0 1 6-6h84a6 6 0 0 1 6 6v18H12z" fill="hsl({hue} 60% 54%)"/>
<path d="M50 20h20v24H50z" fill="#ffd76a"/></g>
<path d="M50 54h20v38H50z" fill="#f2b93b"/>
<circle cx="60" cy="48" r="8" fill="#fff" opacity=".9"/>
<path d="M60 44v8M56 48h8" stroke="hsl({hue} 60% 30%)" stroke-width="2"/>
</svg>"""
