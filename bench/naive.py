"""The peer: the same purchase as a Django project usually starts out, with serializers, `.save()` per row, and requests.

It does less than the product: no tenants, held boxes, currencies, caps, recovery, guards by trigger or rate limit. Its database
connections are kept, which such projects often forget. Run as a program it makes its tables.
"""

# mypy: disable-error-code="attr-defined,call-arg"
# The plugin knows the models of the project, and these belong to another one.
import hashlib
import hmac
import time
import uuid
from typing import Any

import django
import requests
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.db import connection, models, transaction
from django.urls import path
from django.utils import timezone
from psycopg.conninfo import conninfo_to_dict

from bench.setting import Setting

setting = Setting.of_environment()
_database = conninfo_to_dict(setting.database)
settings.configure(
    SECRET_KEY="only-a-measurement",  # noqa: S106
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF="bench.naive",
    USE_TZ=True,
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    INSTALLED_APPS=["rest_framework"],
    MIDDLEWARE=["django.middleware.security.SecurityMiddleware", "django.middleware.common.CommonMiddleware"],
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": _database["dbname"],
            "USER": _database["user"],
            "HOST": _database["host"],
            "CONN_MAX_AGE": None,
            "OPTIONS": {"options": "-c search_path=naive"},
        }
    },
    REST_FRAMEWORK={"UNAUTHENTICATED_USER": None, "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"]},
)
django.setup()

# The framework reads its settings while it is imported.
from rest_framework import exceptions, serializers  # noqa: E402
from rest_framework.authentication import BaseAuthentication  # noqa: E402
from rest_framework.request import Request  # noqa: E402
from rest_framework.response import Response  # noqa: E402
from rest_framework.views import APIView  # noqa: E402


class Player(models.Model):
    external_id = models.CharField(max_length=190, unique=True)

    class Meta:
        app_label = "naive"


class ApiKey(models.Model):
    key_id = models.CharField(max_length=64, unique=True)
    secret = models.CharField(max_length=100)

    class Meta:
        app_label = "naive"


class SeedPair(models.Model):
    player = models.OneToOneField(Player, on_delete=models.PROTECT)
    server_seed = models.CharField(max_length=64)
    client_seed = models.CharField(max_length=64)
    next_nonce = models.BigIntegerField(default=0)

    class Meta:
        app_label = "naive"


class BoxVersion(models.Model):
    price_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    snapshot_hash = models.CharField(max_length=64)
    current = models.BooleanField(default=True)

    class Meta:
        app_label = "naive"


class Prize(models.Model):
    version = models.ForeignKey(BoxVersion, on_delete=models.PROTECT, related_name="prizes")
    item_id = models.BigIntegerField()
    name = models.CharField(max_length=200)
    value_minor = models.BigIntegerField()
    weight = models.BigIntegerField()

    class Meta:
        app_label = "naive"
        ordering = ["id"]


