//! What this machine wrote to a cluster a moment ago, so that a read which contradicts it is repeated before it is believed.
//!
//! A broker acknowledges a write before every broker shows it. Apply does not wait for that; the next plan may come earlier. So acknowledged
//! writes are kept for [`RECENT`], in memory and in a file of the working folder, which the next run reads. The file holds names and times,
//! never a value. Where it cannot be written or read, reads are believed at once.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::snapshot::lock;
use super::{AclBinding, ConfigEntry, ConfigSource, Topic};
use crate::disk::private_dir;

/// How long a write can explain a read that contradicts it.
const RECENT: Duration = Duration::from_secs(30);

/// The last acknowledged write of a topic.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WrittenTopic {
    /// Whether it was left in the cluster, or deleted.
    pub present: bool,
    /// The id of a topic that was created, where the cluster has topic ids.
    pub id: Option<String>,
    /// The number of partitions, where that was written.
    pub partitions: Option<i32>,
    /// The keys of its own settings that were changed. A topic is created together with its settings.
    pub settings: BTreeSet<String>,
}

impl WrittenTopic {
    /// Whether this look at the topic may be older than the write. `recorded` are its own settings as the state has them; a key whose value is not
    /// known there is not compared. `same` says whether two values of a key mean the same.
    pub fn contradicts(
        &self,
        found: Option<(&Topic, &[ConfigEntry])>,
        recorded: &BTreeMap<String, Option<String>>,
        same: impl Fn(&str, &str, &str) -> bool,
    ) -> bool {
        let Some((topic, entries)) = found else { return self.present };
        let own = |key: &str| entries.iter().find(|e| e.name == key && e.source == ConfigSource::DynamicTopic)?.value.as_deref();
        let is_other = |key: &String| match recorded.get(key) {
            Some(None) => false,
            Some(Some(value)) => own(key).is_none_or(|own| !same(key, value, own)),
            None => own(key).is_some(),
        };
        !self.present
            || self.id.as_ref().is_some_and(|id| topic.id.as_ref() != Some(id))
            || self.partitions.is_some_and(|n| (topic.partitions.len() as i64) < i64::from(n))
            || self.settings.iter().any(is_other)
    }
}

/// What was written, each with the time in milliseconds since 1970.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Written {
    topics: BTreeMap<String, (u64, WrittenTopic)>,
    /// The ACLs by their text, and whether they were created or deleted.
    acls: BTreeMap<String, (u64, bool)>,
}

impl Written {
    fn forget_old(&mut self, now: u64) {
        self.topics.retain(|_, (at, _)| is_recent(*at, now));
        self.acls.retain(|_, (at, _)| is_recent(*at, now));
    }

    fn is_empty(&self) -> bool {
        self.topics.is_empty() && self.acls.is_empty()
    }
}

/// A time to come is that of a clock which was set back: it explains nothing.
fn is_recent(at: u64, now: u64) -> bool {
    at <= now && u128::from(now - at) < RECENT.as_millis()
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| u64::try_from(d.as_millis()).unwrap_or(u64::MAX))
}

/// The recent writes to one cluster.
#[derive(Debug, Default)]
pub(super) struct Writes {
    file: Option<PathBuf>,
    written: Mutex<Written>,
}

impl Writes {
    /// The writes that a file holds, and in which they are kept.
    pub(super) fn kept_in(file: PathBuf) -> Writes {
        let read = std::fs::read(&file).ok().and_then(|bytes| serde_json::from_slice::<Written>(&bytes).ok());
        let mut written = read.unwrap_or_default();
        written.forget_old(now());
        if written.is_empty() {
            let _ = std::fs::remove_file(&file);
        }
        Writes { file: Some(file), written: Mutex::new(written) }
    }

