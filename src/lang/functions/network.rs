//! Arithmetic on IP address prefixes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use dashu_int::IBig;

use super::{CallContext, CallError, Function, Kind, Param, Ret, number, strings, text, whole};
use crate::value::Value;

const PREFIX: Param = Param::new("prefix", Kind::Str);
const STRING: Ret = Ret::Is(Kind::Str);

pub(super) static FUNCTIONS: &[Function] = &[
    Function::new(
        "cidrcontains",
        &[Param::new("containing_prefix", Kind::Str), Param::new("contained_ip_or_prefix", Kind::Str)],
        Ret::Is(Kind::Bool),
        cidrcontains,
        "Whether a prefix contains an address or another prefix.",
    ),
    Function::new(
        "cidrhost",
        &[PREFIX, Param::new("hostnum", Kind::Num)],
        STRING,
        cidrhost,
        "The address of a host in a prefix; negative numbers count from its end.",
    ),
    Function::new("cidrnetmask", &[PREFIX], STRING, cidrnetmask, "The netmask of an IPv4 prefix."),
    Function::new(
        "cidrsubnet",
        &[PREFIX, Param::new("newbits", Kind::Num), Param::new("netnum", Kind::Num)],
        STRING,
        cidrsubnet,
        "A subnet of a prefix.",
    ),
    Function::new("cidrsubnets", &[PREFIX], Ret::Is(Kind::List(&Kind::Str)), cidrsubnets, "Consecutive subnets of a prefix.")
        .rest(Param::new("newbits", Kind::Num)),
];

/// An address prefix; the address may have host bits set.
#[derive(Clone, Copy)]
struct Prefix {
    v4: bool,
    bits: u128,
    len: u32,
}

impl Prefix {
    fn width(self) -> u32 {
        if self.v4 { 32 } else { 128 }
    }

    /// The bits that number hosts.
    fn hosts(self) -> u128 {
        1u128.checked_shl(self.width() - self.len).map_or(u128::MAX, |n| n - 1)
    }

    fn first(self) -> u128 {
        self.bits & !self.hosts()
    }

    fn address(self, bits: u128) -> String {
        match self.v4 {
            true => Ipv4Addr::from(bits as u32).to_string(),
            false => Ipv6Addr::from(bits).to_string(),
        }
    }

    fn show(self) -> String {
        format!("{}/{}", self.address(self.first()), self.len)
    }
}

fn parse_address(s: &str) -> Option<(bool, u128)> {
    if s.contains(':') {
        return s.parse::<Ipv6Addr>().ok().map(|a| (false, u128::from(a)));
    }
    // Leading zeros are decimal here, as they were before the standard library refused them.
    let parts: Vec<u32> =
        s.split('.').map(|p| p.parse().ok().filter(|n| *n < 256 && p.len() <= 3 && !p.starts_with('+'))).collect::<Option<_>>()?;
    (parts.len() == 4).then(|| (true, parts.iter().fold(0u128, |a, p| a << 8 | u128::from(*p))))
}

fn parse_prefix(s: &str) -> Option<Prefix> {
    let (address, len) = s.split_once('/')?;
    let (v4, bits) = parse_address(address)?;
    let len: u32 = len.parse().ok().filter(|_| len.bytes().all(|b| b.is_ascii_digit()))?;
    let prefix = Prefix { v4, bits, len };
    let mapped = !v4 && len >= 96 && bits >> 32 == 0xFFFF;
    match mapped {
        _ if len > prefix.width() => None,
        true => Some(Prefix { v4: true, bits: bits & 0xFFFF_FFFF, len: len - 96 }),
        false => Some(prefix),
    }
}

fn prefix(args: &[Value], i: usize) -> Result<Prefix, CallError> {
    parse_prefix(text(args, i))
        .ok_or_else(|| CallError::arg(i, format!("invalid CIDR expression: invalid CIDR address: {}", text(args, i))))
}

fn big(args: &[Value], i: usize) -> Result<IBig, CallError> {
    number(args, i).to_ibig().ok_or_else(|| CallError::arg(i, "a whole number is required"))
}

