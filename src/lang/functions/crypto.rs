//! Hashes, identifiers and decryption.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use md5::Md5;
use rsa::pkcs1::DecodeRsaPrivateKey;
use rsa::pkcs8::DecodePrivateKey;
use rsa::{BoxedUint, Pkcs1v15Encrypt, PrivateKey};
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};
use uuid::Uuid;

use super::encoding::{base64, decode64};
use super::files::read;
use super::{CallContext, CallError, Function, Kind, Param, Ret, text, whole};
use crate::value::{Type, Value};

const STR: Param = Param::new("str", Kind::Str);
const PATH: Param = Param::new("path", Kind::Str);
const STRING: Ret = Ret::Is(Kind::Str);
/// bcrypt's work factor where none is given.
const DEFAULT_COST: i64 = 10;

pub(super) static FUNCTIONS: &[Function] = &[
    Function::new(
        "base64sha256",
        &[STR],
        STRING,
        |_, a| Ok(base64(&Sha256::digest(text(a, 0)))),
        "The SHA-256 hash of a string, in base64.",
    ),
    Function::new(
        "base64sha512",
        &[STR],
        STRING,
        |_, a| Ok(base64(&Sha512::digest(text(a, 0)))),
        "The SHA-512 hash of a string, in base64.",
    ),
    Function::new("bcrypt", &[STR], STRING, bcrypt, "The bcrypt hash of a string; not known while planning.")
        .rest(Param::new("cost", Kind::Num)),
    Function::new(
        "filebase64sha256",
        &[PATH],
        STRING,
        |cx, a| Ok(base64(&Sha256::digest(read(cx, text(a, 0))?))),
        "The SHA-256 hash of a file, in base64.",
    ),
    Function::new(
        "filebase64sha512",
        &[PATH],
        STRING,
        |cx, a| Ok(base64(&Sha512::digest(read(cx, text(a, 0))?))),
        "The SHA-512 hash of a file, in base64.",
    ),
    Function::new("filemd5", &[PATH], STRING, |cx, a| Ok(hex(&Md5::digest(read(cx, text(a, 0))?))), "The MD5 hash of a file."),
    Function::new("filesha1", &[PATH], STRING, |cx, a| Ok(hex(&Sha1::digest(read(cx, text(a, 0))?))), "The SHA-1 hash of a file."),
    Function::new("filesha256", &[PATH], STRING, |cx, a| Ok(hex(&Sha256::digest(read(cx, text(a, 0))?))), "The SHA-256 hash of a file."),
    Function::new("filesha512", &[PATH], STRING, |cx, a| Ok(hex(&Sha512::digest(read(cx, text(a, 0))?))), "The SHA-512 hash of a file."),
    Function::new("md5", &[STR], STRING, |_, a| Ok(hex(&Md5::digest(text(a, 0)))), "The MD5 hash of a string."),
    Function::new(
        "rsadecrypt",
        &[Param::new("ciphertext", Kind::Str), Param::new("privatekey", Kind::Str)],
        STRING,
        rsadecrypt,
        "What an RSA key encrypted, from base64.",
    ),
    Function::new("sha1", &[STR], STRING, |_, a| Ok(hex(&Sha1::digest(text(a, 0)))), "The SHA-1 hash of a string."),
    Function::new("sha256", &[STR], STRING, |_, a| Ok(hex(&Sha256::digest(text(a, 0)))), "The SHA-256 hash of a string."),
    Function::new("sha512", &[STR], STRING, |_, a| Ok(hex(&Sha512::digest(text(a, 0)))), "The SHA-512 hash of a string."),
    Function::new("uuid", &[], STRING, uuid, "A random identifier; not known while planning."),
    Function::new(
        "uuidv5",
        &[Param::new("namespace", Kind::Str), Param::new("name", Kind::Str)],
        STRING,
        uuidv5,
        "The identifier of a name in a namespace.",
    ),
];

fn hex(bytes: &[u8]) -> Value {
    Value::string(bytes.iter().map(|b| format!("{b:02x}")).collect::<String>())
}

fn later() -> Value {
    Value::unknown_not_null(Type::String)
}

