//! Text and data formats: JSON, YAML, CSV, base64, gzip, URLs and character sets.

use std::io::{Read, Write};
use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;

use super::{CallContext, CallError, Function, Kind, Param, Ret, Unknowns, json, text, yaml_decode, yaml_encode};
use crate::value::{Fields, Type, Value};

const STR: Param = Param::new("str", Kind::Str);
const SRC: Param = Param::new("src", Kind::Str);
const ANY: Param = Param::new("val", Kind::Any).nullable().untyped();
const ENCODING: Param = Param::new("encoding", Kind::Str);
const STRING: Ret = Ret::Is(Kind::Str);
/// The most bytes that unpacking may yield.
const MAX_UNPACKED: u64 = 256 << 20;

pub(super) static FUNCTIONS: &[Function] = &[
    Function::new("base64decode", &[STR], STRING, |_, a| utf8(decode64(text(a, 0))?), "The text that base64 encodes."),
    Function::new("base64encode", &[STR], STRING, |_, a| Ok(base64(text(a, 0).as_bytes())), "The text in base64."),
    Function::new("base64gunzip", &[STR], STRING, |_, a| gunzip(text(a, 0)), "The text that was compressed by gzip and encoded in base64."),
    Function::new("base64gzip", &[STR], STRING, |_, a| gzip(text(a, 0)), "The text compressed by gzip, in base64."),
    Function::new("csvdecode", &[STR], Ret::Is(Kind::Any), |_, a| csvdecode(text(a, 0)), "A list of objects from CSV with a header line."),
    Function::new(
        "jsondecode",
        &[STR],
        Ret::Is(Kind::Any),
        |_, a| json::decode(text(a, 0)).map_err(CallError::new),
        "The value that a JSON text writes.",
    ),
    Function::new(
        "jsonencode",
        &[ANY.unknowns(Unknowns::Body)],
        STRING,
        |_, a| match a[0].is_wholly_known() {
            true => json::encode(&a[0]).map(Value::string).map_err(CallError::new),
            false => Ok(json::beginning(&a[0])),
        },
        "The value as JSON.",
    ),
    Function::new(
        "textdecodebase64",
        &[Param::new("source", Kind::Str), ENCODING],
        STRING,
        textdecode,
        "The text that base64 encodes, in a character set.",
    ),
    Function::new(
        "textencodebase64",
        &[Param::new("string", Kind::Str), ENCODING],
        STRING,
        textencode,
        "The text in a character set, in base64.",
    ),
    Function::new("urldecode", &[STR], STRING, |_, a| urldecode(text(a, 0)), "The text that was encoded for a URL."),
    Function::new("urlencode", &[STR], STRING, |_, a| Ok(Value::string(urlencode(text(a, 0)))), "The text encoded for a URL's query."),
    Function::new(
        "yamldecode",
        &[SRC],
        Ret::Is(Kind::Any),
        |_, a| yaml_decode::decode(text(a, 0)).map_err(CallError::new),
        "The value that a YAML document writes.",
    ),
    Function::new(
        "yamlencode",
        &[ANY],
        STRING,
        |_, a| yaml_encode::encode(&a[0]).map(Value::string).map_err(CallError::new),
        "The value as YAML.",
    ),
];

/// Bytes as a base64 string value.
pub(super) fn base64(bytes: &[u8]) -> Value {
    Value::string(BASE64_STANDARD.encode(bytes))
}

/// The bytes that standard base64 encodes; line breaks are passed over.
pub(super) fn decode64(s: &str) -> Result<Vec<u8>, CallError> {
    let compact: String = s.chars().filter(|c| !matches!(c, '\r' | '\n')).collect();
    BASE64_STANDARD.decode(compact).map_err(|e| CallError::new(format!("failed to decode base64 data: {e}")))
}

fn utf8(bytes: Vec<u8>) -> Result<Value, CallError> {
    String::from_utf8(bytes).map(Value::string).map_err(|_| CallError::new("the result of decoding the provided string is not valid UTF-8"))
}

