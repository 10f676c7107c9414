//! The database under the store: sled, with its panics turned into errors. sled panics on some kinds of damage, where the disk refuses to keep
//! what was written, and where the clock stands before 1970. None of it may reach the screen as a panic.

use std::cell::Cell;
use std::ops::Deref;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::path::Path;
use std::sync::Once;

use ::sled::Db;

use super::files::sled_error;
use crate::diag::Diagnostic;
use crate::diag::codes::state as codes;

thread_local! {
    /// Panics of this thread are expected, and are not shown.
    static EXPECTED: Cell<bool> = const { Cell::new(false) };
}

/// Runs `f`; `None` where it panicked. The panic is not shown.
pub(super) fn caught<T>(f: impl FnOnce() -> T) -> Option<T> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let shown = take_hook();
        set_hook(Box::new(move |panic| {
            if !EXPECTED.get() {
                shown(panic);
            }
        }));
    });
    let before = EXPECTED.replace(true);
    let out = catch_unwind(AssertUnwindSafe(f)).ok();
    EXPECTED.set(before);
    out
}

/// The error of a call in which sled panicked.
pub(super) fn broke_off(dir: &Path) -> Diagnostic {
    Diagnostic::error(codes::NOT_READABLE, format!("The database in {} broke off its work.", dir.join("db").display()))
        .hint("Check the disk, then run the command again: what had begun is then read again from the real systems.")
}

/// An open database. It is let go of with all errors caught.
pub(super) struct Database(Option<Db>);

impl Database {
    /// Opens it; `None` where sled cannot go on with what it finds.
    pub fn open(config: &::sled::Config) -> Option<Result<Database, ::sled::Error>> {
        caught(|| config.open()).map(|db| db.map(|db| Database(Some(db))))
    }

    /// Does `f`, for calls that write.
    pub fn write<T>(&self, dir: &Path, f: impl FnOnce(&Db) -> Result<T, ::sled::Error>) -> Result<T, Diagnostic> {
        caught(|| f(self)).ok_or_else(|| broke_off(dir))?.map_err(|e| sled_error(dir, &e))
    }

    /// Lets go of it. sled writes a little more when the last handle goes.
    pub fn close(mut self, dir: &Path) -> Result<(), Diagnostic> {
        let db = self.0.take();
        caught(|| drop(db)).ok_or_else(|| broke_off(dir))
    }
}

impl Deref for Database {
    type Target = Db;

    fn deref(&self) -> &Db {
        self.0.as_ref().unwrap_or_else(|| unreachable!("only `close` and `drop` take it"))
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let db = self.0.take();
        let _ = caught(|| drop(db));
    }
}
