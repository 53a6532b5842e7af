"""What people may do about endpoints and deliveries."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any, Final

from django import forms

from lootbox.core.fields import print_moment
from lootbox.core.ids import Prefix, public_id
from operators import configuration
from operators import services as operators
from operators.acting import OnOperators
from operators.guided import Doing, Guided, ReasonForm
from operators.models import Operator
from webhooks import services
from webhooks.models import Delivery, DeliveryState, Endpoint


class SinceForm(ReasonForm):
    """Since when events go out again."""

    field_order = ("since", "reason")
    since = forms.DateTimeField(label="Since (UTC)", widget=forms.DateTimeInput(attrs={"type": "datetime-local"}))


class WebhookUrlForm(ReasonForm):
    """Where an operator's events go."""

    field_order = ("url", "reason")
    url = forms.CharField(
        label="Webhook URL", required=False, max_length=2048, help_text="Where events are sent. Empty: they are stored only."
    )

    def clean_url(self) -> str:
        """Return a URL that the platform may call."""
        url: str = self.cleaned_data["url"]
        try:
            return configuration.read_url(url)
        except ValueError as error:
            raise forms.ValidationError(f"This can't be the URL: {error}") from error


class SendDelivery(Guided):
    """Send one event again."""

    name, title, permission, model = "send_delivery", "Send again", "webhooks.send_again", Delivery
    related = ("operator", "event")

    def subject(self, row: Delivery) -> str:
        """Return the event's public id."""
        return public_id(Prefix.EVENT, row.pk)

    def refusal(self, row: Delivery) -> str | None:
        """Return nothing: it always can."""
        return "It is on its way already." if row.state == DeliveryState.DUE and row.failures == 0 else None

    def preview(self, row: Delivery, at: dt.datetime) -> Sequence[str]:  # noqa: ARG002 - says the same at any time
        """Say what goes out."""
        return [f"The event {row.event.type} goes out again at once, with the same id and content."]

    def perform(self, doing: Doing) -> str:
        """Make the delivery due."""
        services.send_again(delivery_ids=[doing.row.pk], by=doing.by, at=doing.clock())
        return "It is on its way again."


class _OnEndpoints(Guided):
    model, permission = Endpoint, "webhooks.operate_endpoint"
    related = ("operator",)

    def subject(self, row: Endpoint) -> str:
        """Return the operator's slug."""
        return row.operator.slug

    def refusal(self, row: Endpoint) -> str | None:
        """Return why there is nothing to be done."""
        return None if row.operator.webhook_url else "The operator has no webhook URL. Give it one first."


class SendTest(_OnEndpoints):
    """Send an event that means nothing."""

    name, title = "test_endpoint", "Send a test event"

    def preview(self, row: Endpoint, at: dt.datetime) -> Sequence[str]:  # noqa: ARG002 - says the same at any time
        """Say what goes out."""
        return [f"{row.operator} is sent the event webhook_test. Its receiver should answer 200 and do nothing."]

    def perform(self, doing: Doing) -> str:
        """Send it."""
        event = services.send_test_event(operator=doing.row.operator, by=doing.by, at=doing.clock())
        return f"{public_id(Prefix.EVENT, event.id)} is on its way to {doing.row.operator}."


class TurnOn(_OnEndpoints):
    """Turn an endpoint on."""

    name, title = "turn_on_endpoint", "Turn it on"

    def refusal(self, row: Endpoint) -> str | None:
        """Return that it is on."""
        return "It is on." if row.enabled else None

    def preview(self, row: Endpoint, at: dt.datetime) -> Sequence[str]:  # noqa: ARG002 - says the same at any time
        """Say what follows."""
        return [f"What has waited for {row.operator} goes out at once, and what happens from now on as it happens."]

    def perform(self, doing: Doing) -> str:
        """Turn it on."""
        count = services.turn_on(operator=doing.row.operator, by=doing.by, at=doing.clock())
        return f"{doing.row.operator} is on; {count} deliveries had waited."


class TurnOff(_OnEndpoints):
    """Turn an endpoint off."""

    name, title = "turn_off_endpoint", "Turn it off"

    def refusal(self, row: Endpoint) -> str | None:
        """Return that it is off."""
        return None if row.enabled else "It is off."

    def preview(self, row: Endpoint, at: dt.datetime) -> Sequence[str]:  # noqa: ARG002 - says the same at any time
        """Say what follows."""
        return [f"Nothing is sent to {row.operator} until somebody turns it on. Events are stored, and none is lost."]

    def perform(self, doing: Doing) -> str:
        """Turn it off."""
        services.turn_off(operator=doing.row.operator, by=doing.by, at=doing.clock())
        return f"{doing.row.operator} is off. Its events wait."


class SendSince(_OnEndpoints):
    """Send everything since a time again."""

    name, title, form = "send_since", "Send everything again since a time", SinceForm

    def preview(self, row: Endpoint, at: dt.datetime) -> Sequence[str]:
        """Say what goes out."""
        return [
            f"All events of {row.operator} since the time that you give go out again, also those that had succeeded.",
            "Events that were stored while there was no webhook URL go out too.",
            f"It is {print_moment(at)} now.",
        ]

    def perform(self, doing: Doing) -> str:
        """Make them due."""
        operator, since = doing.row.operator, doing.inputs["since"]
        count = services.send_again_since(operator=operator, since=since, by=doing.by, at=doing.clock())
        return f"{count} deliveries to {operator} are on their way."


class ChangeWebhookUrl(OnOperators):
    """Change where an operator's events go; always by two people."""

    name, title, always_two = "change_webhook_url", "Change the webhook URL", True

    def new_form(self, row: Operator, user: Any, data: Any) -> ReasonForm:  # noqa: ARG002 - the frame's signature
        """Return the form with the URL as it is."""
        return WebhookUrlForm(data, initial={"url": row.webhook_url})

    def told(self, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the inputs without what may be secret in a URL."""
        return {"url": configuration.for_the_log(inputs["url"])}

    def preview(self, row: Operator, at: dt.datetime) -> Sequence[str]:  # noqa: ARG002 - says the same at any time
        """Say what changes."""
        return [
            f"Events go to {row.webhook_url or 'nowhere'} now. They go to the new URL as soon as the second person confirms.",
            "Send a test event afterwards, from the operator's endpoint.",
        ]

    def perform(self, doing: Doing) -> str:
        """Change it."""
        url = doing.inputs["url"]
        operators.change_settings(operator=doing.row, changes={"webhookUrl": url}, at=doing.clock(), by=doing.by)
        return f"Events go to {configuration.for_the_log(url)} now." if url else "Events are stored, and sent nowhere."


ACTIONS: Final = (SendDelivery(), SendTest(), TurnOn(), TurnOff(), SendSince(), ChangeWebhookUrl())
