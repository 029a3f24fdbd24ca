//! A real browser, driven over WebDriver: Chromium without a window. Knows no page.
use amends_testkit::until;
use serde_json::{Value, json};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A page that has not loaded by then is broken.
const PATIENCE: Duration = Duration::from_secs(60);

/// One browser with one window; dropping it ends both programs.
pub struct Browser {
    session: String,
    client: reqwest::Client,
    driver: Child,
    browser: Option<u64>,
}

impl Drop for Browser {
    fn drop(&mut self) {
        // A driver that is asked to end leaves its browser behind.
        let pids = self.browser.into_iter().chain([self.driver.id().into()]);
        for pid in pids {
            let _ = Command::new("kill").args(["-TERM", &pid.to_string()]).status();
        }
        let _ = self.driver.wait();
    }
}

impl Browser {
    /// Starts one, if there is one. With `CI=true` there must be.
    pub async fn start() -> Option<Browser> {
        let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
        let mut driver = Command::new("chromedriver");
        driver.arg(format!("--port={port}")).stdout(Stdio::null()).stderr(Stdio::null());
        let driver = driver.spawn();
        let driver = match driver {
            Ok(driver) => driver,
            Err(error) if std::env::var_os("CI").is_some_and(|value| value == "true") => {
                panic!("chromedriver: {error}; install chromium and chromium-driver")
            }
            Err(error) => {
                eprintln!("not played, there is no chromedriver: {error}");
                return None;
            }
        };
        let client = reqwest::Client::builder().timeout(PATIENCE).build().unwrap();
        let base = format!("http://127.0.0.1:{port}/session");
        let mut browser = Browser { session: base, client, driver, browser: None };
        until("the driver listens", async || {
            browser.client.get(format!("http://127.0.0.1:{port}/status")).send().await.ok()
        })
        .await;
        let session = browser.ask("", &capabilities()).await;
        let id = session["sessionId"].as_str().unwrap_or_else(|| panic!("no session: {session}"));
        browser.browser = session["capabilities"]["goog:processID"].as_u64();
        browser.session = format!("{}/{id}", browser.session);
        Some(browser)
    }

    async fn ask(&self, path: &str, body: &Value) -> Value {
        let asked = self.client.post(format!("{}{path}", self.session)).json(body).send().await.unwrap();
        let answer: Value = asked.json().await.unwrap();
        assert!(answer["value"].get("error").is_none(), "{path}: {}", answer["value"]);
        answer["value"].clone()
    }

    /// Opens an address and waits until it is loaded.
    pub async fn open(&self, url: &str) {
        self.ask("/url", &json!({ "url": url })).await;
    }

    /// Runs a function's body in the page.
    pub async fn run(&self, script: &str) -> Value {
        self.ask("/execute/sync", &json!({ "script": script, "args": [] })).await
    }

    /// Waits until an expression is true in the page.
    pub async fn becomes(&self, expression: &str) {
        let script = format!("return Boolean({expression})");
        until(expression, async || (self.run(&script).await == true).then_some(())).await;
    }

    /// Clicks what a selector finds, and waits for the page that it leads to.
    pub async fn click(&self, selector: &str) {
        let script = format!("window.left = true; document.querySelector({}).click()", json!(selector));
        self.run(&script).await;
        self.becomes("!window.left && document.readyState === 'complete'").await;
    }

    /// Writes into a field.
    pub async fn write(&self, selector: &str, text: &str) {
        self.run(&format!("document.querySelector({}).value = {}", json!(selector), json!(text))).await;
    }

    /// Presses a key where the focus is; keys without a letter have a place in Unicode.
    pub async fn press(&self, key: &str) {
        let keys = json!([{ "type": "keyDown", "value": key }, { "type": "keyUp", "value": key }]);
        self.ask("/actions", &json!({ "actions": [{ "type": "key", "id": "keys", "actions": keys }] })).await;
    }

    /// A window of this width, in light or dark colours.
    pub async fn look(&self, width: u32, scheme: &str) {
        let metrics = json!({ "width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600 });
        // Colours change at once: nobody is to measure one that is on its way to another.
        let features = json!({ "features": [
            { "name": "prefers-color-scheme", "value": scheme },
            { "name": "prefers-reduced-motion", "value": "reduce" },
        ] });
        for (command, parameters) in
            [("Emulation.setDeviceMetricsOverride", metrics), ("Emulation.setEmulatedMedia", features)]
        {
            self.ask("/goog/cdp/execute", &json!({ "cmd": command, "params": parameters })).await;
        }
    }

    /// Keeps a picture of the whole page in the folder that `AMENDS_SCREENSHOTS` names, for whoever wants to look at it.
    pub async fn keep(&self, name: &str) {
        let Some(folder) = std::env::var_os("AMENDS_SCREENSHOTS") else { return };
        // What sticks to the window's edge stands at the page's: the window becomes as tall as the page.
        let size = self.run("return [innerWidth, document.documentElement.scrollHeight]").await;
        let narrow = size[0].as_u64() < Some(600);
        let metrics =
            json!({ "width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": narrow });
        let tall = json!({ "cmd": "Emulation.setDeviceMetricsOverride", "params": metrics });
        self.ask("/goog/cdp/execute", &tall).await;
        let parameters = json!({ "format": "png", "captureBeyondViewport": true });
        let command = json!({ "cmd": "Page.captureScreenshot", "params": parameters });
        let picture = self.ask("/goog/cdp/execute", &command).await;
        let picture = data_encoding::BASE64.decode(picture["data"].as_str().unwrap().as_bytes()).unwrap();
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(std::path::Path::new(&folder).join(format!("{name}.png")), picture).unwrap();
    }

    /// Every address that the browser has asked for since it was last asked this, and what it complained of.
    pub async fn asked(&self) -> Vec<String> {
        let entries = self.ask("/se/log", &json!({ "type": "performance" })).await;
        let messages = entries.as_array().unwrap().iter().filter_map(|entry| entry["message"].as_str());
        let events = messages.filter_map(|text| serde_json::from_str::<Value>(text).ok());
        let sent = events.filter(|event| event["message"]["method"] == "Network.requestWillBeSent");
        sent.filter_map(|event| event["message"]["params"]["request"]["url"].as_str().map(ToOwned::to_owned))
            .collect()
    }

    /// What the pages' console has: errors of scripts, and what the policy kept from being done.
    pub async fn complaints(&self) -> Vec<String> {
        let entries = self.ask("/se/log", &json!({ "type": "browser" })).await;
        let entries = entries.as_array().unwrap().iter();
        entries.filter(|entry| entry["level"] == "SEVERE").map(|entry| entry["message"].to_string()).collect()
    }
}

fn capabilities() -> Value {
    let arguments =
        ["--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--no-first-run"];
    json!({ "capabilities": { "alwaysMatch": {
        "goog:chromeOptions": { "args": arguments },
        "goog:loggingPrefs": { "performance": "ALL", "browser": "ALL" },
    } } })
}
