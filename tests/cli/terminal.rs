//! A terminal for tests: a pseudo-terminal with the command on it, and what a person would see there.
mod screen;

use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use screen::Screen;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

/// Size of the terminal.
const ROWS: u16 = 60;
const COLUMNS: u16 = 150;

/// A command at work on a terminal of its own.
pub struct Terminal {
    child: Child,
    keyboard: File,
    seen: Arc<Mutex<Seen>>,
    reader: JoinHandle<()>,
}

struct Seen {
    screen: Screen,
    written: Vec<u8>,
}

impl Terminal {
    /// Runs the command, with these settings, against an orchestrator.
    pub fn start(target: &str, words: &[&str], settings: &[(&str, &str)]) -> Terminal {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        tcsetwinsize(&master, Winsize { ws_row: ROWS, ws_col: COLUMNS, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        let end = || {
            let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
            Stdio::from(rustix::fs::open(name.as_c_str(), flags, Mode::empty()).unwrap())
        };
        // In a session of its own: whoever runs the tests has a terminal, too.
        let child = Command::new("setsid")
            .args(["--ctty", "--wait", env!("CARGO_BIN_EXE_amends")])
            .args(words)
            .env("AMENDS_TARGET", target)
            .env("TERM", "xterm-256color")
            .env_remove("NO_COLOR")
            .envs(settings.iter().copied())
            .stdin(end())
            .stdout(end())
            .stderr(end())
            .spawn()
            .unwrap();
        let keyboard = File::from(master);
        let written = keyboard.try_clone().unwrap();
        let seen = Seen { screen: Screen::new(usize::from(ROWS), usize::from(COLUMNS)), written: Vec::new() };
        let seen = Arc::new(Mutex::new(seen));
        let reader = std::thread::spawn({
            let seen = seen.clone();
            move || read(written, &seen)
        });
        Terminal { child, keyboard, seen, reader }
    }

    /// Types something.
    pub fn press(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
    }

    /// What is on the screen now.
    pub fn text(&self) -> String {
        self.seen.lock().unwrap().screen.text()
    }

    /// Waits until the screen is as wanted.
    pub async fn shows(&self, what: &str, wanted: impl Fn(&str) -> bool) {
        amends_testkit::until(&format!("{what} on a terminal"), async || {
            let text = self.text();
            wanted(&text).then_some(())
        })
        .await;
    }

    /// Waits for the end: its exit code, and everything that was ever written.
    pub fn end(mut self) -> (i32, String) {
        let code = self.child.wait().unwrap().code().unwrap();
        // The reader ends when nobody holds the other side any more.
        self.reader.join().unwrap();
        let seen = self.seen.lock().unwrap();
        (code, String::from_utf8(seen.written.clone()).unwrap())
    }
}

fn read(mut written: File, seen: &Mutex<Seen>) {
    let mut bytes = [0; 4_096];
    // It ends with an error when the last process at the other side has gone.
    while let Ok(count @ 1..) = written.read(&mut bytes) {
        let mut seen = seen.lock().unwrap();
        seen.written.extend_from_slice(&bytes[..count]);
        seen.screen.take(&bytes[..count]);
    }
}
