"""Stocks some tea, starts a checkout, waits for its end, and asks for it again."""

import os
import sys
import uuid

import grpc
from google.protobuf import any_pb2

from amends.v1 import plan_pb2 as plan
from amends.v1 import transactions_pb2 as tx
from amends.v1 import transactions_pb2_grpc as tx_grpc
from pay.checkout.v1 import checkout_pb2 as checkout
from pay.inventory.v1 import inventory_pb2 as inventory
from pay.inventory.v1 import inventory_pb2_grpc as inventory_grpc
from pay.money.v1 import money_pb2 as money

TARGET = os.environ.get("AMENDS_TARGET", "127.0.0.1:7400")
INVENTORY = os.environ.get("INVENTORY", "127.0.0.1:7413")
CALLER = [("amends-caller", "tutorial")]  # request ids are unique for a caller


def usd(minor_units):
    return money.Money(minor_units=minor_units, currency="USD")


def main():
    stock = inventory_grpc.InventoryServiceStub(grpc.insecure_channel(INVENTORY))
    number = uuid.uuid4().hex
    stock.Restock(inventory.RestockRequest(sku="tea", quantity=10, idempotency_key=number))

    order = checkout.CheckoutInput(
        merchant_id="tutorial",
        out_trade_no=number,
        user_id="alice",
        lines=[checkout.Line(sku="tea", quantity=1, unit_price=usd(500))],
        total=usd(500),
        card=checkout.Card(psp="sim", method="card", card_token="tok_ok"),
    )
    payload = any_pb2.Any()
    payload.Pack(order)
    request = tx.StartRequest(
        request_id=number,
        definition="checkout",
        mode=plan.MODE_SAGA,
        input=payload,
        wait_ms=30_000,
    )
    amends = tx_grpc.TransactionsStub(grpc.insecure_channel(TARGET))
    try:
        started = amends.Start(request, metadata=CALLER, timeout=60)
        again = amends.Start(request, metadata=CALLER, timeout=60)
    except grpc.RpcError as error:  # UNAVAILABLE: the same request may be sent again, it starts nothing twice
        sys.exit(f"{error.code().name}: {error.details()}")
    print(started.gid, tx.Status.Name(started.status), started.reason)
    assert again.gid == started.gid and again.existing

    for event in amends.Watch(tx.WatchRequest(gid=started.gid), metadata=CALLER, timeout=60):
        print(event.seq, event.kind, event.branch_id, event.op)


if __name__ == "__main__":
    main()