fn gzip(s: &str) -> Result<Value, CallError> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    let packed = encoder.write_all(s.as_bytes()).and_then(|()| encoder.finish());
    packed.map(|bytes| base64(&bytes)).map_err(|e| CallError::new(format!("failed to compress: {e}")))
}

fn gunzip(s: &str) -> Result<Value, CallError> {
    let packed = decode64(s)?;
    let mut bytes = Vec::new();
    let read = MultiGzDecoder::new(packed.as_slice()).take(MAX_UNPACKED).read_to_end(&mut bytes);
    read.map_err(|e| CallError::new(format!("failed to decompress: {e}")))?;
    utf8(bytes)
}

const BYTE_ORDER_MARK: &str = "\u{feff}";

fn csvdecode(s: &str) -> Result<Value, CallError> {
    let s = s.replace("\r\n", "\n");
    // A carriage return that ends the text is half of a line's end.
    let s = s.strip_suffix('\r').unwrap_or(&s);
    check_quotes(s)?;
    // The reader drops one byte order mark; one that is in the text belongs to the first name.
    let mark = if s.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK } else { "" };
    let marked = format!("{mark}{s}");
    let mut reader = csv::ReaderBuilder::new().terminator(csv::Terminator::Any(b'\n')).from_reader(marked.as_bytes());
    let failed = |e: csv::Error| CallError::new(e.to_string());
    let header: Vec<Arc<str>> = reader.headers().map_err(failed)?.iter().map(Arc::from).collect();
    if header.is_empty() {
        return Err(CallError::new("missing header line"));
    }
    if let Some(i) = (1..header.len()).find(|i| header[..*i].contains(&header[*i])) {
        return Err(CallError::new(format!("duplicate column name \"{}\"", header[i])));
    }
    let mut rows = Vec::new();
    for row in reader.records() {
        let row = row.map_err(failed)?;
        let attrs: Fields = header.iter().cloned().zip(row.iter().map(Value::string)).collect();
        rows.push(Value::object(attrs));
    }
    Ok(Value::list(Type::object(header.into_iter().map(|h| (h, Type::String))), rows))
}

/// The csv crate forgives stray quotes; a configuration language should not.
fn check_quotes(s: &str) -> Result<(), CallError> {
    let mut chars = s.chars().peekable();
    let (mut line, mut quoted, mut start) = (1, false, true);
    let wrong = |line: usize, what: &str| Err(CallError::new(format!("line {line}: {what}")));
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.next_if_eq(&'"').is_some() => {}
            '"' if quoted => {
                quoted = false;
                if !matches!(chars.peek(), None | Some(',' | '\n')) {
                    return wrong(line, "extraneous or missing \" in a quoted field");
                }
            }
            '"' if start => quoted = true,
            '"' => return wrong(line, "bare \" in a field that is not quoted"),
            _ => {}
        }
        line += usize::from(c == '\n');
        start = !quoted && matches!(c, ',' | '\n');
    }
    if quoted { wrong(line, "a quoted field does not end") } else { Ok(()) }
}

fn urlencode(s: &str) -> String {
    s.bytes()
        .map(|b| match b {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => (b as char).to_string(),
            b' ' => "+".to_string(),
            _ => format!("%{b:02X}"),
        })
        .collect()
}

fn urldecode(s: &str) -> Result<Value, CallError> {
    let mut bytes = Vec::with_capacity(s.len());
    let mut rest = s.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        rest = tail;
        match first {
            b'+' => bytes.push(b' '),
            b'%' => {
                let hex = rest.get(..2).and_then(|h| std::str::from_utf8(h).ok()).filter(|h| h.bytes().all(|b| b.is_ascii_hexdigit()));
                let byte = hex.and_then(|h| u8::from_str_radix(h, 16).ok());
                bytes.push(byte.ok_or_else(|| CallError::new("failed to decode the URL: a % is not followed by two hexadecimal digits"))?);
                rest = &rest[2..];
            }
            b => bytes.push(*b),
        }
    }
    utf8(bytes)
}

