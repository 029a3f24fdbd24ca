//! Every opening and closing reaches the receiver under one id with one content, and in order, whatever the receiver
//! does and whenever the sender dies.
use crate::place::{History, Place};
use crate::receiver::{Answer, KEY, Receiver};
use crate::samples::{more, started};
use amends_orchestrator::attention::{Intervals, Outbox, Sender, Trust, Webhook, event_id};
use amends_orchestrator::history::entity::notice;
use amends_orchestrator::history::{Append, Needs, Reuse};
use amends_testkit::until;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::runtime::Runtime;

const TIMEOUT: Duration = Duration::from_millis(250);
const INTERVALS: Intervals = Intervals { first: Duration::from_millis(5), cap: Duration::from_millis(40) };
/// Deliveries in flight of one sender.
const AT_ONCE: usize = 4;

crate::on_every_store!(
    each_is_told_once_and_in_order_before_a_bad_receiver,
    two_senders_share_the_work,
    what_was_sent_and_not_marked_is_sent_again,
    a_dead_receiver_is_asked_little_and_slows_nobody,
    one_that_is_never_taken_holds_up_no_other,
    what_nobody_is_told_is_forgotten,
);

pub fn key_file(folder: &Path) -> PathBuf {
    let path = folder.join("webhook-key");
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).unwrap();
    file.write_all(hex::encode(KEY).as_bytes()).unwrap();
    path
}

fn unix_us() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(now.as_micros()).unwrap()
}

/// A place with a sender's key, and what to start senders with.
struct Site {
    place: Place,
    folder: tempfile::TempDir,
    receiver: Receiver,
}

impl Site {
    async fn new(place: Place) -> Site {
        let folder = tempfile::tempdir().unwrap();
        key_file(folder.path());
        Site { place, folder, receiver: Receiver::start().await }
    }

    /// What a process does, until the task is aborted.
    async fn sender(&self) -> (Sender, History) {
        self.sender_with(INTERVALS).await
    }

    async fn sender_with(&self, intervals: Intervals) -> (Sender, History) {
        let store = self.place.store().await;
        let webhook = Webhook::new(
            &self.receiver.url,
            self.folder.path().join("webhook-key"),
            &Trust::Machine,
            TIMEOUT,
        )
        .unwrap();
        (Sender::new(Outbox::new(store), webhook, intervals, unix_us), self.place.open().await)
    }

    async fn outbox(&self) -> Outbox {
        Outbox::new(self.place.store().await)
    }
}

/// A new gid on which each of `seqs` is told; odd ones open, even ones close.
async fn told(history: &History, cause: &str, seqs: std::ops::RangeInclusive<i64>) -> Vec<String> {
    let (gid, start) = started(&format!("{cause} {}", uuid::Uuid::now_v7()), Reuse::Always);
    history.writer.append(start).await.unwrap();
    let mut ids = Vec::new();
    for seq in seqs {
        let id = event_id(&gid, seq, cause);
        let body = format!("{{\"event_id\":\"{id}\"}}");
        let notice = notice::Model {
            gid: gid.clone(),
            cause: cause.to_owned(),
            seq,
            time_us: unix_us(),
            body,
            attempts: 0,
            next_at_us: 0,
            last_error: String::new(),
        };
        let needs = Needs { gid: gid.clone(), open: Vec::new(), notices: vec![notice] };
        let append = Append { needs: Some(needs), ..more(&gid, [seq]) };
        history.writer.append(append).await.unwrap();
        ids.push(id);
    }
    ids
}

async fn each_is_told_once_and_in_order_before_a_bad_receiver(place: Place) {
    const DEEDS: usize = 12;
    let site = Site::new(place).await;
    let bad =
        [Answer::Refuse(503), Answer::TakeAndHang, Answer::Take, Answer::TakeAndVanish, Answer::Refuse(301)];
    site.receiver.will(bad.into_iter().cycle().take(30));
    let (sender, history) = site.sender().await;
    let sending = tokio::spawn(sender.run(history.writer.clone()));
    let mut all = Vec::new();
    for _ in 0..DEEDS {
        all.push(told(&history, "retries_exhausted", 2..=5).await);
    }
    site.receiver.has_taken(DEEDS * 4).await;
    let outbox = site.outbox().await;
    until("nothing is left to tell", async || (outbox.pending().await.unwrap().count == 0).then_some(()))
        .await;
    sending.abort();
    let mut expected: Vec<String> = all.iter().flatten().cloned().collect();
    expected.sort();
    assert_eq!(site.receiver.contents().into_keys().collect::<Vec<_>>(), expected);
    let sent = site.receiver.sent();
    for ids in &all {
        let first = |id: &String| sent.iter().position(|sent| sent.event_id == *id).unwrap();
        let taken = |id: &String| {
            let is_taken =
                |sent: &&crate::receiver::Sent| sent.event_id == *id && sent.answer == Answer::Take;
            sent.iter().position(|sent| is_taken(&sent)).unwrap()
        };
        let in_order = ids.windows(2).all(|pair| taken(&pair[0]) < first(&pair[1]));
        assert!(in_order, "one came before what precedes it had been taken");
    }
    let nonces: std::collections::BTreeSet<_> = sent.iter().map(|sent| &sent.nonce).collect();
    assert_eq!(nonces.len(), sent.len(), "a nonce was used twice");
    assert!(site.receiver.most_in_flight() <= AT_ONCE);
}

