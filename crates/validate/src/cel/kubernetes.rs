//! Functions of the values that Kubernetes adds to CEL.

use super::super::amount;
use super::values::{Cidr, FORMATS, Ip, Url, Version};
use ::cel::extractors::{Arguments, This};
use ::cel::objects::{Key, Map, Opaque, OptionalValue};
use ::cel::{Context, ExecutionError, Value};
use std::cmp::Ordering;
use std::collections::HashMap;
use std::sync::Arc;

type Answer = Result<Value, ExecutionError>;

/// An amount, in thousandths.
#[derive(Debug, PartialEq, Eq)]
struct Quantity(i128);

/// A named format: its place in [`FORMATS`].
#[derive(Debug, PartialEq, Eq)]
struct Format(usize);

macro_rules! opaque {
    ($($of:ty => $name:literal),*) => {
        $(impl Opaque for $of {
            fn runtime_type_name(&self) -> &'static str {
                $name
            }
        })*
    };
}

opaque!(
    Quantity => "kubernetes.Quantity", Url => "kubernetes.URL", Ip => "net.IP", Cidr => "net.CIDR",
    Version => "kubernetes.Semver", Format => "kubernetes.NamedFormat"
);

fn opaque<T: Opaque>(value: T) -> Value {
    Value::Opaque(Arc::new(value))
}

fn text(value: impl Into<String>) -> Value {
    Value::String(Arc::new(value.into()))
}

fn optional(value: Option<Value>) -> Value {
    opaque(value.map_or_else(OptionalValue::none, OptionalValue::of))
}

/// What a value is, or that the function is none for it.
fn as_of<T: 'static>(value: &Value) -> Result<&T, ExecutionError> {
    let found = if let Value::Opaque(opaque) = value { opaque.downcast_ref::<T>() } else { None };
    found.ok_or_else(|| ExecutionError::unsupported_target_type(value.clone()))
}

/// A text read, or a failure that is the text's.
fn read<T>(function: &str, text: &str, parsed: Option<T>) -> Result<T, ExecutionError> {
    parsed.ok_or_else(|| ExecutionError::function_error(function, format!("'{text}' can not be read")))
}

fn as_text(value: &Value) -> Result<&str, ExecutionError> {
    match value {
        Value::String(text) => Ok(text),
        other => Err(ExecutionError::unsupported_target_type(other.clone())),
    }
}

/// An address, or a text that is one.
fn as_ip(value: &Value) -> Result<Ip, ExecutionError> {
    match value {
        Value::String(text) => read("ip", text, Ip::parse(text)),
        other => as_of::<Ip>(other).copied(),
    }
}

fn as_cidr(value: &Value) -> Result<Cidr, ExecutionError> {
    match value {
        Value::String(text) => read("cidr", text, Cidr::parse(text)),
        other => as_of::<Cidr>(other).copied(),
    }
}

fn items(value: &Value) -> Result<&[Value], ExecutionError> {
    match value {
        Value::List(items) => Ok(items),
        other => Err(ExecutionError::unsupported_target_type(other.clone())),
    }
}

/// True for functions whose failure is the value's fault.
pub(super) fn fails_for_the_value(function: &str) -> bool {
    matches!(
        function,
        "asInteger"
            | "bool"
            | "charAt"
            | "cidr"
            | "double"
            | "duration"
            | "int"
            | "ip"
            | "lists.range"
            | "max"
            | "min"
            | "quantity"
            | "semver"
            | "slice"
            | "substring"
            | "sum"
            | "timestamp"
            | "transformMapEntry"
            | "uint"
            | "url"
            | "value"
    )
}

/// Adds them.
pub(super) fn add_to(context: &mut Context<'_, '_>) {
    add_tests(context);
    add_truths(context);
    add_urls(context);
    add_addresses(context);
    add_quantities(context);
    add_versions(context);
    add_formats(context);
    add_lists(context);
}

fn add_tests(context: &mut Context<'_, '_>) {
    for (name, holds) in [
        ("isQuantity", (|text| amount::parse(text).is_some()) as fn(&str) -> bool),
        ("isURL", |text| Url::parse(text).is_some()),
        ("isIP", |text| Ip::parse(text).is_some()),
        ("isCIDR", |text| Cidr::parse(text).is_some()),
    ] {
        let _ = context.add_function(name, move |text: Arc<String>| holds(&text));
    }
}

fn add_truths(context: &mut Context<'_, '_>) {
    let _ = context.add_function(super::rewrite::TRUTH_OF, |of: Value| -> Answer {
        match &of {
            Value::Bool(_) => Ok(of),
            Value::String(text) => match text.as_str() {
                "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(Value::Bool(true)),
                "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(Value::Bool(false)),
                _ => Err(ExecutionError::function_error("bool", "no truth")),
            },
            other => Err(ExecutionError::unsupported_target_type(other.clone())),
        }
    });
}