fn cidrhost(_: &CallContext<'_>, args: &[Value]) -> Result<Value, CallError> {
    let net = prefix(args, 0)?;
    let host = big(args, 1)?;
    let negative = host < IBig::ZERO;
    let from_end = if negative { -host - IBig::ONE } else { host };
    let at = u128::try_from(&from_end).ok().filter(|n| *n <= net.hosts());
    let at = at.ok_or_else(|| CallError::new(format!("prefix of {} does not accommodate a host numbered {}", net.len, number(args, 1))))?;
    let at = if negative { net.hosts() - at } else { at };
    Ok(Value::string(net.address(net.first() | at)))
}

fn cidrnetmask(_: &CallContext<'_>, args: &[Value]) -> Result<Value, CallError> {
    let net = prefix(args, 0)?;
    if !net.v4 {
        return Err(CallError::arg(0, "IPv6 addresses cannot have a netmask: use the prefix length"));
    }
    Ok(Value::string(net.address(0xFFFF_FFFF & !net.hosts())))
}

fn cidrsubnet(_: &CallContext<'_>, args: &[Value]) -> Result<Value, CallError> {
    let net = prefix(args, 0)?;
    let (new_bits, number) = (whole(args, 1)?, big(args, 2)?);
    let len = i64::from(net.len).saturating_add(new_bits);
    let len = u32::try_from(len).ok().filter(|l| *l <= net.width());
    let len = len.ok_or_else(|| CallError::new(format!("insufficient address space to extend prefix of {} by {new_bits}", net.len)))?;
    let sub = Prefix { len, ..net };
    let most = 1u128.checked_shl(new_bits.max(0) as u32).map_or(u128::MAX, |n| n - 1);
    let at = u128::try_from(&number).ok().filter(|n| *n <= most);
    let at = at.ok_or_else(|| CallError::new(format!("prefix extension of {new_bits} does not accommodate a subnet numbered {number}")))?;
    let first = if new_bits < 0 { sub.first() } else { net.first() };
    let shifted = at.checked_shl(sub.width() - len).unwrap_or(0);
    Ok(Value::string(Prefix { bits: first | shifted, ..sub }.show()))
}

fn cidrsubnets(_: &CallContext<'_>, args: &[Value]) -> Result<Value, CallError> {
    let net = prefix(args, 0)?;
    let last = net.first() | net.hosts();
    let mut next = Some(net.first());
    let mut out = Vec::new();
    for i in 1..args.len() {
        let by = whole(args, i)?;
        if by < 1 {
            return Err(CallError::arg(i, "must extend prefix by at least one bit"));
        }
        if by > 32 {
            return Err(CallError::arg(i, "may not extend prefix by more than 32 bits"));
        }
        let len = net.len + by as u32;
        if len > net.width() {
            let family = if net.v4 { "IPv4" } else { "IPv6" };
            return Err(CallError::arg(i, format!("would extend prefix to {len} bits, which is too long for an {family} address")));
        }
        let sub = Prefix { len, ..net };
        // The first address at or after `next` that a subnet of this size can start at.
        let start = next.and_then(|n| n.checked_add(sub.hosts())).map(|n| n & !sub.hosts()).filter(|n| *n <= last);
        let full = || CallError::arg(i, format!("not enough remaining address space for a subnet with a prefix of {len} bits"));
        let start = start.ok_or_else(full)?;
        out.push(Prefix { bits: start, ..sub }.show());
        next = (start | sub.hosts()).checked_add(1);
    }
    Ok(strings(out))
}

fn cidrcontains(_: &CallContext<'_>, args: &[Value]) -> Result<Value, CallError> {
    let outer = prefix(args, 0)?;
    let inner = match parse_prefix(text(args, 1)) {
        Some(prefix) => prefix,
        None => address(text(args, 1)).ok_or_else(|| CallError::arg(1, "invalid IP address or prefix"))?,
    };
    if outer.v4 != inner.v4 {
        return Err(CallError::arg(1, "address family mismatch between the two arguments"));
    }
    let last = inner.first() | inner.hosts();
    Ok((outer.first() <= inner.first() && last <= outer.first() | outer.hosts()).into())
}

fn address(s: &str) -> Option<Prefix> {
    Some(match s.parse::<IpAddr>().ok()?.to_canonical() {
        IpAddr::V4(a) => Prefix { v4: true, bits: u32::from(a).into(), len: 32 },
        IpAddr::V6(a) => Prefix { v4: false, bits: a.into(), len: 128 },
    })
}
