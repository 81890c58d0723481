//! A websocket that is connected again when it breaks.
//!
//! A connection can be dead without being closed: then nothing arrives, and nothing says so. So when it has been silent for a
//! while, the node is asked something, and an answer that does not come ends the connection like an error does.

use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use solana_pubsub_client::nonblocking::pubsub_client::PubsubClient;
use solana_pubsub_client::pubsub_client::PubsubClientError;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use super::RpcError;
use super::stream::{Subscription, Update};

/// Updates that may wait for a slow reader before the connection's own queue takes them.
const QUEUE: usize = 1_024;

/// How long to wait, and for what.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// For an answer.
    answer: Duration,
    /// Before the node is asked, when the connection is silent.
    silence: Duration,
    /// Before connecting again: at first, then twice as long after each failure.
    first_back_off: Duration,
    /// The longest of these.
    last_back_off: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            answer: Duration::from_secs(10),
            silence: Duration::from_secs(15),
            first_back_off: Duration::from_millis(100),
            last_back_off: Duration::from_secs(10),
        }
    }
}

/// What a node sends on a subscription.
pub(super) type Notices<'a, T> = Result<BoxStream<'a, T>, PubsubClientError>;

/// Something to subscribe to.
pub(super) trait Subscribe: Send + Sync + 'static {
    type Notice: Send + 'static;

    fn subscribe<'a>(&'a self, socket: &'a PubsubClient) -> BoxFuture<'a, Notices<'a, Self::Notice>>;
}

struct Follower<S, F, T> {
    url: String,
    patience: Patience,
    wanted: S,
    read: F,
    updates: mpsc::Sender<Update<T>>,
}

/// Connects, subscribes, and keeps doing so. `read` gives slot and value of a notice, `None` for one to leave out.
pub(super) async fn follow<S, F, T>(
    (url, patience): (&str, Patience),
    wanted: S,
    read: F,
) -> Result<Subscription<T>, RpcError>
where
    S: Subscribe,
    F: FnMut(S::Notice) -> Option<(u64, T)> + Send + 'static,
    T: Send + 'static,
{
    let (updates, receiver) = mpsc::channel(QUEUE);
    let (ready, standing) = tokio::sync::oneshot::channel();
    let mut follower = Follower { url: url.to_string(), patience, wanted, read, updates };
    let task = tokio::spawn(async move { follower.run(ready).await });
    let subscription = Subscription::new(receiver, task);
    match standing.await {
        Ok(Ok(())) => Ok(subscription),
        Ok(Err(error)) => Err(error),
        Err(_) => Err(RpcError::WebsocketTimeout(patience.answer.as_secs())),
    }
}

type Ready = tokio::sync::oneshot::Sender<Result<(), RpcError>>;

/// How a connection ended.
enum End {
    /// Nobody listens any more.
    Unwanted,
    /// It broke, after it had stood or before.
    Broken { stood: bool, error: Option<RpcError> },
}

impl<S, F, T> Follower<S, F, T>
where
    S: Subscribe,
    F: FnMut(S::Notice) -> Option<(u64, T)> + Send + 'static,
    T: Send + 'static,
{
    async fn run(&mut self, ready: Ready) {
        let Patience { answer, first_back_off, last_back_off, .. } = self.patience;
        let (mut ready, mut wait) = (Some(ready), first_back_off);
        loop {
            match self.connection(&mut ready).await {
                End::Unwanted => return,
                End::Broken { stood, error } => {
                    if let Some(ready) = ready.take() {
                        let error = error.unwrap_or(RpcError::WebsocketTimeout(answer.as_secs()));
                        let _ = ready.send(Err(error));
                        return;
                    }
                    wait = if stood { first_back_off } else { (wait * 2).min(last_back_off) };
                }
            }
            sleep(wait).await;
        }
    }

    /// One connection, until it breaks.
    async fn connection(&mut self, ready: &mut Option<Ready>) -> End {
        let socket = match in_time(self.patience, PubsubClient::new(self.url.as_str())).await {
            Ok(socket) => socket,
            Err(error) => return End::Broken { stood: false, error: Some(error) },
        };
        let mut notices = match in_time(self.patience, self.wanted.subscribe(&socket)).await {
            Ok(notices) => notices,
            Err(error) => return End::Broken { stood: false, error: Some(error) },
        };
        match ready.take() {
            Some(ready) => drop(ready.send(Ok(()))),
            None if self.updates.send(Update::Reconnected).await.is_err() => return End::Unwanted,
            None => {}
        }
        loop {
            match timeout(self.patience.silence, notices.next()).await {
                Ok(Some(notice)) => {
                    if let Some((slot, value)) = (self.read)(notice)
                        && self.updates.send(Update::Item { slot, value }).await.is_err()
                    {
                        return End::Unwanted;
                    }
                }
                Err(_) if answers(&socket, self.patience.answer).await => {}
                Ok(None) | Err(_) => return End::Broken { stood: true, error: None },
            }
        }
    }
}

async fn in_time<T>(
    patience: Patience,
    answer: impl Future<Output = Result<T, PubsubClientError>>,
) -> Result<T, RpcError> {
    match timeout(patience.answer, answer).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(RpcError::WebsocketTimeout(patience.answer.as_secs())),
    }
}

