//! An order that is about to be started: what it says, what will go wrong with it. Knows no outcome.
use crate::patience::Must as _;
use crate::proxy::{Fault, On};
use crate::shop::{CARD_PART, EARN_BP, POINTS_PART, POT, Shop, TEA, WALLET_PART, usd};
use crate::story::Story;
use amends_proto::amends::v1::{Mode, StartRequest, StartResponse};
use amends_proto::pay::checkout::v1::{Card, CheckoutInput, Line};
use amends_proto::pay::psp::v1::ScriptRequest;
use prost::Message as _;
use prost_types::Any;
use tonic::{Request, Status};

/// Full name of the input's type.
const INPUT: &str = "type.googleapis.com/pay.checkout.v1.CheckoutInput";

/// A checkout that nobody has started yet.
#[derive(Clone)]
pub struct Checkout<'s, 'w> {
    /// Where.
    pub shop: &'s Shop<'w>,
    /// What is asked for.
    pub request: StartRequest,
    /// Its input.
    pub input: CheckoutInput,
    caller: String,
    traceparent: String,
}

impl<'s, 'w> Checkout<'s, 'w> {
    pub(crate) fn new(shop: &'s Shop<'w>, mode: Mode, out_trade_no: String) -> Self {
        let line = |sku: &str, (quantity, price)| Line {
            sku: sku.to_owned(),
            quantity,
            unit_price: Some(usd(price)),
        };
        let input = CheckoutInput {
            order_id: uuid::Uuid::now_v7().to_string(),
            merchant_id: shop.merchant.clone(),
            out_trade_no: out_trade_no.clone(),
            user_id: shop.user.clone(),
            lines: vec![line(&shop.tea, TEA), line(&shop.pot, POT)],
            total: Some(usd(WALLET_PART + POINTS_PART + CARD_PART)),
            wallet: Some(usd(WALLET_PART)),
            points: POINTS_PART,
            points_value: Some(usd(POINTS_PART)),
            card: Some(Card {
                psp: "sim".to_owned(),
                method: "card".to_owned(),
                card_token: "tok_ok".to_owned(),
                card_fingerprint: format!("fp-{}", shop.user),
            }),
            earn_bp: EARN_BP,
            pay_ttl_s: 0,
        };
        let request = StartRequest {
            request_id: out_trade_no,
            business_key: String::new(),
            definition: "checkout".to_owned(),
            mode: mode.into(),
            input: None,
            wait_ms: 0,
        };
        Checkout { shop, request, input, caller: String::new(), traceparent: String::new() }
    }

    /// Names the order; also the key of all faults that are this story's own.
    #[must_use]
    pub fn order_id(&self) -> &str {
        &self.input.order_id
    }

    /// Pays with another card; its ending says how the PSP behaves.
    #[must_use]
    pub fn card(mut self, card_token: &str) -> Self {
        if let Some(card) = &mut self.input.card {
            card_token.clone_into(&mut card.card_token);
        }
        self
    }

    /// Asks under another request id.
    #[must_use]
    pub fn request_id(mut self, request_id: &str) -> Self {
        request_id.clone_into(&mut self.request.request_id);
        self
    }

    /// Asks in somebody else's name.
    #[must_use]
    pub fn caller(mut self, caller: &str) -> Self {
        caller.clone_into(&mut self.caller);
        self
    }

    /// Asks from there in a trace.
    #[must_use]
    pub fn traceparent(mut self, traceparent: &str) -> Self {
        traceparent.clone_into(&mut self.traceparent);
        self
    }

    /// Waits so long for the end when starting.
    #[must_use]
    pub fn wait_ms(mut self, wait_ms: i32) -> Self {
        self.request.wait_ms = wait_ms;
        self
    }

    /// Breaks every call of `method`.
    #[must_use]
    pub fn each(self, method: &str, fault: Fault) -> Self {
        self.shop.world.script().set(On::each(method, self.order_id()), fault);
        self
    }

    /// Breaks the first call of `method`.
    #[must_use]
    pub fn first(self, method: &str, fault: Fault) -> Self {
        self.shop.world.script().set(On::first(method, self.order_id()), fault);
        self
    }

    /// Tells the PSP how to behave at `op` of this order.
    ///
    /// # Panics
    /// If the PSP does not understand it.
    pub async fn psp(self, op: &str, behaviour: &str) -> Self {
        script_psp(self.shop, self.order_id(), op, behaviour).await;
        self
    }

    /// Starts it.
    ///
    /// # Errors
    /// As the orchestrator answers.
    pub async fn try_start(&self) -> Result<StartResponse, Status> {
        let value = self.input.encode_to_vec();
        let input = Some(Any { type_url: INPUT.to_owned(), value });
        let mut request = Request::new(StartRequest { input, ..self.request.clone() });
        if !self.caller.is_empty() {
            let caller = self.caller.parse().must("a caller's name");
            request.metadata_mut().insert("amends-caller", caller);
        }
        if !self.traceparent.is_empty() {
            request.metadata_mut().insert("traceparent", self.traceparent.parse().must("a traceparent"));
        }
        Ok(self.shop.world.clients().transactions.start(request).await?.into_inner())
    }

    /// Starts it.
    ///
    /// # Panics
    /// If the orchestrator refuses.
    pub async fn start(&self) -> Story<'s, 'w> {
        let started = self.try_start().await.must("start a checkout");
        self.story(started.gid)
    }

    /// The story of the global transaction that runs this checkout.
    #[must_use]
    pub fn story(&self, gid: String) -> Story<'s, 'w> {
        Story { shop: self.shop, gid, order_id: self.order_id().to_owned() }
    }
}

pub(crate) async fn script_psp(shop: &Shop<'_>, order_id: &str, op: &str, behaviour: &str) {
    let script = ScriptRequest {
        order_id: order_id.to_owned(),
        op: op.to_owned(),
        behaviour: behaviour.to_owned(),
        ..ScriptRequest::default()
    };
    shop.world.clients().psp.script(script).await.must("script the PSP");
}
