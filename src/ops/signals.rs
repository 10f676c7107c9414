//! The signals that ask a command to end: INT (Ctrl-C), TERM, and HUP, which a closed terminal sends.

use tokio::signal::unix::{SignalKind, signal};

/// Calls `heard` for each of them until the future is dropped. Where the system gives no handler, the signals keep what they do by default.
pub async fn watch(mut heard: impl FnMut()) {
    let handlers = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()].map(signal);
    let [Ok(mut interrupt), Ok(mut terminate), Ok(mut hangup)] = handlers else { return };
    loop {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
        heard();
    }
}
