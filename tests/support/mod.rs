//! A service of its own for each test, with one method an endpoint.
#![allow(dead_code, reason = "each test uses a part of it")]

#[path = "stores.rs"]
pub mod stores;

use std::net::SocketAddr;

use reqwest::{Client, Method, Response, header};
use secmon_http::{App, Config, FollowConfig, ProbeConfig};
use secmon_store::{Scope, Store};
use serde_json::Value;

/// A running service and how to reach it.
pub struct Service {
    /// Where it listens.
    pub url: String,
    /// Its application.
    pub app: App,
    /// May send events.
    pub ingest: String,
    /// May read.
    pub read: String,
    client: Client,
    folder: tempfile::TempDir,
}

impl Service {
    /// Starts one with the built-in rules.
    pub async fn start() -> Self {
        Self::with(Config::default()).await
    }

    /// Starts one with further settings.
    pub async fn with(config: Config) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let is_usual = config.store == Config::default().store;
        let store = if is_usual { stores::url(&folder) } else { config.store };
        let config = Config {
            store,
            keys: Some(stores::keys(&folder)),
            label: "main".into(),
            cluster: "test".into(),
            probe: ProbeConfig { enabled: false, ..config.probe },
            follow: FollowConfig { auto: false, ..config.follow },
            ..config
        };
        let app = App::open(config).unwrap();
        app.start_jobs();
        let listener =
            tokio::net::TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let serving = app.clone();
        tokio::spawn(async move { serving.serve(listener, std::future::pending()).await.unwrap() });
        let token = |scope| {
            let token = app.store().create_token("test", scope, secmon_http::clock::now()).unwrap();
            token.expose().to_owned()
        };
        let (ingest, read) = (token(Scope::Ingest), token(Scope::Read));
        Self { url, app, ingest, read, client: Client::new(), folder }
    }

    /// Stops the writer in order; the store stays as long as the service.
    pub async fn stop(&self) -> Store {
        self.app.close().await;
        self.app.store().clone()
    }

    /// The folder of the store.
    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// Any request, without a token.
    pub fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.client.request(method, format!("{}{path}", self.url))
    }

    /// Reads a path with the token for reading.
    pub async fn get(&self, path: &str) -> Response {
        self.request(Method::GET, path).bearer_auth(&self.read).send().await.unwrap()
    }

    /// The JSON at a path, which must be there.
    pub async fn json(&self, path: &str) -> Value {
        let answer = self.get(path).await;
        assert_eq!(answer.status(), 200, "{path}");
        answer.json().await.unwrap()
    }

    /// Sends events.
    pub async fn post(&self, body: impl Into<reqwest::Body>) -> Response {
        self.post_to("/api/v1/events", &[], body).await
    }

    /// Sends events with headers.
    pub async fn post_to(
        &self,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<reqwest::Body>,
    ) -> Response {
        let mut request = self.request(Method::POST, path).bearer_auth(&self.ingest).body(body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.send().await.unwrap()
    }

    /// Redeems the setup link: the answer and the cookie.
    pub async fn set_up(&self, token: &str) -> (Response, Option<String>) {
        let body = serde_json::json!({ "token": token }).to_string();
        let request = self.request(Method::POST, "/api/v1/setup").body(body);
        let request =
            request.header("content-type", "application/json").header("x-secmon-request", "1");
        let answer = request.send().await.unwrap();
        let cookie = answer
            .headers()
            .get(header::SET_COOKIE)
            .map(|value| value.to_str().unwrap().to_owned());
        (answer, cookie)
    }
}
