//! `/metrics` for Prometheus, and `/healthz` for whoever has to know whether somebody must look.
//!
//! `/healthz` answers 200 and `ok`, or 503 and a JSON list of what is wrong. It is for alarms and for a second keeper's operator; it
//! is no reason to restart a keeper, which brings nothing back that reconnecting and resyncing do not.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;

use crate::metrics::Metrics;

mod health;
#[cfg(test)]
mod tests;

pub use health::{Health, Problem};

type Shared = (Arc<Metrics>, Arc<Health>);

/// Binds, then serves in a task of its own until `stop` is done. Gives the address, which says the port where port 0 was asked for.
///
/// # Errors
/// When nothing can listen there, with the address.
pub async fn serve(
    listen: SocketAddr,
    metrics: Arc<Metrics>,
    health: Arc<Health>,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<SocketAddr> {
    let named = |error: std::io::Error| {
        std::io::Error::new(
            error.kind(),
            format!("http.listen: {listen}: {error}: choose another, or \"\" for none"),
        )
    };
    let listener = TcpListener::bind(listen).await.map_err(named)?;
    let bound = listener.local_addr()?;
    let routes = Router::new()
        .route("/metrics", get(metrics_page))
        .route("/healthz", get(health_page))
        .with_state((metrics, health));
    tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, routes).with_graceful_shutdown(stop).await {
            tracing::error!(%error, "metrics and health are not served any more");
        }
    });
    Ok(bound)
}

async fn metrics_page(State((metrics, _)): State<Shared>) -> Response {
    match metrics.render() {
        Ok(text) => ([(header::CONTENT_TYPE, prometheus::TEXT_FORMAT)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

async fn health_page(State((_, health)): State<Shared>) -> Response {
    let problems = health.problems();
    if problems.is_empty() {
        return "ok\n".into_response();
    }
    let json = serde_json::json!(problems).to_string();
    (StatusCode::SERVICE_UNAVAILABLE, [(header::CONTENT_TYPE, "application/json")], json).into_response()
}