class Round(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    player = models.ForeignKey(Player, on_delete=models.PROTECT)
    client_action_id = models.CharField(max_length=80)
    state = models.CharField(max_length=8, default="pending")
    currency = models.CharField(max_length=3)
    bet_minor = models.BigIntegerField()
    payout_minor = models.BigIntegerField(null=True)
    nonce = models.BigIntegerField(null=True)
    balance_after_minor = models.BigIntegerField(null=True)
    purchased_at = models.DateTimeField()
    settled_at = models.DateTimeField(null=True)

    class Meta:
        app_label = "naive"
        constraints = [models.UniqueConstraint(name="naive_action", fields=["player", "client_action_id"])]


class Reel(models.Model):
    round = models.ForeignKey(Round, on_delete=models.PROTECT, related_name="reels")
    reel_index = models.IntegerField()
    version = models.ForeignKey(BoxVersion, on_delete=models.PROTECT)
    roll = models.BigIntegerField(null=True)
    prize = models.ForeignKey(Prize, on_delete=models.PROTECT, null=True)

    class Meta:
        app_label = "naive"


class InventoryItem(models.Model):
    player = models.ForeignKey(Player, on_delete=models.PROTECT)
    round = models.ForeignKey(Round, on_delete=models.PROTECT, related_name="items")
    item_id = models.BigIntegerField()
    name = models.CharField(max_length=200)
    currency = models.CharField(max_length=3)
    value_minor = models.BigIntegerField()
    state = models.CharField(max_length=16, default="unresolved")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        app_label = "naive"


class WalletCall(models.Model):
    round = models.ForeignKey(Round, on_delete=models.PROTECT)
    idempotency_key = models.CharField(max_length=190, unique=True)
    amount_minor = models.BigIntegerField()
    state = models.CharField(max_length=8, default="pending")
    provider_txn_ref = models.CharField(max_length=190, default="")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        app_label = "naive"


class WalletAttempt(models.Model):
    call = models.ForeignKey(WalletCall, on_delete=models.PROTECT)
    http_status = models.IntegerField()
    excerpt = models.TextField()
    started_at = models.DateTimeField()

    class Meta:
        app_label = "naive"


class Event(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    type = models.CharField(max_length=32)
    body = models.JSONField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        app_label = "naive"


class Delivery(models.Model):
    event = models.ForeignKey(Event, on_delete=models.PROTECT)
    state = models.CharField(max_length=8, default="due")
    next_attempt_at = models.DateTimeField()

    class Meta:
        app_label = "naive"


TABLES = [
    Player,
    ApiKey,
    SeedPair,
    BoxVersion,
    Prize,
    Round,
    Reel,
    InventoryItem,
    WalletCall,
    WalletAttempt,
    Event,
    Delivery,
]


class ReelRequestSerializer(serializers.Serializer[Any]):
    reelIndex = serializers.IntegerField(min_value=0)  # noqa: N815
    boxVersionId = serializers.PrimaryKeyRelatedField(queryset=BoxVersion.objects.filter(current=True))  # noqa: N815


class PurchaseSerializer(serializers.Serializer[Any]):
    playerExternalId = serializers.CharField(max_length=190)  # noqa: N815
    gameKey = serializers.ChoiceField(choices=["mystery_box"])  # noqa: N815
    clientActionId = serializers.CharField(max_length=80)  # noqa: N815
    mode = serializers.ChoiceField(choices=["open"], default="open")
    funding = serializers.ChoiceField(choices=["player"], default="player")
    reels = ReelRequestSerializer(many=True, min_length=1, max_length=setting.max_reels)


class PrizeSerializer(serializers.ModelSerializer[Prize]):
    itemId = serializers.IntegerField(source="item_id")  # noqa: N815
    valueMinor = serializers.IntegerField(source="value_minor")  # noqa: N815

    class Meta:
        model = Prize
        fields = ["itemId", "name", "valueMinor"]


class ReelSerializer(serializers.ModelSerializer[Reel]):
    reelIndex = serializers.IntegerField(source="reel_index")  # noqa: N815
    boxVersionId = serializers.IntegerField(source="version_id")  # noqa: N815
    prize = PrizeSerializer()

    class Meta:
        model = Reel
        fields = ["reelIndex", "boxVersionId", "prize"]


class InventoryItemSerializer(serializers.ModelSerializer[InventoryItem]):
    inventoryItemId = serializers.IntegerField(source="id")  # noqa: N815
    itemId = serializers.IntegerField(source="item_id")  # noqa: N815

    class Meta:
        model = InventoryItem
        fields = ["inventoryItemId", "itemId", "name", "currency", "state"]


class RoundSerializer(serializers.ModelSerializer[Round]):
    publicId = serializers.UUIDField(source="id")  # noqa: N815
    status = serializers.CharField(source="state")
    betMinor = serializers.IntegerField(source="bet_minor")  # noqa: N815
    payoutMinor = serializers.IntegerField(source="payout_minor")  # noqa: N815
    purchasedAt = serializers.DateTimeField(source="purchased_at")  # noqa: N815
    settledAt = serializers.DateTimeField(source="settled_at")  # noqa: N815
    reels = ReelSerializer(many=True)
    wonItems = InventoryItemSerializer(source="items", many=True)  # noqa: N815

    class Meta:
        model = Round
        fields = [
            "publicId",
            "status",
            "betMinor",
            "payoutMinor",
            "currency",
            "nonce",
            "purchasedAt",
            "settledAt",
            "reels",
            "wonItems",
        ]


class Signature(BaseAuthentication):
    def authenticate(self, request: Request) -> tuple[ApiKey, None]:
        headers = request.headers
        key = ApiKey.objects.filter(key_id=headers.get("X-Key-Id", "")).first()
        timestamp = headers.get("X-Timestamp", "")
        if key is None or not timestamp.isdecimal() or abs(int(timestamp) - time.time()) > 300:
            raise exceptions.AuthenticationFailed
        if not hmac.compare_digest(sign(key.secret, timestamp, request.path, request.body), headers.get("X-Signature", "")):
            raise exceptions.AuthenticationFailed
        return key, None


class PurchaseView(APIView):
    authentication_classes = [Signature]

    def post(self, request: Request) -> Response:
        serializer = PurchaseSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        asked = serializer.validated_data
        with transaction.atomic():
            player, _ = Player.objects.get_or_create(external_id=asked["playerExternalId"])
            played = Round.objects.filter(player=player, client_action_id=asked["clientActionId"]).first()
            if played is None:
                played, call = self.intend(player, asked)
            else:
                call = None
        if call is not None:
            self.settle(played, call, self.debit(player, call))
        return Response({"round": RoundSerializer(played).data, "balanceAfterMinor": played.balance_after_minor})

    def intend(self, player: Player, asked: dict[str, Any]) -> tuple[Round, WalletCall]:
        versions = [reel["boxVersionId"] for reel in asked["reels"]]
        played = Round(
            player=player,
            client_action_id=asked["clientActionId"],
            currency=versions[0].currency,
            bet_minor=sum(version.price_minor for version in versions),
            purchased_at=timezone.now(),
        )
        played.save()
        for reel, version in zip(asked["reels"], versions, strict=True):
            Reel(round=played, reel_index=reel["reelIndex"], version=version).save()
        call = WalletCall(round=played, idempotency_key=f"round:{played.id}", amount_minor=played.bet_minor)
        call.save()
        return played, call

    def debit(self, player: Player, call: WalletCall) -> requests.Response:
        body = {
            "type": "wallet.debit",
            "idempotencyKey": call.idempotency_key,
            "playerExternalId": player.external_id,
            "amountMinor": call.amount_minor,
            "currency": call.round.currency,
            "reference": {"reason": "purchase", "roundPublicId": str(call.round_id), "mode": "open"},
        }
        raw = requests.Request("POST", "http://wallet", json=body).prepare().body
        assert isinstance(raw, bytes)
        timestamp = str(int(time.time()))
        return requests.post(
            f"http://{setting.wallet_host}:{setting.wallet_port}{setting.wallet_path}",
            data=raw,
            headers={
                "Content-Type": "application/json",
                "X-Timestamp": timestamp,
                "X-Signature": sign(setting.outbound_secret, timestamp, setting.wallet_path, raw),
                "Idempotency-Key": call.idempotency_key,
            },
            timeout=10,
        )

    def settle(self, played: Round, call: WalletCall, answer: requests.Response) -> None:
        accepted = answer.json()
        with transaction.atomic():
            locked = Round.objects.select_for_update().get(pk=played.pk)
            WalletAttempt(call=call, http_status=answer.status_code, excerpt=answer.text, started_at=timezone.now()).save()
            call.state = "accepted"
            call.provider_txn_ref = accepted["providerTxnRef"]
            call.save()
            seed, _ = SeedPair.objects.select_for_update().get_or_create(
                player=locked.player, defaults={"server_seed": uuid.uuid4().hex * 2, "client_seed": uuid.uuid4().hex}
            )
            payout = 0
            for reel in locked.reels.all():
                reel.roll, reel.prize = draw(seed, reel)
                reel.save()
                payout += reel.prize.value_minor
                InventoryItem(
                    player=locked.player,
                    round=locked,
                    item_id=reel.prize.item_id,
                    name=reel.prize.name,
                    currency=locked.currency,
                    value_minor=reel.prize.value_minor,
                ).save()
            locked.nonce = seed.next_nonce
            seed.next_nonce += 1
            seed.save()
            locked.state = "settled"
            locked.payout_minor = payout
            locked.balance_after_minor = accepted["balanceAfterMinor"]
            locked.settled_at = timezone.now()
            locked.save()
            event = Event(type="round_settled", body={"round": RoundSerializer(locked).data})
            event.save()
            Delivery(event=event, next_attempt_at=timezone.now()).save()
        played.refresh_from_db()


def draw(seed: SeedPair, reel: Reel) -> tuple[int, Prize]:
    prizes = list(reel.version.prizes.all())
    message = f"{seed.client_seed}:{seed.next_nonce}:{reel.reel_index}:{reel.version.snapshot_hash}:0"
    number = int(hmac.new(seed.server_seed.encode(), message.encode(), hashlib.sha256).hexdigest(), 16)
    roll = left = number % sum(prize.weight for prize in prizes)
    for prize in prizes:
        if left < prize.weight:
            return roll, prize
        left -= prize.weight
    raise AssertionError


def sign(secret: str, timestamp: str, target: str, body: bytes) -> str:
    canonical = f"{timestamp}\nPOST\n{target}\n{hashlib.sha256(body).hexdigest()}"
    return hmac.new(secret.encode(), canonical.encode(), hashlib.sha256).hexdigest()


def create() -> None:
    """Make the peer's tables, with the key and the box."""
    with connection.cursor() as cursor:
        cursor.execute("CREATE SCHEMA naive")
    with connection.schema_editor() as editor:
        for table in TABLES:
            editor.create_model(table)
    ApiKey(key_id=setting.key_id, secret=setting.secret).save()
    version = BoxVersion(
        id=setting.version_id,
        price_minor=setting.price_minor,
        currency=setting.currency,
        snapshot_hash=setting.snapshot_hash,
    )
    version.save()
    for prize in setting.prizes:
        Prize(
            id=prize.prize_id,
            version=version,
            item_id=prize.item_id,
            name=prize.name,
            value_minor=prize.value_minor,
            weight=prize.weight,
        ).save()


urlpatterns = [path("api/s2s/purchase", PurchaseView.as_view())]
application = get_wsgi_application()

if __name__ == "__main__":
    create()
