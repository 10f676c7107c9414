//! Arithmetic on IP address prefixes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use dashu_base::UnsignedAbs;
use dashu_int::{IBig, UBig};

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
    /// 32 or 128 bits.
    width: u32,
    bits: u128,
    len: u32,
}

impl Prefix {
    /// An IPv4 address in the form of an IPv6 address; it is shown as IPv4.
    fn mapped(self) -> bool {
        self.width == 128 && self.bits >> 32 == 0xFFFF
    }

    /// The bits that number hosts.
    fn hosts(self) -> u128 {
        1u128.checked_shl(self.width - self.len).map_or(u128::MAX, |n| n - 1)
    }

    fn first(self) -> u128 {
        self.bits & !self.hosts()
    }

    fn address(self, bits: u128) -> String {
        match self.width {
            32 => Ipv4Addr::from(bits as u32).to_string(),
            _ => Ipv6Addr::from(bits).to_canonical().to_string(),
        }
    }

    /// Not masked: host bits that were set stay.
    fn show(self) -> String {
        let len = if self.mapped() { self.len.saturating_sub(96) } else { self.len };
        format!("{}/{len}", self.address(self.bits))
    }
}

fn parse_address(s: &str) -> Option<(u32, u128)> {
    if s.contains(':') {
        return s.parse::<Ipv6Addr>().ok().map(|a| (128, u128::from(a)));
    }
    // Leading zeros are decimal here, as they were before the standard library refused them.
    let parts: Vec<u32> =
        s.split('.').map(|p| p.parse().ok().filter(|n| *n < 256 && p.len() <= 3 && !p.starts_with('+'))).collect::<Option<_>>()?;
    (parts.len() == 4).then(|| (32, parts.iter().fold(0u128, |a, p| a << 8 | u128::from(*p))))
}

fn parse_prefix(s: &str) -> Option<Prefix> {
    let (address, len) = s.split_once('/')?;
    let (width, bits) = parse_address(address)?;
    let len: u32 = len.parse().ok().filter(|n| *n <= width && len.bytes().all(|b| b.is_ascii_digit()))?;
    Some(Prefix { width, bits, len })
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
    let refused = || CallError::new(format!("prefix of {} does not accommodate a host numbered {}", net.len, number(args, 1)));
    let at = match host < IBig::ZERO {
        true => u128::try_from(&(-host - IBig::ONE)).ok().filter(|n| *n <= net.hosts()).map(|n| net.hosts() - n),
        // How much there is room for is counted in 64 bits with a sign, so numbers that have the last bit of them pass.
        false => u128::try_from(&host).ok().filter(|n| u128::try_from(*n as u64 as i64).map_or(true, |low| low <= net.hosts())),
    };
    let at = at.ok_or_else(refused)?;
    // The established tools count the hosts of a mapped prefix from the 32nd bit.
    let at = match net.mapped() {
        true if at > 0xFFFF_FFFF => return Err(refused()),
        true => at << 96,
        false => at,
    };
    let bits = net.first() | at;
    if net.width == 32 && bits > 0xFFFF_FFFF {
        return Err(refused());
    }
    Ok(Value::string(net.address(bits)))
}

fn cidrnetmask(_: &CallContext<'_>, args: &[Value]) -> Result<Value, CallError> {
    let net = prefix(args, 0)?;
    if net.width == 128 && !net.mapped() {
        return Err(CallError::arg(0, "IPv6 addresses cannot have a netmask: use the prefix length"));
    }
    let all = if net.width == 32 { 0xFFFF_FFFF } else { u128::MAX };
    Ok(Value::string(net.address(all & !net.hosts())))
}

fn cidrsubnet(_: &CallContext<'_>, args: &[Value]) -> Result<Value, CallError> {
    let net = prefix(args, 0)?;
    let (new_bits, number) = (whole(args, 1)?, big(args, 2)?);
    let len = i64::from(net.len).saturating_add(new_bits);
    let len = u32::try_from(len).ok().filter(|l| *l <= net.width);
    let len = len.ok_or_else(|| CallError::new(format!("insufficient address space to extend prefix of {} by {new_bits}", net.len)))?;
    let refused = || CallError::new(format!("prefix extension of {new_bits} does not accommodate a subnet numbered {number}"));
    // How much there is room for is counted in 64 bits, and the sign of the number is not looked at.
    let most = if (0..64).contains(&new_bits) { (1u64 << new_bits) - 1 } else { u64::MAX };
    let (sign, magnitude) = number.clone().into_parts();
    let low = u64::try_from(&(&magnitude & UBig::from(u64::MAX))).unwrap_or(u64::MAX);
    if low > most {
        return Err(refused());
    }
    let shifted = IBig::from_parts(sign, magnitude) << (net.width - len) as usize;
    let joined = (IBig::from(net.first()) | shifted).unsigned_abs();
    let bits = u128::try_from(&joined).ok().filter(|b| net.width == 128 || *b <= 0xFFFF_FFFF).ok_or_else(refused)?;
    Ok(Value::string(Prefix { bits, len, ..net }.show()))
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
        if len > net.width {
            let family = if net.width == 32 { "IPv4" } else { "IPv6" };
            return Err(CallError::arg(i, format!("would extend prefix to {len} bits, which is too long for an {family} address")));
        }
        // The established tools look for the subnet after the one before the first, and there is none before address zero.
        if net.first() == 0 || net.mapped() {
            return Err(CallError::arg(i, "not enough remaining address space: a prefix that starts at address zero cannot be divided"));
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
    if outer.width != inner.width {
        return Err(CallError::arg(1, "address family mismatch between the two arguments"));
    }
    let last = inner.first() | inner.hosts();
    Ok((outer.first() <= inner.first() && last <= outer.first() | outer.hosts()).into())
}

fn address(s: &str) -> Option<Prefix> {
    Some(match s.parse::<IpAddr>().ok()?.to_canonical() {
        IpAddr::V4(a) => Prefix { width: 32, bits: u32::from(a).into(), len: 32 },
        IpAddr::V6(a) => Prefix { width: 128, bits: a.into(), len: 128 },
    })
}