/// A character set by its registered name.
enum Charset {
    Utf16 { big: bool, mark: bool },
    Latin1,
    Ascii,
    Cp437,
    Cp850,
    Other(&'static encoding_rs::Encoding),
}

const CP437: &str =
    "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u{a0}";
const CP850: &str = "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜø£Ø×ƒáíóúñÑªº¿®¬½¼¡«»░▒▓│┤ÁÂÀ©╣║╗╝¢¥┐└┴┬├─┼ãÃ╚╔╩╦╠═╬¤ðÐÊËÈıÍÎÏ┘┌█▄¦Ì▀ÓßÔÒõÕµþÞÚÛÙýÝ¯´\u{ad}±‗¾¶§÷¸°¨·¹³²■\u{a0}";

fn charset(name: &str) -> Result<Charset, CallError> {
    Ok(match name.to_ascii_uppercase().as_str() {
        "UTF-16" | "CSUTF16" => Charset::Utf16 { big: true, mark: true },
        "UTF-16BE" => Charset::Utf16 { big: true, mark: false },
        "UTF-16LE" => Charset::Utf16 { big: false, mark: false },
        "ISO-8859-1" | "LATIN1" | "ISO_8859-1" | "L1" | "CP819" | "IBM819" | "CSISOLATIN1" | "ISO_8859-1:1987" | "ISO-IR-100" => {
            Charset::Latin1
        }
        "CP437" | "IBM437" | "437" => Charset::Cp437,
        "CP850" | "IBM850" | "850" => Charset::Cp850,
        "CP936" | "MS936" | "WINDOWS-936" => Charset::Other(encoding_rs::GBK),
        "US-ASCII" | "ANSI_X3.4-1968" => Charset::Ascii,
        "CSUTF8" => Charset::Other(encoding_rs::UTF_8),
        "LATIN-9" => Charset::Other(encoding_rs::ISO_8859_15),
        upper if UNREGISTERED.contains(&upper) => return Err(unsupported(name)),
        _ => Charset::Other(encoding_rs::Encoding::for_label(name.as_bytes()).ok_or_else(|| unsupported(name))?),
    })
}

/// Labels that browsers take but that are no registered names, or name sets that the established tools do not have.
const UNREGISTERED: &[&str] = &[
    "ASCII",
    "UTF8",
    "CP1250",
    "CP1251",
    "CP1252",
    "CP1253",
    "CP1254",
    "CP1255",
    "CP1256",
    "CP1257",
    "CP1258",
    "X-CP1250",
    "X-CP1251",
    "X-CP1252",
    "X-CP1253",
    "X-CP1254",
    "X-CP1255",
    "X-CP1256",
    "X-CP1257",
    "X-CP1258",
    "ISO-10646-UCS-2",
    "ISO-2022-CN",
    "ISO-2022-CN-EXT",
    "ISO-2022-KR",
    "ISO-8859-11",
    "ISO8859-1",
    "ISO8859-2",
    "ISO8859-5",
    "ISO8859-7",
    "ISO8859-15",
    "KSC_5601",
    "KS_C_5601-1987",
    "TIS-620",
    "WINDOWS-31J",
    "BIG5-HKSCS",
    "CN-BIG5",
    "CHINESE",
    "DOS-874",
    "GB2312",
    "KOI8",
    "KOREAN",
    "L9",
    "LOGICAL",
    "VISUAL",
    "REPLACEMENT",
    "SJIS",
    "UNICODE",
    "UNICODE-1-1-UTF-8",
    "X-GBK",
    "X-MAC-CYRILLIC",
    "X-SJIS",
    "X-USER-DEFINED",
    "X-X-BIG5",
    "HZ-GB-2312",
];

fn unsupported(name: &str) -> CallError {
    CallError::arg(1, format!("\"{name}\" is not a supported IANA encoding name or alias"))
}

fn textencode(_: &CallContext<'_>, args: &[Value]) -> Result<Value, CallError> {
    let s = text(args, 0);
    let foreign = || CallError::arg(0, "the given string contains characters that cannot be represented in the encoding");
    let bytes = match charset(text(args, 1))? {
        Charset::Utf16 { big, mark } => {
            let units = mark.then_some(0xFEFF).into_iter().chain(s.encode_utf16());
            units.flat_map(|u| if big { u.to_be_bytes() } else { u.to_le_bytes() }).collect()
        }
        Charset::Ascii if !s.is_ascii() => return Err(foreign()),
        Charset::Latin1 | Charset::Ascii => {
            s.chars().map(|c| u8::try_from(c as u32).map_err(|_| foreign())).collect::<Result<Vec<u8>, _>>()?
        }
        Charset::Cp437 => s.chars().map(|c| to_page(c, CP437).ok_or_else(foreign)).collect::<Result<_, _>>()?,
        Charset::Cp850 => s.chars().map(|c| to_page(c, CP850).ok_or_else(foreign)).collect::<Result<_, _>>()?,
        Charset::Other(encoding) => match encoding.encode(s) {
            (bytes, _, false) => bytes.into_owned(),
            _ => return Err(foreign()),
        },
    };
    Ok(base64(&bytes))
}

fn textdecode(_: &CallContext<'_>, args: &[Value]) -> Result<Value, CallError> {
    let bytes = decode64(text(args, 0)).map_err(|_| CallError::arg(0, "the given value is not valid base64"))?;
    let wrong = || CallError::arg(0, "the given bytes are not valid in the encoding");
    let decoded = match charset(text(args, 1))? {
        Charset::Utf16 { big, mark } => utf16(&bytes, big, mark).ok_or_else(wrong)?,
        Charset::Ascii if !bytes.is_ascii() => return Err(wrong()),
        Charset::Latin1 | Charset::Ascii => bytes.iter().map(|b| *b as char).collect(),
        Charset::Cp437 => bytes.iter().map(|b| from_page(*b, CP437)).collect(),
        Charset::Cp850 => bytes.iter().map(|b| from_page(*b, CP850)).collect(),
        Charset::Other(encoding) => match encoding.decode_without_bom_handling(&bytes) {
            // The standards of this family leave the second range of control characters to others.
            (s, false) if encoding.name().starts_with("ISO-8859") && s.contains(|c| matches!(c, '\u{80}'..='\u{9f}')) => {
                return Err(wrong());
            }
            (s, false) => s.into_owned(),
            _ => return Err(wrong()),
        },
    };
    Ok(Value::string(decoded))
}

fn to_page(c: char, page: &str) -> Option<u8> {
    match c.is_ascii() {
        true => Some(c as u8),
        false => page.chars().position(|p| p == c).map(|i| 128 + i as u8),
    }
}

fn from_page(b: u8, page: &str) -> char {
    match b {
        0..=127 => b as char,
        _ => page.chars().nth(usize::from(b) - 128).unwrap_or('\u{FFFD}'),
    }
}

fn utf16(bytes: &[u8], big: bool, mark: bool) -> Option<String> {
    let (big, bytes) = match bytes {
        [0xFF, 0xFE, rest @ ..] if mark => (false, rest),
        [0xFE, 0xFF, rest @ ..] if mark => (true, rest),
        _ => (big, bytes),
    };
    if bytes.len() % 2 == 1 {
        return None;
    }
    let unit = |p: &[u8]| if big { u16::from_be_bytes([p[0], p[1]]) } else { u16::from_le_bytes([p[0], p[1]]) };
    char::decode_utf16(bytes.chunks_exact(2).map(unit)).collect::<Result<_, _>>().ok()
}