fn bcrypt(cx: &CallContext<'_>, args: &[Value]) -> Result<Value, CallError> {
    if args.len() > 2 {
        return Err(CallError::new("bcrypt() takes no more than two arguments"));
    }
    let cost = if args.len() == 2 { whole(args, 1)? } else { DEFAULT_COST };
    let cost = if cost < 4 { DEFAULT_COST } else { cost };
    if cost > 31 {
        return Err(CallError::arg(1, "the cost must be between 4 and 31"));
    }
    if text(args, 0).len() > 72 {
        return Err(CallError::arg(0, "bcrypt hashes at most 72 bytes"));
    }
    let Some(salt) = cx.host.random() else { return Ok(later()) };
    let parts = bcrypt::hash_with_salt(text(args, 0), cost as u32, salt);
    parts
        .map(|p| Value::string(p.format_for_version(bcrypt::Version::TwoA)))
        .map_err(|_| CallError::new("error occurred generating the hash"))
}

fn uuid(cx: &CallContext<'_>, _: &[Value]) -> Result<Value, CallError> {
    Ok(cx.host.random().map_or_else(later, |bytes| Value::string(uuid::Builder::from_random_bytes(bytes).into_uuid().to_string())))
}

fn uuidv5(_: &CallContext<'_>, args: &[Value]) -> Result<Value, CallError> {
    let namespace = match text(args, 0) {
        "dns" => Uuid::NAMESPACE_DNS,
        "url" => Uuid::NAMESPACE_URL,
        "oid" => Uuid::NAMESPACE_OID,
        "x500" => Uuid::NAMESPACE_X500,
        other => Uuid::parse_str(other)
            .map_err(|_| CallError::arg(0, "uuidv5() doesn't support this namespace: use dns, url, oid, x500 or a UUID"))?,
    };
    Ok(Value::string(Uuid::new_v5(&namespace, text(args, 1).as_bytes()).to_string()))
}

/// Messages say nothing of the key or the text: both are secrets.
fn rsadecrypt(_: &CallContext<'_>, args: &[Value]) -> Result<Value, CallError> {
    let ciphertext =
        decode64(text(args, 0)).map_err(|_| CallError::arg(0, "failed to decode input: cipher text must be base64-encoded"))?;
    let key = private_key(text(args, 1).trim())
        .ok_or_else(|| CallError::arg(1, "must be an RSA private key in PEM form, without a passphrase"))?;
    let plain = key
        .decrypt(Pkcs1v15Encrypt, &ciphertext)
        .map_err(|_| CallError::arg(0, "failed to decrypt: the key does not fit, or the cipher text is damaged"))?;
    String::from_utf8(plain).map(Value::string).map_err(|_| CallError::arg(0, "the decrypted text is not valid UTF-8"))
}

fn private_key(pem: &str) -> Option<PrivateKey> {
    PrivateKey::from_pkcs1_pem(pem).ok().or_else(|| PrivateKey::from_pkcs8_pem(pem).ok()).or_else(|| openssh_key(pem))
}

/// An unencrypted RSA key in OpenSSH's own container.
fn openssh_key(pem: &str) -> Option<PrivateKey> {
    let body = pem.strip_prefix("-----BEGIN OPENSSH PRIVATE KEY-----")?.strip_suffix("-----END OPENSSH PRIVATE KEY-----")?;
    let compact: String = body.split_whitespace().collect();
    let bytes = BASE64_STANDARD.decode(compact).ok()?;
    let mut outer = Fields(bytes.strip_prefix(b"openssh-key-v1\0")?);
    let cipher = outer.field()?;
    let (_kdf, _options) = (outer.field()?, outer.field()?);
    if cipher != b"none" || outer.int()? != 1 {
        return None;
    }
    let _public = outer.field()?;
    let mut inner = Fields(outer.field()?);
    if inner.int()? != inner.int()? || inner.field()? != b"ssh-rsa" {
        return None;
    }
    let mut next = || inner.field().map(BoxedUint::from_be_slice_vartime);
    let (n, e, d, _iqmp, p, q) = (next()?, next()?, next()?, next()?, next()?, next()?);
    PrivateKey::from_components(n, e, d, vec![p, q]).ok()
}

/// A sequence of length-prefixed fields.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn int(&mut self) -> Option<u32> {
        let (head, tail) = self.0.split_first_chunk::<4>()?;
        self.0 = tail;
        Some(u32::from_be_bytes(*head))
    }

    fn field(&mut self) -> Option<&'a [u8]> {
        let len = self.int()? as usize;
        let (head, tail) = self.0.split_at_checked(len)?;
        self.0 = tail;
        Some(head)
    }
}