fn add_urls(context: &mut Context<'_, '_>) {
    let _ = context.add_function("url", |text: Arc<String>| -> Answer {
        Ok(opaque(read("url", &text, Url::parse(&text))?))
    });
    for (name, part) in [
        ("getScheme", (|url| url.scheme.clone()) as fn(&Url) -> String),
        ("getHost", |url| url.host.clone()),
        ("getHostname", |url| url.hostname().to_owned()),
        ("getPort", |url| url.port().to_owned()),
        ("getEscapedPath", Url::escaped_path),
    ] {
        let _ = context
            .add_function(name, move |This(this): This<Value>| -> Answer { Ok(text(part(as_of(&this)?))) });
    }
    let _ = context.add_function("getQuery", |This(this): This<Value>| -> Answer {
        let mut map: HashMap<Key, Value> = HashMap::new();
        for (name, values) in as_of::<Url>(&this)?.query() {
            let values = values.into_iter().map(text).collect();
            map.insert(Key::String(Arc::new(name)), Value::List(Arc::new(values)));
        }
        Ok(Value::Map(Map { map: Arc::new(map) }))
    });
}

fn add_addresses(context: &mut Context<'_, '_>) {
    // Of a text the address that it is, of a range the one that it begins with.
    let _ = context.add_function("ip", |This(this): This<Value>| -> Answer {
        match &this {
            Value::Opaque(_) => Ok(opaque(Ip(as_of::<Cidr>(&this)?.address))),
            other => Ok(opaque(as_ip(other)?)),
        }
    });
    let _ = context.add_function("cidr", |this: Value| -> Answer { Ok(opaque(as_cidr(&this)?)) });
    let _ = context.add_function("ip.isCanonical", |this: Arc<String>| -> Answer {
        let address = read("ip", &this, Ip::parse(&this))?;
        Ok(Value::Bool(address.0.to_string() == *this))
    });
    let _ = context.add_function("family", |This(this): This<Value>| -> Answer {
        Ok(Value::Int(if as_of::<Ip>(&this)?.0.is_ipv4() { 4 } else { 6 }))
    });
    for (name, holds) in [
        ("isUnspecified", (|ip| ip.0.is_unspecified()) as fn(Ip) -> bool),
        ("isLoopback", |ip| ip.0.is_loopback()),
        ("isLinkLocalMulticast", Ip::is_link_local_multicast),
        ("isLinkLocalUnicast", Ip::is_link_local_unicast),
        ("isGlobalUnicast", Ip::is_global_unicast),
    ] {
        let _ = context.add_function(name, move |This(this): This<Value>| -> Answer {
            Ok(Value::Bool(holds(*as_of(&this)?)))
        });
    }
    let _ = context.add_function("containsIP", |This(this): This<Value>, other: Value| -> Answer {
        Ok(Value::Bool(as_of::<Cidr>(&this)?.contains(as_ip(&other)?.0)))
    });
    let _ = context.add_function("containsCIDR", |This(this): This<Value>, other: Value| -> Answer {
        Ok(Value::Bool(as_of::<Cidr>(&this)?.contains_all(as_cidr(&other)?)))
    });
    let _ = context.add_function("prefixLength", |This(this): This<Value>| -> Answer {
        Ok(Value::Int(as_of::<Cidr>(&this)?.length.into()))
    });
    let _ = context.add_function("masked", |This(this): This<Value>| -> Answer {
        Ok(opaque(as_of::<Cidr>(&this)?.masked()))
    });
    let _ = context.add_function(super::rewrite::TEXT_OF, |this: Value| -> Answer {
        match as_of::<Ip>(&this) {
            Ok(address) => Ok(text(address.0.to_string())),
            Err(_) => as_of::<Cidr>(&this).map(|range| text(format!("{}/{}", range.address, range.length))),
        }
    });
}

