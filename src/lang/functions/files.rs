//! Functions that read files of the configuration, and on file names.

use std::path::{Component, Path, PathBuf};

use globset::GlobBuilder;

use super::Unknowns::Top;
use super::{CallContext, CallError, Function, Kind, Param, Ret, convert, encoding, text};
use crate::diag::{Diagnostics, io_words};
use crate::value::{Type, Value};

const PATH: Param = Param::new("path", Kind::Str);
const VARS: Param = Param::new("vars", Kind::Any).unknowns(Top).marked();
const STRING: Ret = Ret::Is(Kind::Str);

pub(super) static FUNCTIONS: &[Function] = &[
    Function::new("abspath", &[PATH], STRING, abspath, "The absolute form of a file name."),
    Function::new("basename", &[PATH], STRING, |_, a| Ok(Value::string(basename(text(a, 0)))), "The last part of a file name."),
    Function::new("dirname", &[PATH], STRING, |_, a| Ok(Value::string(dirname(text(a, 0)))), "A file name without its last part."),
    Function::new("file", &[PATH], STRING, |cx, a| read_text(cx, text(a, 0)).map(Value::string), "The content of a text file."),
    Function::new("filebase64", &[PATH], STRING, |cx, a| Ok(encoding::base64(&read(cx, text(a, 0))?)), "The content of a file in base64."),
    Function::new("fileexists", &[PATH], Ret::Is(Kind::Bool), fileexists, "Whether a file is there."),
    Function::new(
        "fileset",
        &[PATH, Param::new("pattern", Kind::Str)],
        Ret::Is(Kind::Set(&Kind::Str)),
        fileset,
        "The files below a folder whose names match a pattern.",
    ),
    Function::new(
        "pathexpand",
        &[PATH],
        STRING,
        |cx, a| expand(cx, text(a, 0)).map(|p| Value::string(p.to_string_lossy())),
        "A file name with ~ replaced by the home folder.",
    ),
    Function::new("templatefile", &[PATH, VARS], Ret::Is(Kind::Any), templatefile, "A file rendered as a template."),
    Function::new(
        "templatestring",
        &[Param::new("template", Kind::Any), VARS],
        Ret::Is(Kind::Str),
        templatestring,
        "A string rendered as a template.",
    ),
];

fn expand(cx: &CallContext<'_>, path: &str) -> Result<PathBuf, CallError> {
    let Some(rest) = path.strip_prefix('~') else { return Ok(PathBuf::from(path)) };
    if !rest.is_empty() && !rest.starts_with('/') {
        return Err(CallError::arg(0, "the home folder of another user cannot be expanded"));
    }
    let home = cx.host.home().ok_or_else(|| CallError::arg(0, "the home folder is not known"))?;
    Ok(home.join(rest.trim_start_matches('/')))
}

fn locate(cx: &CallContext<'_>, path: &str) -> Result<PathBuf, CallError> {
    Ok(cx.root_dir.join(expand(cx, path)?))
}

/// The content of a file, named relative to the root module.
pub(super) fn read(cx: &CallContext<'_>, path: &str) -> Result<Vec<u8>, CallError> {
    let full = locate(cx, path)?;
    cx.host.read(&full).map_err(|e| match e.kind() {
        std::io::ErrorKind::NotFound => CallError::arg(
            0,
            format!("no file exists at \"{path}\"; this function works only with files that are part of the configuration, not with files that resources create"),
        ),
        _ => CallError::arg(0, format!("failed to read \"{path}\": {}", io_words(&e))),
    })
}

fn read_text(cx: &CallContext<'_>, path: &str) -> Result<String, CallError> {
    let invalid = || {
        CallError::arg(
            0,
            format!(
                "contents of \"{path}\" are not valid UTF-8; use the filebase64 function to obtain the base64 encoded contents, or the other file functions (e.g. filemd5, filesha256) to obtain file hashing results"
            ),
        )
    };
    String::from_utf8(read(cx, path)?).map_err(|_| invalid())
}

