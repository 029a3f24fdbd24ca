//! One address for the relays of several replicas, as a name with several addresses or a load balancer would be: each
//! connection goes to the next one that takes it. DTM stores this address for ever.
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A running splitter; dropping it ends it.
pub struct Splitter {
    pub address: SocketAddr,
    task: JoinHandle<()>,
}

impl Splitter {
    /// In front of `relays`.
    pub async fn start(relays: [SocketAddr; 2]) -> Splitter {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let next = AtomicUsize::new(0);
        let task = tokio::spawn(async move {
            loop {
                let (caller, _) = listener.accept().await.unwrap();
                tokio::spawn(splice(caller, relays, next.fetch_add(1, Ordering::SeqCst)));
            }
        });
        Splitter { address, task }
    }
}

impl Drop for Splitter {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn splice(mut caller: TcpStream, relays: [SocketAddr; 2], first: usize) {
    for offset in 0..relays.len() {
        if let Ok(mut relay) = TcpStream::connect(relays[(first + offset) % relays.len()]).await {
            caller.set_nodelay(true).unwrap();
            relay.set_nodelay(true).unwrap();
            // Either end may break: that is what these tests are about.
            let _ = tokio::io::copy_bidirectional(&mut caller, &mut relay).await;
            return;
        }
    }
}