fn add_quantities(context: &mut Context<'_, '_>) {
    let _ = context.add_function("quantity", |text: Arc<String>| -> Answer {
        Ok(opaque(Quantity(read("quantity", &text, amount::parse(&text))?)))
    });
    let _ = context.add_function("isInteger", |This(this): This<Value>| -> Answer {
        Ok(Value::Bool(as_of::<Quantity>(&this)?.0 % 1000 == 0))
    });
    let _ = context.add_function("asInteger", |This(this): This<Value>| -> Answer {
        let amount = as_of::<Quantity>(&this)?.0;
        let whole = (amount % 1000 == 0).then(|| i64::try_from(amount / 1000).ok()).flatten();
        read("asInteger", "the quantity", whole).map(Value::Int)
    });
    #[allow(clippy::cast_precision_loss, reason = "it is asked for approximately")]
    let _ = context.add_function("asApproximateFloat", |This(this): This<Value>| -> Answer {
        Ok(Value::Float(as_of::<Quantity>(&this)?.0 as f64 / 1000.0))
    });
    for (name, sign) in [("add", 1), ("sub", -1)] {
        let _ = context.add_function(name, move |This(this): This<Value>, other: Value| -> Answer {
            let other = match &other {
                Value::Int(whole) => i128::from(*whole) * 1000,
                other => as_of::<Quantity>(other)?.0,
            };
            Ok(opaque(Quantity(as_of::<Quantity>(&this)?.0.saturating_add(sign * other))))
        });
    }
    for (name, wanted) in [("isLessThan", Ordering::Less), ("isGreaterThan", Ordering::Greater)] {
        let _ = context.add_function(name, move |This(this): This<Value>, other: Value| -> Answer {
            Ok(Value::Bool(compared(&this, &other)? == wanted))
        });
    }
    let _ = context.add_function("compareTo", |This(this): This<Value>, other: Value| -> Answer {
        Ok(Value::Int(compared(&this, &other)? as i64))
    });
}

/// Two amounts or two versions.
fn compared(one: &Value, other: &Value) -> Result<Ordering, ExecutionError> {
    match as_of::<Quantity>(one) {
        Ok(amount) => Ok(amount.0.cmp(&as_of::<Quantity>(other)?.0)),
        Err(_) => Ok(as_of::<Version>(one)?.cmp(as_of::<Version>(other)?)),
    }
}

fn add_versions(context: &mut Context<'_, '_>) {
    /// A version's text, and whether it may be loose.
    fn asked(arguments: &[Value]) -> Result<(&str, Option<Version>), ExecutionError> {
        let first = arguments.first().ok_or_else(ExecutionError::missing_argument_or_target)?;
        let text = as_text(first)?;
        Ok((text, Version::parse(text, matches!(arguments.get(1), Some(Value::Bool(true))))))
    }
    let _ = context.add_function("semver", |Arguments(arguments): Arguments| -> Answer {
        let (text, version) = asked(&arguments)?;
        Ok(opaque(read("semver", text, version)?))
    });
    let _ = context.add_function("isSemver", |Arguments(arguments): Arguments| -> Answer {
        Ok(Value::Bool(asked(&arguments)?.1.is_some()))
    });
    for (place, name) in ["major", "minor", "patch"].into_iter().enumerate() {
        let _ = context.add_function(name, move |This(this): This<Value>| -> Answer {
            let number = as_of::<Version>(&this)?.numbers.get(place).copied().unwrap_or_default();
            Ok(Value::Int(i64::try_from(number).unwrap_or(i64::MAX)))
        });
    }
}

fn add_formats(context: &mut Context<'_, '_>) {
    for (place, (name, _)) in FORMATS.iter().enumerate() {
        let _ =
            context.add_function(&format!("format.{name}"), move || -> Answer { Ok(opaque(Format(place))) });
    }
    let _ = context.add_function("format.named", |name: Arc<String>| -> Answer {
        let place = FORMATS.iter().position(|(known, _)| *known == name.as_str());
        Ok(optional(place.map(|place| opaque(Format(place)))))
    });
    let _ = context.add_function("validate", |This(this): This<Value>, value: Arc<String>| -> Answer {
        let Some((name, holds)) = FORMATS.get(as_of::<Format>(&this)?.0) else { return Ok(optional(None)) };
        let fault = || Value::List(Arc::new(vec![text(format!("must be a {name}"))]));
        Ok(optional((!holds(&value)).then(fault)))
    });
}