async fn two_senders_share_the_work(place: Place) {
    let site = Site::new(place).await;
    let (first, history) = site.sender().await;
    let (second, _) = site.sender().await;
    let mut all = Vec::new();
    for _ in 0..10 {
        all.extend(told(&history, "disagreement", 2..=3).await);
    }
    let sending = [first, second].map(|sender| tokio::spawn(sender.run(history.writer.clone())));
    site.receiver.has_taken(all.len()).await;
    sending.into_iter().for_each(|sending| sending.abort());
    assert_eq!(site.receiver.sent().len(), all.len(), "each was sent by one of both, once");
}

/// The sender's runtime is dropped while the receiver has the notice and has not answered: nothing is marked.
async fn what_was_sent_and_not_marked_is_sent_again(place: Place) {
    let site = Site::new(place).await;
    site.receiver.will([Answer::TakeAndHang]);
    let runtime = Runtime::new().unwrap();
    let history = site.place.open().await;
    let ids = told(&history, "payment_in_doubt", 2..=3).await;
    let (sender, killed) = site.sender().await;
    // Its whole store lives there.
    runtime.spawn(sender.run(killed.writer));
    site.receiver.was_sent(1).await;
    runtime.shutdown_background();
    let pending = site.outbox().await.pending().await.unwrap();
    assert_eq!((pending.count, pending.most_attempts), (2, 1));
    let (sender, again) = site.sender().await;
    let sending = tokio::spawn(sender.run(again.writer));
    site.receiver.has_taken(2).await;
    sending.abort();
    let sent: Vec<String> = site.receiver.sent().into_iter().map(|sent| sent.event_id).collect();
    assert_eq!(sent, [&ids[0], &ids[0], &ids[1]].map(Clone::clone));
    assert_eq!(site.receiver.contents().len(), 2);
}

async fn a_dead_receiver_is_asked_little_and_slows_nobody(place: Place) {
    let site = Site::new(place).await;
    site.receiver.always(Answer::TakeAndHang);
    let (sender, history) = site.sender().await;
    let sending = tokio::spawn(sender.run(history.writer.clone()));
    let began = std::time::Instant::now();
    let mut all = Vec::new();
    for _ in 0..25 {
        all.extend(told(&history, "retries_exhausted", 2..=3).await);
    }
    let took = began.elapsed();
    // 75 commits: had each waited for the receiver, they would have taken 18 s.
    assert!(took < Duration::from_secs(5), "{took:?}");
    site.receiver.was_sent(AT_ONCE + 2).await;
    assert!(site.receiver.most_in_flight() <= AT_ONCE);
    let outbox = site.outbox().await;
    let seen = until("the delay is seen", async || {
        let pending = outbox.pending().await.unwrap();
        (!pending.last_error.is_empty()).then_some(pending)
    })
    .await;
    assert_eq!((seen.count, seen.last_error.as_str()), (50, "no answer within 250 ms"));
    assert!(seen.oldest_us > 0 && seen.most_attempts > 0);
    site.receiver.always(Answer::Take);
    site.receiver.has_taken(all.len()).await;
    sending.abort();
}

/// By its ninth attempt the receiver as a whole would rest for more than a second.
async fn one_that_is_never_taken_holds_up_no_other(place: Place) {
    const WIDE: Intervals = Intervals { first: Duration::from_millis(10), cap: Duration::from_secs(600) };
    let site = Site::new(place).await;
    let (sender, history) = site.sender_with(WIDE).await;
    let bad = told(&history, "refused_after_commit", 2..=3).await;
    site.receiver.never_takes(&bad[0]);
    let sending = tokio::spawn(sender.run(history.writer.clone()));
    site.receiver.was_sent(8).await;
    let began = std::time::Instant::now();
    let good = told(&history, "refused_after_commit", 2..=3).await;
    site.receiver.has_taken(good.len()).await;
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    sending.abort();
    assert_eq!(site.receiver.taken(), good.into_iter().collect());
    let sent = site.receiver.sent();
    assert!(sent.iter().all(|sent| sent.event_id != bad[1]), "its closing waits behind it");
}

async fn what_nobody_is_told_is_forgotten(place: Place) {
    let site = Site::new(place).await;
    let history = site.place.open().await;
    told(&history, "a", 2..=4).await;
    let outbox = site.outbox().await;
    assert_eq!(outbox.forget(Duration::from_secs(60)).await.unwrap(), 0);
    assert_eq!(outbox.forget(Duration::ZERO).await.unwrap(), 3);
    assert_eq!(outbox.next_due().await.unwrap(), None);
}