    /// Writes of these topics are about to be sent: from now on what was written before explains no read, whether or not the process lives to
    /// hear of the answer.
    pub(super) fn begin_topics<'a>(&self, names: impl IntoIterator<Item = &'a str>) {
        self.begin(|written| names.into_iter().filter(|name| written.topics.remove(*name).is_some()).count());
    }

    /// The same for ACLs.
    pub(super) fn begin_acls<'a>(&self, acls: impl IntoIterator<Item = &'a AclBinding>) {
        self.begin(|written| match written.acls.is_empty() {
            true => 0,
            false => acls.into_iter().filter(|a| written.acls.remove(&a.to_string()).is_some()).count(),
        });
    }

    fn begin(&self, forget: impl FnOnce(&mut Written) -> usize) {
        let mut written = lock(&self.written);
        if forget(&mut written) > 0
            && let Some(file) = &self.file
        {
            let _ = save(file, &written);
        }
    }

    /// Notes writes of topics, each added to what is known of the topic.
    pub(super) fn note_topics<'a>(&self, topics: impl IntoIterator<Item = (&'a str, WrittenTopic)>) {
        self.note(|written, now| {
            for (name, new) in topics {
                let (at, known) = written.topics.entry(name.to_string()).or_default();
                // What is created or deleted is another topic than the one before.
                let same = known.present && new.present && new.id.is_none();
                let (id, settings) = if same { (known.id.take(), std::mem::take(&mut known.settings)) } else { Default::default() };
                *known = WrittenTopic {
                    id: new.id.or(id),
                    partitions: new.partitions.or(known.partitions.filter(|_| same)),
                    settings: settings.into_iter().chain(new.settings).collect(),
                    present: new.present,
                };
                *at = now;
            }
        });
    }

    /// Notes ACLs that were created or deleted.
    pub(super) fn note_acls<'a>(&self, acls: impl IntoIterator<Item = &'a AclBinding>, present: bool) {
        self.note(|written, now| written.acls.extend(acls.into_iter().map(|a| (a.to_string(), (now, present)))));
    }

    fn note(&self, add: impl FnOnce(&mut Written, u64)) {
        let mut written = lock(&self.written);
        let now = now();
        written.forget_old(now);
        add(&mut written, now);
        if let (Some(file), false) = (&self.file, written.is_empty()) {
            let _ = save(file, &written);
        }
    }

    /// What was written of a topic.
    pub(super) fn topic(&self, name: &str) -> Option<WrittenTopic> {
        let now = now();
        lock(&self.written).topics.get(name).filter(|(at, _)| is_recent(*at, now)).map(|(_, w)| w.clone())
    }

    /// The topics that were deleted.
    pub(super) fn deleted_topics(&self) -> Vec<String> {
        let now = now();
        let written = lock(&self.written);
        written.topics.iter().filter(|(_, (at, w))| is_recent(*at, now) && !w.present).map(|(name, _)| name.clone()).collect()
    }

    /// Whether these ACLs may be older than the writes: one that was created is missing, or one that was deleted is there.
    pub(super) fn contradict_acls(&self, found: &BTreeSet<AclBinding>) -> bool {
        let now = now();
        let written = lock(&self.written);
        let mut recent = written.acls.iter().filter(|(_, (at, _))| is_recent(*at, now));
        recent.any(|(acl, (_, present))| acl.parse::<AclBinding>().is_ok_and(|acl| found.contains(&acl) != *present))
    }
}