/// Whether the node answers at all: a refusal is an answer, too.
async fn answers(socket: &PubsubClient, wait: Duration) -> bool {
    match timeout(wait, socket.slot_subscribe()).await {
        Ok(Ok((slots, end))) => {
            drop(slots);
            timeout(wait, end()).await.is_ok()
        }
        Ok(Err(PubsubClientError::SubscribeFailed { .. })) => true,
        Ok(Err(_)) | Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use futures_util::SinkExt;
    use serde_json::{Value, json};
    use solana_clock::Slot;
    use tokio::net::{TcpListener, TcpStream};
    use tokio_tungstenite::tungstenite::Message;
    use tokio_tungstenite::{WebSocketStream, accept_async};

    use super::*;

    struct Roots;

    impl Subscribe for Roots {
        type Notice = Slot;

        fn subscribe<'a>(&'a self, socket: &'a PubsubClient) -> BoxFuture<'a, Notices<'a, Slot>> {
            Box::pin(async { Ok(socket.root_subscribe().await?.0) })
        }
    }

    /// A node's side of one connection.
    struct Served(WebSocketStream<TcpStream>);

    impl Served {
        async fn accept(listener: &TcpListener) -> Self {
            Self(accept_async(listener.accept().await.unwrap().0).await.unwrap())
        }

        async fn asked(&mut self, method: &str) -> Value {
            loop {
                if let Message::Text(text) = self.0.next().await.unwrap().unwrap() {
                    let request: Value = serde_json::from_str(&text).unwrap();
                    assert_eq!(request["method"], method);
                    return request["id"].clone();
                }
            }
        }

        async fn say(&mut self, what: Value) {
            self.0.send(Message::text(what.to_string())).await.unwrap();
        }

        async fn grant(&mut self, method: &str, subscription: u64) {
            let id = self.asked(method).await;
            self.say(json!({ "jsonrpc": "2.0", "id": id, "result": subscription })).await;
        }

        async fn notify(&mut self, slot: Slot) {
            let params = json!({ "subscription": 7, "result": slot });
            self.say(json!({ "jsonrpc": "2.0", "method": "rootNotification", "params": params })).await;
        }
    }

    async fn listener() -> (TcpListener, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("ws://{}", listener.local_addr().unwrap());
        (listener, url)
    }

    fn patience() -> Patience {
        let (answer, silence) = (Duration::from_secs(5), Duration::from_secs(60));
        let (first_back_off, last_back_off) = (Duration::from_millis(1), Duration::from_millis(8));
        Patience { answer, silence, first_back_off, last_back_off }
    }

    async fn roots(url: &str, patience: Patience) -> Result<Subscription<()>, RpcError> {
        follow((url, patience), Roots, |slot| Some((slot, ()))).await
    }

    fn root(slot: u64) -> Option<Update<()>> {
        Some(Update::Item { slot, value: () })
    }

    #[tokio::test]
    async fn a_broken_connection_is_made_again_and_says_so() {
        let (listener, url) = listener().await;
        let node = tokio::spawn(async move {
            for (slot, subscription) in [(10, 7), (20, 7)] {
                let mut served = Served::accept(&listener).await;
                served.grant("rootSubscribe", subscription).await;
                served.notify(slot).await;
            }
            // Connections that break before they stand are tried again, too.
            drop(listener.accept().await.unwrap());
            let mut served = Served::accept(&listener).await;
            served.grant("rootSubscribe", 7).await;
            served.notify(30).await;
            served
        });
        let mut roots = roots(&url, patience()).await.unwrap();
        assert_eq!(roots.next().await, root(10));
        for slot in [20, 30] {
            assert_eq!(roots.next().await, Some(Update::Reconnected));
            assert_eq!(roots.next().await, root(slot));
        }
        drop(node.await.unwrap());
    }

    #[tokio::test]
    async fn a_silent_connection_stays_while_the_node_answers_and_ends_when_it_does_not() {
        let (listener, url) = listener().await;
        let node = tokio::spawn(async move {
            let mut first = Served::accept(&listener).await;
            first.grant("rootSubscribe", 7).await;
            first.grant("slotSubscribe", 8).await;
            first.grant("slotUnsubscribe", 8).await;
            first.notify(10).await;
            // Deaf from here on, but open.
            let mut second = Served::accept(&listener).await;
            second.grant("rootSubscribe", 7).await;
            second.notify(20).await;
            (first, second)
        });
        let short = Duration::from_millis(100);
        let mut roots =
            roots(&url, Patience { answer: short * 30, silence: short, ..patience() }).await.unwrap();
        assert_eq!(roots.next().await, root(10));
        assert_eq!(roots.next().await, Some(Update::Reconnected));
        assert_eq!(roots.next().await, root(20));
        drop(node.await.unwrap());
    }

    #[tokio::test]
    async fn a_first_connection_that_fails_is_an_error() {
        let (listener, url) = listener().await;
        drop(listener);
        assert!(matches!(roots(&url, patience()).await, Err(RpcError::Websocket(_))));
        assert!(matches!(roots("not a url", patience()).await, Err(RpcError::Websocket(_))));
    }

    #[tokio::test]
    async fn dropping_a_subscription_closes_its_connection() {
        let (listener, url) = listener().await;
        let node = tokio::spawn(async move {
            let mut served = Served::accept(&listener).await;
            served.grant("rootSubscribe", 7).await;
            while let Some(Ok(_)) = served.0.next().await {}
        });
        drop(roots(&url, patience()).await.unwrap());
        node.await.unwrap();
    }
}
