//! `fmt`: formats files as `terraform fmt` does. Exit 0; 3 when `-check` finds something; 2 on a syntax error.

use std::path::{Path, PathBuf};

use similar::TextDiff;

use super::args::FmtCommand;
use crate::diag::codes::cli as codes;
use crate::diag::{Diagnostic, Diagnostics, Sources, io_words};
use crate::lang::fmt::format;
use crate::ops::{Exit, Result, Terminal};

/// Runs it.
pub fn run(a: &FmtCommand, terminal: &Terminal) -> Result {
    if a.paths.iter().any(|p| p == Path::new("-")) {
        return stdin(a, terminal);
    }
    let roots = if a.paths.is_empty() { vec![PathBuf::from(".")] } else { a.paths.clone() };
    let mut files = Vec::new();
    for root in &roots {
        let mut found = Vec::new();
        if let Err(failure) = collect(root, a.recursive, true, &mut found) {
            terminal.diagnostics(&failure.diagnostics, &failure.sources);
            return Ok(Exit::Changes);
        }
        found.sort();
        files.append(&mut found);
    }
    let mut changed = false;
    let mut failed = false;
    for path in &files {
        let shown = path.strip_prefix(".").unwrap_or(path).display().to_string();
        let text = match crate::disk::read_text(path) {
            Ok(text) => text,
            Err(e) => {
                failed = true;
                terminal.diagnostics(&file_error(path, &e).into(), &Sources::default());
                continue;
            }
        };
        match format(&text) {
            Err(diagnostics) => {
                failed = true;
                report(&diagnostics, &shown, &text, terminal);
            }
            Ok(new) if new != text => {
                changed = true;
                if a.list {
                    terminal.line(&shown);
                }
                if a.diff {
                    terminal.print(&diff(&shown, &text, &new));
                }
                if a.write && !a.check {
                    replace(path, &new)?;
                }
            }
            Ok(_) => {}
        }
    }
    Ok(match (failed, changed && a.check) {
        (true, _) => Exit::Changes,
        (_, true) => Exit::Unformatted,
        _ => Exit::Success,
    })
}

fn stdin(a: &FmtCommand, terminal: &Terminal) -> Result {
    let text = crate::disk::stream_text(std::io::stdin()).map_err(|e| file_error(Path::new("standard input"), &e))?;
    let new = match format(&text) {
        Ok(new) => new,
        Err(diagnostics) => {
            report(&diagnostics, "<stdin>", &text, terminal);
            return Ok(Exit::Changes);
        }
    };
    // terraform ends what it writes from standard input with a line break.
    let new = if new.is_empty() || new.ends_with('\n') { new } else { format!("{new}\n") };
    if a.diff {
        terminal.print(&diff("<stdin>", &text, &new));
    } else if !a.check {
        terminal.print(&new);
    }
    Ok(if a.check && new != text { Exit::Unformatted } else { Exit::Success })
}

fn report(diagnostics: &Diagnostics, name: &str, text: &str, terminal: &Terminal) {
    let mut sources = Sources::default();
    sources.add(name, text);
    terminal.diagnostics(diagnostics, &sources);
}

fn file_error(path: &Path, e: &std::io::Error) -> Diagnostic {
    Diagnostic::error(codes::FILE, format!("{} cannot be used: {}.", path.display(), io_words(e)))
}

fn formats(path: &Path) -> bool {
    path.extension().is_some_and(|x| matches!(x.to_str(), Some("hcl" | "tf" | "tfvars")))
}

fn not_formatted(path: &Path) -> Diagnostic {
    let d = Diagnostic::error(codes::FILE, format!("{} is no configuration or variable file.", path.display()));
    d.hint("fmt formats files whose names end with .hcl, .tf or .tfvars.")
}

fn collect(path: &Path, recursive: bool, top: bool, out: &mut Vec<PathBuf>) -> Result<()> {
    let meta = std::fs::metadata(path).map_err(|e| file_error(path, &e))?;
    if meta.is_file() {
        match (formats(path), top) {
            (true, _) => out.push(path.to_path_buf()),
            (false, true) => return Err(not_formatted(path).into()),
            (false, false) => {}
        }
        return Ok(());
    }
    for entry in std::fs::read_dir(path).map_err(|e| file_error(path, &e))? {
        let entry = entry.map_err(|e| file_error(path, &e))?;
        let hidden = entry.file_name().to_string_lossy().starts_with('.');
        let dir = entry.file_type().is_ok_and(|t| t.is_dir());
        if !hidden && (!dir || recursive) {
            collect(&entry.path(), recursive, false, out)?;
        }
    }
    Ok(())
}

/// Writes beside and renames, so that a full disk leaves the old file. A link goes on leading to its file.
fn replace(path: &Path, text: &str) -> Result<()> {
    let path = &std::fs::canonicalize(path).map_err(|e| file_error(path, &e))?;
    let dir = path.parent().filter(|d| !d.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let write = || -> std::io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(dir)?;
        std::io::Write::write_all(&mut file, text.as_bytes())?;
        std::fs::set_permissions(file.path(), std::fs::metadata(path)?.permissions())?;
        file.persist(path)?;
        Ok(())
    };
    write().map_err(|e| file_error(path, &e).into())
}

fn diff(name: &str, old: &str, new: &str) -> String {
    TextDiff::from_lines(old, new).unified_diff().header(&format!("old/{name}"), &format!("new/{name}")).to_string()
}
