//! Hands the events of each commit of one gid to those who watch it, from memory, so that nobody polls the store, and to
//! the log. Costs nothing while nobody watches and the log wants none. Must not know the store, nor who watches.

use super::journal;
use crate::history::entity::event;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use tokio::sync::broadcast;

/// Commits that a watcher may be behind before it has to read the store: what bounds the memory of a slow one.
const BACKLOG: usize = 16;

/// The events of one commit, shared by all who watch; `None` = the store has them, and only the store.
pub type News = Option<Arc<[event::Model]>>;

/// What is told of a commit once it is made.
#[derive(Debug, Default)]
pub struct Told {
    news: News,
    lines: Vec<event::Model>,
}

/// What the newest commits of one gid held. Lives as long as somebody listens.
#[derive(Debug, Default)]
pub struct Feed(Mutex<Weak<broadcast::Sender<News>>>);

/// Hears of every commit from now on. The last one that is dropped takes the whole channel with it.
pub struct Subscription {
    heard: broadcast::Receiver<News>,
    _open: Arc<broadcast::Sender<News>>,
}

impl Feed {
    /// Listens to every commit that is told from now on.
    pub fn subscribe(&self) -> Subscription {
        let mut feed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let open = feed.upgrade().unwrap_or_else(|| {
            let made = Arc::new(broadcast::Sender::new(BACKLOG));
            *feed = Arc::downgrade(&made);
            made
        });
        Subscription { heard: open.subscribe(), _open: open }
    }

    /// A copy of events that are about to be committed, as far as anybody listens.
    #[must_use]
    pub fn copy(&self, events: &[event::Model]) -> Told {
        Told { news: self.sender().map(|_| Arc::from(events)), lines: journal::heard(events) }
    }

    /// Tells what was committed. Who began to listen after the copy was (not) made hears that the store has it.
    pub fn tell(&self, told: Told) {
        journal::write(&told.lines);
        if let Some(sender) = self.sender() {
            // Whoever listened last may be gone in this moment: then nobody is to be told.
            let _ = sender.send(told.news);
        }
    }

    fn sender(&self) -> Option<Arc<broadcast::Sender<News>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).upgrade()
    }
}

impl Subscription {
    /// The next commit. A listener that fell behind hears only that the store has what it missed.
    pub async fn next(&mut self) -> News {
        self.heard.recv().await.unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(seq: i64) -> event::Model {
        event::Model { seq, ..journal::tests::event("started", "") }
    }

    #[tokio::test]
    async fn all_who_listen_share_one_copy() {
        let feed = Feed::default();
        assert!(feed.copy(&[event(1)]).news.is_none(), "nobody listens, nothing is copied");
        let (mut one, mut two) = (feed.subscribe(), feed.subscribe());
        feed.tell(feed.copy(&[event(1), event(2)]));
        let (one, two) = (one.next().await.unwrap(), two.next().await.unwrap());
        assert!(Arc::ptr_eq(&one, &two));
        assert_eq!(one.iter().map(|event| event.seq).collect::<Vec<_>>(), [1, 2]);
    }

    #[tokio::test]
    async fn who_begins_while_a_commit_is_under_way_is_sent_to_the_store() {
        let feed = Feed::default();
        let copied = feed.copy(&[event(1)]);
        let mut late = feed.subscribe();
        feed.tell(copied);
        assert!(late.next().await.is_none());
    }

    #[tokio::test]
    async fn who_falls_behind_is_sent_to_the_store_and_then_hears_the_newest() {
        let feed = Feed::default();
        let mut slow = feed.subscribe();
        let last = i64::try_from(BACKLOG).unwrap() * 3;
        for seq in 1..=last {
            feed.tell(feed.copy(&[event(seq)]));
        }
        assert!(slow.next().await.is_none());
        let kept = last - i64::try_from(BACKLOG).unwrap() + 1;
        assert_eq!(slow.next().await.unwrap()[0].seq, kept, "no more than the backlog is kept");
    }

    #[test]
    fn the_last_listener_takes_the_channel_with_it() {
        let feed = Feed::default();
        let (one, two) = (feed.subscribe(), feed.subscribe());
        drop(one);
        assert!(feed.copy(&[event(1)]).news.is_some());
        drop(two);
        assert!(feed.sender().is_none());
        assert!(feed.copy(&[event(1)]).news.is_none());
    }
}
