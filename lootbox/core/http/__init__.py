"""The one way out of this platform: wallet calls, webhook deliveries, exchange rates.

An operator chose the address, so neither the address nor what answers there is trusted: one attempt under one deadline, to a
checked address, with no redirect, no proxy and no compression, and an answer that is bounded (contract sections 10 and 11).
"""

from lootbox.core.http.addresses import NotSent, UnacceptableURL, check_url, request_path
from lootbox.core.http.client import Answer, NoAnswer, close_connections, get, post

__all__ = ["Answer", "NoAnswer", "NotSent", "UnacceptableURL", "check_url", "close_connections", "get", "post", "request_path"]
