//! The signals that ask a command to end: INT (Ctrl-C), TERM, and HUP, which a closed terminal sends.

use std::sync::atomic::{AtomicUsize, Ordering};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::low_level::emulate_default_handler;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// How many watch at present, so that the signals are theirs.
static WATCHED: AtomicUsize = AtomicUsize::new(0);

/// Calls `heard` for each of them until the future is dropped. Where the system gives no handler, the signals keep what they do by default.
pub async fn watch(mut heard: impl FnMut()) {
    let Some(mut handlers) = handlers() else { return };
    let _mine = Watched::new();
    loop {
        next(&mut handlers).await;
        heard();
    }
}

/// Until the program ends: where nobody watches, a signal does what it does by default, and `first` is called before.
pub fn before_the_end(first: impl Fn() + Send + 'static) {
    let Some(mut handlers) = handlers() else { return };
    tokio::spawn(async move {
        loop {
            let number = next(&mut handlers).await;
            if WATCHED.load(Ordering::SeqCst) == 0 {
                first();
                // It fails for unknown signals only.
                drop(emulate_default_handler(number));
            }
        }
    });
}

/// One that watches, as long as this value is there.
struct Watched;

impl Watched {
    fn new() -> Self {
        WATCHED.fetch_add(1, Ordering::SeqCst);
        Watched
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        WATCHED.fetch_sub(1, Ordering::SeqCst);
    }
}

fn handlers() -> Option<[Signal; 3]> {
    let [Ok(interrupt), Ok(terminate), Ok(hangup)] = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()].map(signal)
    else {
        return None;
    };
    Some([interrupt, terminate, hangup])
}

async fn next([interrupt, terminate, hangup]: &mut [Signal; 3]) -> i32 {
    tokio::select! {
        _ = interrupt.recv() => SIGINT,
        _ = terminate.recv() => SIGTERM,
        _ = hangup.recv() => SIGHUP,
    }
}
