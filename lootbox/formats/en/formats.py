"""How the back-office prints times: to the second, in UTC, so that they can be compared with anybody's log."""

DATETIME_FORMAT = "j M Y H:i:s"
DATE_FORMAT = "j M Y"
TIME_FORMAT = "H:i:s"
