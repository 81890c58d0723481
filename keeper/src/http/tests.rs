//! What the pages answer, over a socket.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;

use super::*;
use crate::config::Config;

fn healthy() -> Health {
    let health = Health::new(&Config::default());
    health.set_synced(true);
    health.heard_clock(1, 1_000);
    health
}

fn names(problems: &[Problem]) -> Vec<&str> {
    problems.iter().map(|problem| problem.name.as_str()).collect()
}

struct Server {
    address: SocketAddr,
    health: Arc<Health>,
    stop: oneshot::Sender<()>,
}

async fn server(health: Health) -> Server {
    let (health, metrics) = (Arc::new(health), Arc::new(Metrics::new().unwrap()));
    let (stop, stopped) = oneshot::channel();
    let anywhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let stopped = async { drop(stopped.await) };
    let address = serve(anywhere, metrics, health.clone(), stopped).await.unwrap();
    Server { address, health, stop }
}

async fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: keeper\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn metrics_are_served_as_text() {
    let server = server(healthy()).await;
    let answer = get(server.address, "/metrics").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.contains("content-type: text/plain; version=0.0.4"), "{answer}");
    assert!(answer.contains("\nbulwark_keeper_synced 0\n"), "{answer}");
    assert!(get(server.address, "/").await.starts_with("HTTP/1.1 404"));
}

#[tokio::test]
async fn health_is_ok_or_a_list_of_what_is_wrong() {
    let server = server(healthy()).await;
    let answer = get(server.address, "/healthz").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\nok\n"), "{answer}");

    server.health.set_lamports(5);
    server.health.problem("custom", Some("of somebody else".into()));
    let answer = get(server.address, "/healthz").await;
    assert!(answer.starts_with("HTTP/1.1 503 Service Unavailable\r\n"), "{answer}");
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    let problems: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(problems[0], serde_json::json!({ "name": "custom", "text": "of somebody else" }));
    assert_eq!(problems[1]["name"], "lamports");
}

#[tokio::test]
async fn it_stops_when_it_is_told_to() {
    let server = server(healthy()).await;
    assert!(TcpStream::connect(server.address).await.is_ok());
    server.stop.send(()).unwrap();
    while TcpStream::connect(server.address).await.is_ok() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn an_address_that_is_taken_is_named() {
    let server = server(healthy()).await;
    let (metrics, health) = (Arc::new(Metrics::new().unwrap()), Arc::new(healthy()));
    let error = serve(server.address, metrics, health, std::future::pending()).await.unwrap_err();
    assert!(error.to_string().contains(&server.address.to_string()), "{error}");
}

#[test]
fn a_keeper_begins_unsynced_and_is_healthy_once_it_has_heard_everything() {
    let health = Health::new(&Config::default());
    assert_eq!(names(&health.problems()), ["not_synced"]);
    health.set_synced(true);
    health.heard_clock(7, 1_000);
    assert_eq!(health.problems(), []);
}

#[test]
fn a_clock_that_stands_still_is_silence() {
    let health = healthy();
    let limit = Duration::from_secs(Config::default().http.max_silence_secs);
    let later = Instant::now() + limit + Duration::from_secs(1);
    assert_eq!(names(&health.problems_at(later)), ["silent"]);
    let before = Instant::now();
    health.heard_clock(1, 1_001);
    assert_eq!(
        names(&health.problems_at(before + limit + Duration::from_millis(1))),
        ["silent"],
        "the same slot is no news"
    );
    health.forget_clock();
    health.heard_clock(0, 1_001);
    assert_eq!(health.problems_at(before + limit), [], "a cluster that began anew");
}

#[test]
fn each_limit_complains_beyond_it_and_no_longer_than_that() {
    let health = healthy();
    let config = Config::default();
    health.set_stream_lag(config.http.max_lag_slots);
    health.set_lamports(config.fees.min_lamports);
    assert_eq!(health.problems(), []);
    health.set_stream_lag(config.http.max_lag_slots + 1);
    health.set_lamports(config.fees.min_lamports - 1);
    health.set_fee_budget_exhausted(true);
    assert_eq!(names(&health.problems()), ["fee_budget", "lamports", "stream_lag"]);
    health.set_stream_lag(0);
    health.set_lamports(u64::MAX);
    health.set_fee_budget_exhausted(false);
    assert_eq!(health.problems(), []);
}
