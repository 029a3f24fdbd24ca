package tutorial;

import amends.v1.PlanOuterClass.Mode;
import amends.v1.TransactionsGrpc;
import amends.v1.TransactionsOuterClass.StartRequest;
import amends.v1.TransactionsOuterClass.WatchRequest;
import com.google.protobuf.Any;
import io.grpc.Channel;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.StatusRuntimeException;
import io.grpc.stub.MetadataUtils;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.TimeUnit;
import pay.checkout.v1.Checkout.Card;
import pay.checkout.v1.Checkout.CheckoutInput;
import pay.checkout.v1.Checkout.Line;
import pay.inventory.v1.Inventory.RestockRequest;
import pay.inventory.v1.InventoryServiceGrpc;
import pay.money.v1.MoneyOuterClass.Money;

/** Stocks some tea, starts a checkout, waits for its end, and asks for it again. */
public final class Start {
    public static void main(String[] arguments) throws InterruptedException {
        var inventory = connect(address("INVENTORY", "127.0.0.1:7413"));
        var amends = connect(address("AMENDS_TARGET", "127.0.0.1:7400"));
        var number = UUID.randomUUID().toString();
        var failed = false;
        try {
            stock(inventory, number);
            checkout(amends, number);
        } catch (StatusRuntimeException error) {
            // UNAVAILABLE: the same request may be sent again, it starts nothing twice.
            System.err.println(error.getStatus().getCode() + ": " + error.getStatus().getDescription());
            failed = true;
        } finally {
            for (var channel : List.of(inventory, amends)) {
                channel.shutdown().awaitTermination(5, TimeUnit.SECONDS);
            }
        }
        if (failed) {
            System.exit(1);
        }
    }

    private static void stock(Channel inventory, String number) {
        var tea = RestockRequest.newBuilder().setSku("tea").setQuantity(10).setIdempotencyKey(number).build();
        InventoryServiceGrpc.newBlockingStub(inventory).withDeadlineAfter(60, TimeUnit.SECONDS).restock(tea);
    }

    private static void checkout(Channel channel, String number) {
        var order = CheckoutInput.newBuilder()
            .setMerchantId("tutorial")
            .setOutTradeNo(number)
            .setUserId("alice")
            .addLines(Line.newBuilder().setSku("tea").setQuantity(1).setUnitPrice(usd(500)))
            .setTotal(usd(500))
            .setCard(Card.newBuilder().setPsp("sim").setMethod("card").setCardToken("tok_ok"))
            .build();
        var request = StartRequest.newBuilder()
            .setRequestId(number)
            .setDefinition("checkout")
            .setMode(Mode.MODE_SAGA)
            .setInput(Any.pack(order))
            .setWaitMs(30_000)
            .build();
        var caller = new Metadata(); // request ids are unique for a caller
        caller.put(Metadata.Key.of("amends-caller", Metadata.ASCII_STRING_MARSHALLER), "tutorial");
        var amends = TransactionsGrpc.newBlockingStub(channel)
            .withInterceptors(MetadataUtils.newAttachHeadersInterceptor(caller))
            .withDeadlineAfter(60, TimeUnit.SECONDS); // of all that follows
        var started = amends.start(request);
        var again = amends.start(request);
        System.out.printf("%s %s %s%n", started.getGid(), started.getStatus(), started.getReason());
        if (!again.getGid().equals(started.getGid()) || !again.getExisting()) {
            throw new IllegalStateException("another answer to the same request: " + again);
        }

        var events = amends.watch(WatchRequest.newBuilder().setGid(started.getGid()).build());
        events.forEachRemaining(event ->
            System.out.printf("%d %s %s %s%n", event.getSeq(), event.getKind(), event.getBranchId(), event.getOp()));
    }

    private static Money usd(long minorUnits) {
        return Money.newBuilder().setMinorUnits(minorUnits).setCurrency("USD").build();
    }

    private static ManagedChannel connect(String address) {
        return Grpc.newChannelBuilder(address, InsecureChannelCredentials.create()).build();
    }

    private static String address(String name, String otherwise) {
        var value = System.getenv(name);
        return value == null || value.isEmpty() ? otherwise : value;
    }
}
