// Stocks some tea, starts a checkout, waits for its end, and asks for it again.
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"os"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/types/known/anypb"

	amends "start/gen/amends/v1"
	checkout "start/gen/pay/checkout/v1"
	inventory "start/gen/pay/inventory/v1"
	money "start/gen/pay/money/v1"
)

func address(name, otherwise string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return otherwise
}

func connect(address string) *grpc.ClientConn {
	connection, err := grpc.Dial(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		log.Fatal(err)
	}
	return connection
}

func usd(minorUnits int64) *money.Money {
	return &money.Money{MinorUnits: minorUnits, Currency: "USD"}
}

func main() {
	// Request ids are unique for a caller.
	ctx := metadata.AppendToOutgoingContext(context.Background(), "amends-caller", "tutorial")
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	number := fmt.Sprintf("go-%d", time.Now().UnixNano())

	stock := inventory.NewInventoryServiceClient(connect(address("INVENTORY", "127.0.0.1:7413")))
	tea := &inventory.RestockRequest{Sku: "tea", Quantity: 10, IdempotencyKey: number}
	if _, err := stock.Restock(ctx, tea); err != nil {
		log.Fatal(err)
	}

	input, err := anypb.New(&checkout.CheckoutInput{
		MerchantId: "tutorial",
		OutTradeNo: number,
		UserId:     "alice",
		Lines:      []*checkout.Line{{Sku: "tea", Quantity: 1, UnitPrice: usd(500)}},
		Total:      usd(500),
		Card:       &checkout.Card{Psp: "sim", Method: "card", CardToken: "tok_ok"},
	})
	if err != nil {
		log.Fatal(err)
	}
	request := &amends.StartRequest{
		RequestId:  number,
		Definition: "checkout",
		Mode:       amends.Mode_MODE_TCC,
		Input:      input,
		WaitMs:     30_000,
	}
	client := amends.NewTransactionsClient(connect(address("AMENDS_TARGET", "127.0.0.1:7400")))
	started, err := client.Start(ctx, request)
	if err != nil {
		log.Fatal(err) // UNAVAILABLE: the same request may be sent again, it starts nothing twice
	}
	fmt.Println(started.Gid, started.Status, started.Reason)
	if again, err := client.Start(ctx, request); err != nil || again.Gid != started.Gid || !again.Existing {
		log.Fatal("another answer to the same request: ", again, err)
	}

	events, err := client.Watch(ctx, &amends.WatchRequest{Gid: started.Gid})
	if err != nil {
		log.Fatal(err)
	}
	for {
		event, err := events.Recv()
		if err == io.EOF {
			return
		}
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(event.Seq, event.Kind, event.BranchId, event.Op)
	}
}
