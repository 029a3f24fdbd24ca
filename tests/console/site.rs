//! One visitor of the console over HTTP: keeps cookies, sends forms as a browser does. Judges nothing.
use amends_testkit::{Coordinator, World, WorldConfig};
use reqwest::header::{CONTENT_TYPE, COOKIE, HeaderMap, LOCATION, ORIGIN, SET_COOKIE};
use reqwest::redirect::Policy;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Mutex;
use tempfile::TempDir;

/// A system of its own, and its folder.
pub async fn world(coordinator: Coordinator) -> (World, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let config = WorldConfig::new(env!("CARGO_BIN_EXE_amends"), folder.path(), coordinator);
    (World::start(&config).await, folder)
}

/// A visitor.
pub struct Site {
    /// Where the console is: `http://127.0.0.1:port`.
    pub base: String,
    client: reqwest::Client,
    cookies: Mutex<BTreeMap<String, String>>,
}

/// An answer.
#[derive(Debug)]
pub struct Page {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
}

impl Page {
    /// Where a redirect leads.
    pub fn location(&self) -> &str {
        self.headers.get(LOCATION).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The value of a hidden field.
    pub fn hidden(&self, name: &str) -> String {
        let begin = format!("name=\"{name}\" value=\"");
        let value = self.text.split(&begin).nth(1).and_then(|rest| rest.split('"').next());
        value.unwrap_or_else(|| panic!("no field {name} in {}", self.text)).to_owned()
    }
}

impl Site {
    /// Of this world's console.
    pub fn of(world: &World) -> Site {
        let client = reqwest::Client::builder().redirect(Policy::none()).build().unwrap();
        Site { base: world.stack().console(), client, cookies: Mutex::default() }
    }

    /// The plain client, for requests that no page of ours makes.
    pub fn client(&self) -> &reqwest::Client {
        &self.client
    }

    pub async fn get(&self, path: &str) -> Page {
        let asked = self.client.get(format!("{}{path}", self.base)).header(COOKIE, self.cookies());
        self.keep(asked.send().await.unwrap()).await
    }

    /// Opens a form, fills it in, and sends it with what is hidden in it.
    pub async fn fill(&self, path: &str, hidden: &[&str], fields: &[(&str, &str)]) -> Page {
        let form = self.get(path).await;
        assert_eq!(form.status, 200, "{path}: {}", form.text);
        let hidden: Vec<(&str, String)> = hidden.iter().map(|name| (*name, form.hidden(name))).collect();
        let mut all: Vec<(&str, &str)> = hidden.iter().map(|(name, value)| (*name, value.as_str())).collect();
        all.extend(fields);
        let action = path.split('?').next().unwrap();
        self.post(action, &all, &self.base).await
    }

    /// Sends a form from a page of that origin.
    pub async fn post(&self, path: &str, fields: &[(&str, &str)], origin: &str) -> Page {
        let asked = self.client.post(format!("{}{path}", self.base)).header(COOKIE, self.cookies());
        let asked = asked.header(ORIGIN, origin).header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        self.keep(asked.body(encoded(fields)).send().await.unwrap()).await
    }

    fn cookies(&self) -> String {
        let cookies = self.cookies.lock().unwrap();
        cookies.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
    }

    async fn keep(&self, response: reqwest::Response) -> Page {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        for cookie in headers.get_all(SET_COOKIE) {
            let cookie = cookie.to_str().unwrap();
            assert!(cookie.contains("SameSite=") && cookie.contains("HttpOnly"), "{cookie}");
            let (name, value) = cookie.split(';').next().unwrap().split_once('=').unwrap();
            self.cookies.lock().unwrap().insert(name.to_owned(), value.to_owned());
        }
        Page { status, headers, text: response.text().await.unwrap() }
    }
}

/// Fields as a form sends them.
pub fn encoded(fields: &[(&str, &str)]) -> String {
    let pairs = fields.iter().map(|(name, value)| format!("{name}={}", escaped(value)));
    pairs.collect::<Vec<_>>().join("&")
}

/// A value as it stands in an address.
pub fn escaped(value: &str) -> String {
    let mut text = String::new();
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() {
            text.push(char::from(byte));
        } else {
            let _ = write!(text, "%{byte:02X}");
        }
    }
    text
}