fn add_lists(context: &mut Context<'_, '_>) {
    for (name, holds) in [
        (
            "sets.contains",
            (|own, other| other.iter().all(|item| own.contains(item))) as fn(&[Value], &[Value]) -> bool,
        ),
        ("sets.intersects", |own, other| other.iter().any(|item| own.contains(item))),
        ("sets.equivalent", |own, other| {
            other.iter().all(|item| own.contains(item)) && own.iter().all(|item| other.contains(item))
        }),
    ] {
        let _ = context.add_function(name, move |own: Value, other: Value| -> Answer {
            Ok(Value::Bool(holds(items(&own)?, items(&other)?)))
        });
    }
    let _ = context.add_function("first", |This(this): This<Value>| -> Answer {
        Ok(optional(items(&this)?.first().cloned()))
    });
    let _ = context.add_function("last", |This(this): This<Value>| -> Answer {
        Ok(optional(items(&this)?.last().cloned()))
    });
    for (name, is_last) in [(super::rewrite::INDEX_OF, false), (super::rewrite::LAST_INDEX_OF, true)] {
        let _ = context.add_function(name, move |list: Value, wanted: Value| -> Answer {
            let list = items(&list)?;
            let found = if is_last {
                list.iter().rposition(|item| *item == wanted)
            } else {
                list.iter().position(|item| *item == wanted)
            };
            Ok(Value::Int(found.and_then(|place| i64::try_from(place).ok()).unwrap_or(-1)))
        });
    }
    let _ = context.add_function(super::rewrite::PAIRS, |of: Value| -> Answer {
        let pair = |first: Value, second: Value| Value::List(Arc::new(vec![first, second]));
        let pairs = match &of {
            Value::List(items) => {
                items.iter().zip(0..).map(|(item, place)| pair(Value::Int(place), item.clone())).collect()
            }
            Value::Map(map) => {
                map.map.iter().map(|(key, value)| pair(key.clone().into(), value.clone())).collect()
            }
            other => return Err(ExecutionError::unsupported_target_type(other.clone())),
        };
        Ok(Value::List(Arc::new(pairs)))
    });
    let _ = context.add_function(super::rewrite::MAP_OF, |pairs: Value| -> Answer {
        let mut map: HashMap<Key, Value> = HashMap::new();
        for entry in items(&pairs)? {
            let [key, value] = items(entry)? else {
                return Err(ExecutionError::missing_argument_or_target());
            };
            let key = match key {
                Value::Int(key) => Key::Int(*key),
                Value::String(key) => Key::String(Arc::clone(key)),
                Value::Bool(key) => Key::Bool(*key),
                other => return Err(ExecutionError::unsupported_key_type(other.clone())),
            };
            map.insert(key, value.clone());
        }
        Ok(Value::Map(Map { map: Arc::new(map) }))
    });
    let _ = context.add_function(super::rewrite::MERGED, |maps: Value| -> Answer {
        let mut merged: HashMap<Key, Value> = HashMap::new();
        for map in items(&maps)? {
            let Value::Map(map) = map else {
                return Err(ExecutionError::unsupported_target_type(map.clone()));
            };
            for (key, value) in map.map.iter() {
                if merged.insert(key.clone(), value.clone()).is_some() {
                    return Err(ExecutionError::function_error("transformMapEntry", "a key stands twice"));
                }
            }
        }
        Ok(Value::Map(Map { map: Arc::new(merged) }))
    });
    let _ = context.add_function(super::rewrite::SORTED_BY, |list: Value, keys: Value| -> Answer {
        let mut pairs: Vec<_> = items(&keys)?.iter().zip(items(&list)?).collect();
        let comparable = pairs.iter().zip(pairs.iter().skip(1)).all(|(a, b)| a.0.partial_cmp(b.0).is_some());
        if !comparable {
            return Err(ExecutionError::unsupported_target_type(keys.clone()));
        }
        pairs.sort_by(|a, b| a.0.partial_cmp(b.0).unwrap_or(Ordering::Equal));
        Ok(Value::List(Arc::new(pairs.into_iter().map(|(_, item)| item.clone()).collect())))
    });
    let _ = context.add_function("find", |This(this): This<Arc<String>>, pattern: Arc<String>| -> Answer {
        let pattern = compiled(&pattern)?;
        Ok(text(pattern.find(&this).map_or("", |found| found.as_str())))
    });
    let _ = context.add_function(
        "findAll",
        |This(this): This<Arc<String>>, Arguments(all): Arguments| -> Answer {
            // The text itself may be among the arguments.
            let mut rest = all
                .iter()
                .skip_while(|argument| **argument == Value::String(Arc::clone(&this)) && all.len() > 2);
            let pattern = compiled(as_text(rest.next().unwrap_or(&Value::Null))?)?;
            let most = match rest.next() {
                Some(Value::Int(most)) if *most >= 0 => usize::try_from(*most).unwrap_or(usize::MAX),
                _ => usize::MAX,
            };
            let found = pattern.find_iter(&this).take(most).map(|found| text(found.as_str()));
            Ok(Value::List(Arc::new(found.collect())))
        },
    );
}

fn compiled(pattern: &str) -> Result<regex_lite::Regex, ExecutionError> {
    regex_lite::RegexBuilder::new(pattern)
        .size_limit(1 << 20)
        .build()
        .map_err(|fault| ExecutionError::unsupported_target_type(text(fault.to_string())))
}