fn save(file: &Path, written: &Written) -> std::io::Result<()> {
    let folder = file.parent().unwrap_or(Path::new("."));
    private_dir(folder)?;
    // A temporary file is 0600 from its beginning.
    let mut new = tempfile::NamedTempFile::new_in(folder)?;
    serde_json::to_writer(&mut new, written)?;
    new.persist(file)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::kafka::Partition;

    fn topic(id: &str, partitions: i32) -> Topic {
        let partition = |id| Partition { id, leader: Some(1), replicas: vec![1], isr: vec![1], offline: vec![] };
        Topic { name: "t".into(), id: Some(id.into()), internal: false, partitions: (0..partitions).map(partition).collect() }
    }

    fn setting(key: &str, value: &str) -> ConfigEntry {
        ConfigEntry {
            name: key.into(),
            value: Some(value.into()),
            source: ConfigSource::DynamicTopic,
            sensitive: false,
            read_only: false,
            synonyms: vec![],
            ty: None,
            documentation: None,
        }
    }

    fn equal(_: &str, a: &str, b: &str) -> bool {
        a == b
    }

    #[test]
    fn a_look_that_may_be_older_than_the_write_contradicts_it() {
        let writes = Writes::default();
        let created = WrittenTopic { present: true, id: Some("new".into()), partitions: Some(2), ..Default::default() };
        writes.note_topics([("t", created)]);
        let none = BTreeMap::new();
        let w = writes.topic("t").unwrap();
        assert!(w.contradicts(None, &none, equal), "it is not there yet");
        assert!(w.contradicts(Some((&topic("old", 2), &[])), &none, equal), "the one before is still there");
        assert!(w.contradicts(Some((&topic("new", 1), &[])), &none, equal), "not all partitions are there yet");
        assert!(!w.contradicts(Some((&topic("new", 3), &[setting("retention.ms", "9")])), &none, equal), "only a newer look shows this");

        writes.note_topics([("t", WrittenTopic { present: true, settings: ["a".to_string()].into(), ..Default::default() })]);
        let w = writes.topic("t").unwrap();
        assert_eq!((w.id.as_deref(), w.partitions), (Some("new"), Some(2)), "what was written before still holds");
        let recorded = BTreeMap::from([("a".to_string(), Some("1".to_string()))]);
        assert!(w.contradicts(Some((&topic("new", 2), &[setting("a", "0")])), &recorded, equal));
        assert!(!w.contradicts(Some((&topic("new", 2), &[setting("a", "1"), setting("b", "5")])), &recorded, equal));
        assert!(!w.contradicts(Some((&topic("new", 2), &[setting("a", "0")])), &BTreeMap::from([("a".into(), None)]), equal), "not known");
        assert!(w.contradicts(Some((&topic("new", 2), &[setting("a", "0")])), &none, equal), "it was taken back to the default");

        writes.note_topics([("t", WrittenTopic::default())]);
        assert_eq!(writes.deleted_topics(), ["t"]);
        let w = writes.topic("t").unwrap();
        assert!(w.contradicts(Some((&topic("new", 2), &[])), &none, equal) && !w.contradicts(None, &none, equal));
        assert_eq!(w, WrittenTopic::default(), "nothing of the old topic is left");
        assert_eq!(writes.topic("other"), None);
    }

    #[test]
    fn the_next_run_knows_recent_writes_and_no_old_ones() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("writes.json");
        let acl: AclBinding = "ALLOW User:x READ on topic literal t from *".parse().unwrap();
        let first = Writes::kept_in(file.clone());
        first.note_topics([("t", WrittenTopic::default())]);
        first.note_acls([&acl], true);
        let next = Writes::kept_in(file.clone());
        assert_eq!(next.deleted_topics(), ["t"]);
        assert!(next.contradict_acls(&BTreeSet::new()) && !next.contradict_acls(&BTreeSet::from([acl.clone()])));
        // Of a write that was sent and has no answer nobody knows whether it was done.
        next.begin_topics(["t"]);
        next.begin_acls([&acl]);
        let killed = Writes::kept_in(file.clone());
        assert!(killed.deleted_topics().is_empty() && !killed.contradict_acls(&BTreeSet::new()));
        next.note_topics([("t", WrittenTopic::default())]);
        next.note_acls([&acl], false);
        assert!(!next.contradict_acls(&BTreeSet::new()) && next.contradict_acls(&BTreeSet::from([acl])));

        let text = std::fs::read_to_string(&file).unwrap();
        let aged = regex::Regex::new(r"\[\d{13},").unwrap().replace_all(&text, "[1700000000000,").into_owned();
        assert_ne!(aged, text);
        std::fs::write(&file, aged).unwrap();
        let later = Writes::kept_in(file.clone());
        assert!(later.deleted_topics().is_empty() && !file.exists(), "a write of long ago explains nothing");
        assert!(!is_recent(now() + 60_000, now()), "nor does one to come");
    }
}
