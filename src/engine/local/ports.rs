//! Ports: chosen free once, checked again before each start.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::Mutex;

use crate::diag::Diagnostic;
use crate::diag::codes::engine as codes;

/// Below the range from which systems take the ports of outgoing connections, so that a stopped broker's port stays free.
const RANGE: std::ops::Range<u16> = 20_000..32_000;

/// Ports given out by this run but perhaps not bound yet.
static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());

/// A port of loopback that nobody uses, not given out before by this run.
///
/// # Errors
/// When the whole range is in use.
pub fn free() -> Result<u16, Diagnostic> {
    let mut given = GIVEN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let span = RANGE.end - RANGE.start;
    let mut seed = [0u8; 2];
    // Without random numbers the search starts at the beginning; it still finds a free port.
    let _ = getrandom::fill(&mut seed);
    let start = u16::from_le_bytes(seed) % span;
    (0..span)
        .map(|i| RANGE.start + (start + i) % span)
        .find(|port| !given.contains(port) && is_free(*port))
        .inspect(|port| {
            given.insert(*port);
        })
        .ok_or_else(|| {
            Diagnostic::error(codes::PORT_TAKEN, format!("No port from {} to {} is free on 127.0.0.1.", RANGE.start, RANGE.end - 1))
                .hint("End some programs that listen there, or set the ports by hand.")
        })
}

/// Whether nobody listens on this port of loopback.
pub fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// Checks that a port is free before `process` starts on it.
///
/// # Errors
/// When another program listens there.
pub fn check(port: u16, process: &str, listener: &str) -> Result<(), Diagnostic> {
    if is_free(port) {
        return Ok(());
    }
    let who = holder(port).unwrap_or_else(|| "another program".into());
    Err(Diagnostic::error(codes::PORT_TAKEN, format!("Port {port}, which {process} needs for its listener {listener}, is used by {who}."))
        .hint(format!("Find it with `ss -ltnp 'sport = :{port}'` and end it, or give the listener another port.")))
}

/// Who listens on a port, where the system tells this user: `process 4711 (java)`.
fn holder(port: u16) -> Option<String> {
    let inodes: Vec<String> = ["tcp", "tcp6"].iter().flat_map(|table| listening(table, port)).map(|i| format!("socket:[{i}]")).collect();
    let processes = std::fs::read_dir("/proc").ok()?.filter_map(|e| e.ok()?.file_name().to_str()?.parse::<u32>().ok());
    let holds = |pid: &u32| {
        let fds = std::fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten();
        fds.filter_map(|fd| std::fs::read_link(fd.ok()?.path()).ok()).any(|target| inodes.iter().any(|i| target.as_os_str() == i.as_str()))
    };
    let pid = processes.filter(|_| !inodes.is_empty()).find(holds)?;
    let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    Some(format!("process {pid} ({})", name.trim()))
}

/// The inodes of the sockets that listen on a port.
fn listening(table: &str, port: u16) -> Vec<String> {
    const LISTEN: &str = "0A";
    let text = std::fs::read_to_string(format!("/proc/net/{table}")).unwrap_or_default();
    let inode = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let ours = fields.get(1)?.ends_with(&format!(":{port:04X}")) && *fields.get(3)? == LISTEN;
        fields.get(9).filter(|_| ours).map(ToString::to_string)
    };
    text.lines().filter_map(inode).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_differ_and_a_taken_one_is_named() {
        let (a, b) = (free().unwrap(), free().unwrap());
        assert_ne!(a, b);
        let _held = TcpListener::bind((Ipv4Addr::LOCALHOST, a)).unwrap();
        let error = check(a, "broker 1", "INTERNAL").unwrap_err();
        assert_eq!(error.code, codes::PORT_TAKEN);
        let me = format!("process {}", std::process::id());
        assert!(error.detail.contains(&a.to_string()) && error.detail.contains(&me), "{}", error.detail);
        assert!(check(b, "broker 1", "INTERNAL").is_ok());
    }
}
