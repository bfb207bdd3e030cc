//! What a program writes, gathered by a thread and waited for.

use std::io::Read;
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Instant;

use super::DEADLINE;

/// One output stream of a program.
#[derive(Clone)]
pub struct Output(Arc<(Mutex<State>, Condvar)>);

#[derive(Default)]
struct State {
    bytes: Vec<u8>,
    ended: bool,
}

impl Output {
    /// Reads `source` to its end on a thread.
    pub fn gather(mut source: impl Read + Send + 'static) -> Self {
        let shared: Arc<(Mutex<State>, Condvar)> = Arc::default();
        let output = Self(Arc::clone(&shared));
        thread::spawn(move || {
            let mut buffer = vec![0; 65_536];
            loop {
                let n = source.read(&mut buffer).unwrap_or(0);
                let mut state = shared.0.lock().unwrap();
                state.bytes.extend_from_slice(&buffer[..n]);
                state.ended = n == 0;
                shared.1.notify_all();
                if n == 0 {
                    return;
                }
            }
        });
        output
    }

    /// Waits until `enough` says yes or the stream ends; false at the deadline.
    fn wait(&self, mut enough: impl FnMut(&State) -> bool) -> bool {
        let until = Instant::now() + DEADLINE;
        let mut state = self.0.0.lock().unwrap();
        while !enough(&state) {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            state = self.0.1.wait_timeout(state, left).unwrap().0;
        }
        true
    }

    /// Waits until the text so far contains `text`; all of it.
    #[track_caller]
    pub fn wait_for(&self, who: &str, text: &str) -> String {
        let found = |state: &State| String::from_utf8_lossy(&state.bytes).contains(text);
        let ok = self.wait(|state| state.ended || found(state));
        let all = self.text();
        assert!(ok && all.contains(text), "{who}: no {text:?} in:\n{all}");
        all
    }

    /// Waits until at least `len` bytes are there; all so far.
    #[track_caller]
    pub fn wait_len(&self, len: usize) -> Vec<u8> {
        self.wait(|state| state.ended || state.bytes.len() >= len);
        let bytes = self.0.0.lock().unwrap().bytes.clone();
        assert!(bytes.len() >= len, "{} bytes instead of {len}", bytes.len());
        bytes
    }

    /// Waits for the end of the stream; all of it.
    #[track_caller]
    pub fn all(&self) -> Vec<u8> {
        assert!(self.wait(|state| state.ended), "the stream has not ended");
        self.0.0.lock().unwrap().bytes.clone()
    }

    /// Bytes so far.
    pub fn len(&self) -> usize {
        self.0.0.lock().unwrap().bytes.len()
    }

    /// Text so far.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.0.lock().unwrap().bytes).into_owned()
    }
}
