//! What the kit cannot work with is told before anything is called.
use crate::participant::Flaw;
use crate::server::{Reflection, Server, tcc};
use amends_conform::{Config, ConformError, Form, Template};

async fn refused(config: Config) -> ConformError {
    let mut told = 0;
    let error = amends_conform::run(config, |_| told += 1).await.unwrap_err();
    assert_eq!(told, 0, "nothing was judged: {error}");
    error
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_names_are_told_with_those_that_there_are() {
    let server = Server::start(Flaw::None, Reflection::V1).await;
    let form = Form::Saga { action: "Deduct".into(), compensate: "Return".into() };
    let error = refused(server.config(form)).await;
    assert!(matches!(&error, ConformError::Method { known, .. } if known.contains("ReturnStock")), "{error}");
    assert!(error.is_usage());
    let service = "pay.inventory.v1.Inventory".to_owned();
    let error = refused(Config { service: service.clone(), ..server.config(tcc()) }).await;
    assert!(matches!(error, ConformError::Service { .. }), "{error}");
    let descriptors = Some(amends_proto::DESCRIPTORS.to_vec());
    let error = refused(Config { service, descriptors, ..server.config(tcc()) }).await;
    assert!(
        matches!(&error, ConformError::Service { known, .. } if known.contains("InventoryService")),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payload_that_does_not_fit_is_told_with_what_does_not() {
    let server = Server::start(Flaw::None, Reflection::V1).await;
    let payload = Template::parse(r#"{"reservation_nr": "${uuid}"}"#).unwrap();
    let error = refused(Config { payload, ..server.config(tcc()) }).await;
    assert!(error.to_string().contains("reservation_nr") && error.is_usage(), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_is_away_or_tells_nothing_is_told() {
    let silent = Server::start(Flaw::None, Reflection::None).await;
    let error = refused(silent.config(tcc())).await;
    assert!(matches!(error, ConformError::NoReflection { .. }), "{error}");
    assert!(error.to_string().contains("offers no reflection (UNIMPLEMENTED)"), "{error}");
    // Nobody listens where this was bound and closed again.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = refused(Config { target: free.to_string(), ..silent.config(tcc()) }).await;
    assert!(matches!(error, ConformError::Unreachable { .. }) && !error.is_usage(), "{error}");
    let error = refused(Config { target: "no address".to_owned(), ..silent.config(tcc()) }).await;
    assert!(matches!(error, ConformError::Target(_)), "{error}");
}