fn fileexists(cx: &CallContext<'_>, args: &[Value]) -> Result<Value, CallError> {
    let path = text(args, 0);
    let exists = cx.host.file_exists(&locate(cx, path)?);
    exists.map(Value::from).map_err(|e| CallError::arg(0, format!("\"{path}\" is not a regular file: {}", io_words(&e))))
}

/// A path without `.`, `..` and doubled separators.
fn clean(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if out.file_name().is_some() => {
                out.pop();
            }
            Component::ParentDir if out.has_root() => {}
            _ => out.push(part),
        }
    }
    out
}

fn abspath(cx: &CallContext<'_>, args: &[Value]) -> Result<Value, CallError> {
    let path = cx.host.absolute(Path::new(text(args, 0))).map_err(|e| CallError::arg(0, e.to_string()))?;
    Ok(Value::string(clean(&path).to_string_lossy()))
}

fn basename(path: &str) -> String {
    let trimmed = path.trim_end_matches('/');
    match (path.is_empty(), trimmed.is_empty()) {
        (true, _) => ".".to_string(),
        (_, true) => "/".to_string(),
        _ => trimmed.rsplit('/').next().unwrap_or(trimmed).to_string(),
    }
}

fn dirname(path: &str) -> String {
    let dir = path.rfind('/').map_or("", |i| &path[..=i]);
    let dir = clean(Path::new(dir)).to_string_lossy().into_owned();
    if dir.is_empty() { ".".to_string() } else { dir }
}

fn fileset(cx: &CallContext<'_>, args: &[Value]) -> Result<Value, CallError> {
    let pattern = clean(Path::new(text(args, 1))).to_string_lossy().into_owned();
    let glob = GlobBuilder::new(&pattern).literal_separator(true).backslash_escape(true).build();
    let matcher = glob.map_err(|e| CallError::arg(1, format!("failed to glob pattern: {}", e.kind())))?.compile_matcher();
    let dir = locate(cx, text(args, 0))?;
    let names = match cx.host.walk(&dir) {
        Ok(names) => names,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        Err(e) => return Err(CallError::arg(0, format!("failed to read the folder: {}", io_words(&e)))),
    };
    let found = names.iter().filter(|n| matcher.is_match(n)).map(Value::string).collect();
    Ok(Value::set(Type::String, found))
}

fn templatefile(cx: &CallContext<'_>, args: &[Value]) -> Result<Value, CallError> {
    let source = read_text(cx, text(args, 0))?;
    render(cx, text(args, 0), &source, &args[1])
}

fn templatestring(cx: &CallContext<'_>, args: &[Value]) -> Result<Value, CallError> {
    let template = convert(&args[0], &Type::String).map_err(|m| CallError::arg(0, m))?;
    render(cx, "<templatestring argument>", template.as_str().unwrap_or_default(), &args[1])
}

fn render(cx: &CallContext<'_>, name: &str, source: &str, vars: &Value) -> Result<Value, CallError> {
    let map = vars.as_map().ok_or_else(|| CallError::arg(1, "invalid vars value: must be a map"))?;
    if let Some(bad) = map.keys().find(|k| !is_identifier(k)) {
        return Err(CallError::arg(
            1,
            format!(
                "invalid template variable name \"{bad}\": must start with a letter, followed by zero or more letters, digits, and underscores"
            ),
        ));
    }
    let value = (cx.eval_template)(name, source, map).map_err(|d| CallError::arg(1, first_detail(d)))?;
    Ok(value.mark(vars.marks()))
}

fn is_identifier(name: &str) -> bool {
    let mut chars = name.chars();
    chars.next().is_some_and(|c| c.is_alphabetic()) && chars.all(|c| c.is_alphanumeric() || c == '_' || c == '-')
}

fn first_detail(diagnostics: Diagnostics) -> String {
    let detail = diagnostics.into_iter().next().map(|d| d.detail);
    detail.unwrap_or_else(|| "the template cannot be rendered".to_string()).trim_end_matches('.').to_string()
}
