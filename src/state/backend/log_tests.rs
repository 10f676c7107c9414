//! The log as a file: what is whole, what is not.

use std::io::Write;

use proptest::prelude::*;

use super::*;
use crate::state::backend::Changes;

fn key() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof!["[a-c]{1,2}".prop_map(String::into_bytes), (1..4u64).prop_map(|n| [b"u/", &n.to_be_bytes()[..], b"/x"].concat())]
}

fn batch() -> impl Strategy<Value = Batch> {
    let changes = prop::collection::btree_map(key(), prop::option::of(prop::collection::vec(any::<u8>(), 0..40)), 1..5);
    (changes, prop::option::weighted(0.2, 1..3u64)).prop_map(|(changes, prune): (Changes, _)| Batch { changes, prune })
}

fn created(dir: &Path, content: &Content, stamp: Stamp) -> Log {
    let entries = content.iter().map(|(k, v)| Ok::<_, io::Error>((k.as_slice().into(), v.as_slice().into())));
    Log::create(dir, stamp, entries).unwrap()
}

fn opened(dir: &Path) -> File {
    File::options().read(true).write(true).open(dir.join("log")).unwrap()
}

fn part(all: &Content, history: bool) -> Content {
    all.iter().filter(|(k, _)| is_history(k) == history).map(|(k, v)| (k.clone(), v.clone())).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    /// Wherever it is cut, the log gives the state after some batch: the last one that is whole in it.
    #[test]
    fn a_cut_log_is_a_prefix(start in batch(), batches in prop::collection::vec(batch(), 1..6), cut in 0.0..1.0f64, flip in any::<u8>()) {
        let dir = tempfile::tempdir().unwrap();
        let mut content = Content::new();
        start.apply(&mut content);
        let first = Stamp::default().next();
        let mut log = created(dir.path(), &content, first);
        let mut states = vec![(log.end, first, content.clone())];
        log.begin().unwrap();
        for b in &batches {
            b.apply(&mut content);
            let stamp = states.last().unwrap().1.next();
            log.add(stamp, b).unwrap();
            states.push((log.end, stamp, content.clone()));
        }
        for want in [Want::Content, Want::History] {
            let found = read(&opened(dir.path()), want).unwrap().unwrap();
            prop_assert_eq!((found.stamp, found.content), (states.last().unwrap().1, part(&content, want == Want::History)));
        }
        let since = read(&opened(dir.path()), Want::Since(first.revision)).unwrap().unwrap().since.unwrap();
        let mut followed = states[0].2.clone();
        since.apply(&mut followed);
        prop_assert_eq!(&followed, &content);
        let whole = std::fs::read(dir.path().join("log")).unwrap();
        let at = (whole.len() as f64 * cut) as usize;
        let expected = states.iter().rev().find(|(end, ..)| *end <= at as u64);
        std::fs::write(dir.path().join("log"), &whole[..at]).unwrap();
        let found = read(&opened(dir.path()), Want::Content).unwrap();
        prop_assert_eq!(found.as_ref().map(|f| (f.stamp, f.content.clone())), expected.map(|(_, s, c)| (*s, part(c, false))));
        if flip > 0 && at < whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= flip;
            std::fs::write(dir.path().join("log"), &bytes).unwrap();
            let found = read(&opened(dir.path()), Want::Content).unwrap();
            let known = found.is_none_or(|f| states.iter().any(|(_, s, c)| f.stamp == *s && f.content == part(c, false)));
            prop_assert!(known, "a flipped byte at {} made another state", at);
        }
    }
}

#[test]
fn a_writer_goes_on_behind_what_is_whole() {
    let dir = tempfile::tempdir().unwrap();
    let first = Stamp::default().next();
    let mut log = created(dir.path(), &Content::new(), first);
    let set = |k: &[u8], v: &[u8]| Batch { changes: [(k.to_vec(), Some(v.to_vec()))].into(), prune: None };
    log.add(first.next(), &set(b"a", b"1")).unwrap();
    let end = log.end;
    opened(dir.path()).write_all_at(b"half a record", end).unwrap();
    let file = opened(dir.path());
    let found = read(&file, Want::Stamp).unwrap().unwrap();
    assert_eq!(found.end, end);
    let mut log = Log::resume(file, &found).unwrap();
    log.add(found.stamp.next(), &set(b"b", b"2")).unwrap();
    let found = read(&opened(dir.path()), Want::Content).unwrap().unwrap();
    assert_eq!(found.content, Content::from([(b"a".to_vec(), b"1".to_vec()), (b"b".to_vec(), b"2".to_vec())]));
}

#[test]
fn a_log_of_another_version_is_not_read() {
    let dir = tempfile::tempdir().unwrap();
    created(dir.path(), &Content::new(), Stamp::default().next());
    let text = std::fs::read(dir.path().join("log")).unwrap();
    let mut other = record(START, &[b"streamform log 2\n", &Stamp::default().bytes()[..]].concat()).unwrap();
    other.extend(&text[other.len()..]);
    let mut file = opened(dir.path());
    file.write_all(&other).unwrap();
    assert!(read(&file, Want::Content).unwrap().is_none());
}
