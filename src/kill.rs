//! A test instrument: the process ends itself at a chosen request, as by `kill -9`. Release builds do not contain it.
//!
//! Debug builds read `STREAMFORM_TEST_KILL=SYSTEM:REQUEST:N:MOMENT`, for example `kafka:CreateTopics:2:sent`. The process ends at the Nth
//! request of that kind:
//!
//! - `kafka:API`: a request to a broker by its name in the protocol. Requests that only validate are not counted.
//! - `connect:METHOD`: an HTTP request to `/connectors` of a Connect worker, `PUT`, `POST` and `DELETE` above all.
//! - `state:commit`: one batch for the state's database. It has no `sent`; at `answered` the database has the batch and the log has not.
//! - `file:write`, `file:remove`: one private file, as secrets consist of.
//!
//! The moments are:
//!
//! - `before`: nothing has left the process.
//! - `sent`: the request is handed over and its answer is not taken in. Over a socket the request is written, and 20 ms pass in which the
//!   system can act on it. A file is written under a temporary name and not yet in its place; the removal of a file has no such moment.
//! - `answered`: the answer is read, and nobody has learned of it. The executor writes no end record.
//!
//! A value of another form ends nothing.

#[cfg(debug_assertions)]
pub(crate) use armed::{Counted, request};
#[cfg(not(debug_assertions))]
pub(crate) use unarmed::{Counted, request};

/// A point in the life of a request.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    /// Nothing has left the process.
    Before,
    /// The system has the request, the process has no answer.
    Sent,
    /// The process has the answer and has told nobody.
    Answered,
}

#[cfg(debug_assertions)]
mod armed {
    use std::future::Future;
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Duration;

    use super::Moment;

    /// How long a system has to act on a request that was sent.
    const PAUSE: Duration = Duration::from_millis(20);

    /// The one request at which the process ends.
    struct Aim {
        system: String,
        request: String,
        number: u64,
        moment: Moment,
        seen: AtomicU64,
    }

    static AIM: LazyLock<Option<Aim>> = LazyLock::new(|| Aim::parse(&std::env::var("STREAMFORM_TEST_KILL").ok()?));

    impl Aim {
        fn parse(text: &str) -> Option<Aim> {
            let [system, request, number, moment] = text.split(':').collect::<Vec<_>>().try_into().ok()?;
            let moment = match moment {
                "before" => Moment::Before,
                "sent" => Moment::Sent,
                "answered" => Moment::Answered,
                _ => return None,
            };
            let (system, request, number) = (system.to_string(), request.to_string(), number.parse().ok()?);
            Some(Aim { system, request, number, moment, seen: AtomicU64::new(0) })
        }

        fn count(&self, system: &str, request: &str) -> Option<Moment> {
            let mine = self.system == system && self.request == request;
            (mine && self.seen.fetch_add(1, Ordering::SeqCst) + 1 == self.number).then_some(self.moment)
        }
    }

    /// One request that has been counted.
    pub(crate) struct Counted(Option<Moment>);

    /// Counts a request that is about to be sent. One without a name is not counted.
    pub(crate) fn request(system: &str, request: &str) -> Counted {
        Counted(AIM.as_ref().and_then(|aim| aim.count(system, request)))
    }

    impl Counted {
        /// Ends the process if this is the moment.
        pub(crate) fn at(&self, moment: Moment) {
            if self.0 == Some(moment) {
                if moment == Moment::Sent {
                    std::thread::sleep(PAUSE);
                }
                die();
            }
        }

        /// Drives a request whose sending and answer are one future. It is dropped at `sent`, 20 ms after its first step.
        pub(crate) async fn around<T>(&self, exchange: impl Future<Output = T>) -> T {
            self.at(Moment::Before);
            if self.0 == Some(Moment::Sent) {
                let _ = tokio::time::timeout(PAUSE, exchange).await;
                die();
            }
            let answer = exchange.await;
            self.at(Moment::Answered);
            answer
        }
    }

    fn die() -> ! {
        let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
        loop {
            std::thread::park();
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn only_the_named_request_of_its_kind_is_hit() {
            let aim = Aim::parse("kafka:CreateTopics:2:sent").unwrap();
            let hits = ["CreateTopics", "DeleteTopics", "CreateTopics", "CreateTopics"].map(|r| aim.count("kafka", r).is_some());
            assert_eq!(hits, [false, false, true, false]);
            assert!(aim.count("connect", "CreateTopics").is_none());
        }

        #[test]
        fn another_form_aims_at_nothing() {
            for text in ["", "kafka:CreateTopics:2", "kafka:CreateTopics:two:sent", "kafka:CreateTopics:2:after", "a:b:1:sent:c"] {
                assert!(Aim::parse(text).is_none(), "{text}");
            }
        }
    }
}

#[cfg(not(debug_assertions))]
mod unarmed {
    use std::future::Future;

    use super::Moment;

    /// Nothing.
    pub(crate) struct Counted;

    /// Counts nothing.
    #[inline(always)]
    pub(crate) fn request(_: &str, _: &str) -> Counted {
        Counted
    }

    impl Counted {
        /// Does nothing.
        #[inline(always)]
        pub(crate) fn at(&self, _: Moment) {}

        /// Awaits the exchange.
        #[inline(always)]
        pub(crate) async fn around<T>(&self, exchange: impl Future<Output = T>) -> T {
            exchange.await
        }
    }
}
