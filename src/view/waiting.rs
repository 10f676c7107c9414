//! The line on a terminal that says which real system is being waited for.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::paint::is_capable;

/// How long an answer may take before the line shows.
const PATIENCE: Duration = Duration::from_secs(2);

/// Shows waits of one run, each on a line of its own that goes when the answer is there. Without a terminal it shows nothing.
#[derive(Default)]
pub struct Waiting {
    on: AtomicBool,
    lines: MultiProgress,
}

impl Waiting {
    /// Shows waits from now on where stderr is a terminal, or stops that. Whether they are shown.
    pub fn show(&self, on: bool) -> bool {
        let shown = on && is_capable(&std::io::stderr());
        self.on.store(shown, Ordering::Relaxed);
        self.lines.set_draw_target(ProgressDrawTarget::stderr());
        shown
    }

    /// Takes the lines away that are there, for a program that is about to end.
    pub fn clear(&self) -> impl Fn() + Send + 'static {
        let lines = self.lines.clone();
        move || {
            // A line that cannot be cleared stays; there is nobody to tell.
            drop(lines.clear());
            lines.set_draw_target(ProgressDrawTarget::hidden());
        }
    }

    /// Waits for an answer; `what` says for which.
    pub async fn during<T>(&self, what: impl FnOnce() -> String, answer: impl Future<Output = T>) -> T {
        let mut answer = std::pin::pin!(answer);
        if !self.on.load(Ordering::Relaxed) {
            return answer.await;
        }
        if let Ok(early) = tokio::time::timeout(PATIENCE, &mut answer).await {
            return early;
        }
        let _line = Line::new(&self.lines, what());
        answer.await
    }
}

/// A line that is there as long as this value.
struct Line(ProgressBar);

impl Line {
    fn new(lines: &MultiProgress, what: String) -> Line {
        let bar = lines.add(ProgressBar::new_spinner().with_elapsed(PATIENCE));
        if let Ok(style) = ProgressStyle::with_template("{msg}... [{elapsed}]") {
            bar.set_style(style);
        }
        bar.set_message(what);
        bar.enable_steady_tick(Duration::from_millis(500));
        Line(bar)
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
