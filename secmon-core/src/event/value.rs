//! Values of fields.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;

use crate::json;

/// A value of an event's field.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Value {
    /// True or false.
    Bool(bool),
    /// A decimal number, or an integer beyond 64 bits, as its text.
    Decimal(Box<str>),
    /// A 64-bit integer.
    Int(i64),
    /// An IP address.
    Ip(IpAddr),
    /// Several values.
    List(Vec<Value>),
    /// JSON's `null`.
    Null,
    /// Text.
    Text(String),
}

impl Value {
    /// The text, if it is one.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Decimal(text) => Some(text),
            _ => None,
        }
    }

    /// The integer, if it is one, or a text that holds one.
    pub fn as_int(&self) -> Option<i64> {
        match self {
            Self::Int(number) => Some(*number),
            Self::Text(text) => text.parse().ok(),
            _ => None,
        }
    }

    /// The number, for comparisons: an integer, a decimal, or a text that holds one.
    pub fn as_number(&self) -> Option<f64> {
        match self {
            #[expect(clippy::cast_precision_loss, reason = "thresholds compare magnitudes")]
            Self::Int(number) => Some(*number as f64),
            Self::Decimal(text) => text.parse().ok(),
            Self::Text(text) => text.parse().ok(),
            _ => None,
        }
    }

    /// The address, if it is one.
    pub fn as_ip(&self) -> Option<IpAddr> {
        match self {
            Self::Ip(address) => Some(*address),
            _ => None,
        }
    }

    /// The value itself, or the elements of the list.
    pub fn each(&self) -> &[Value] {
        match self {
            Self::List(values) => values,
            one => std::slice::from_ref(one),
        }
    }

    /// The text that stands in a sealed body, if the value stands there as one.
    pub(crate) fn body_text(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Text(text) => Some(Cow::Borrowed(text)),
            Self::Decimal(text) => Some(Cow::Borrowed(text)),
            Self::Ip(address) => Some(Cow::Owned(address.to_string())),
            Self::Int(value) if !json::is_safe(*value) => Some(Cow::Owned(value.to_string())),
            Self::Int(_) | Self::Bool(_) | Self::List(_) | Self::Null => None,
        }
    }

    /// A decimal with two places, as probes give percentages.
    pub fn percent(value: f64) -> Self {
        Self::Decimal(format!("{value:.2}").into())
    }

    /// Bytes on the heap, for budgets.
    pub(crate) fn heap_bytes(&self) -> usize {
        match self {
            Self::Decimal(text) => text.len(),
            Self::Text(text) => text.capacity(),
            Self::List(values) => {
                values.iter().map(|value| size_of::<Self>() + value.heap_bytes()).sum()
            }
            Self::Bool(_) | Self::Int(_) | Self::Ip(_) | Self::Null => 0,
        }
    }

    /// Appends the value as JSON for readers: integers of 64 bits and decimals stay numbers.
    pub(crate) fn write_output(&self, out: &mut String) {
        match self {
            Self::Int(value) => json::push_int(out, *value),
            Self::List(values) => {
                json::push_list(out, values, |out, value| value.write_output(out));
            }
            other => other.write_body(out),
        }
    }

    /// Appends the value as RFC 8785 JSON without floats: decimals, and integers that not every
    /// reader holds exactly, are strings.
    pub(crate) fn write_body(&self, out: &mut String) {
        match self {
            Self::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
            Self::Int(value) if json::is_safe(*value) => json::push_int(out, *value),
            Self::Int(value) => json::push_str(out, &value.to_string()),
            Self::Decimal(text) => json::push_str(out, text),
            Self::Ip(address) => {
                out.push('"');
                json::push_ip(out, *address);
                out.push('"');
            }
            Self::List(values) => json::push_list(out, values, |out, value| value.write_body(out)),
            Self::Null => out.push_str("null"),
            Self::Text(text) => json::push_str(out, text),
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(value) => value.fmt(f),
            Self::Decimal(text) => f.write_str(text),
            Self::Int(value) => value.fmt(f),
            Self::Ip(address) => address.fmt(f),
            Self::List(values) => {
                for (at, value) in values.iter().enumerate() {
                    if at > 0 {
                        f.write_str(", ")?;
                    }
                    value.fmt(f)?;
                }
                Ok(())
            }
            Self::Null => f.write_str("null"),
            Self::Text(text) => f.write_str(text),
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<IpAddr> for Value {
    /// IPv4 addresses mapped into IPv6 (`::ffff:a.b.c.d`) become IPv4: they are the same peer.
    fn from(address: IpAddr) -> Self {
        Self::Ip(address.to_canonical())
    }
}

impl<T: Into<Value>, const N: usize> From<[T; N]> for Value {
    fn from(values: [T; N]) -> Self {
        Self::List(values.into_iter().map(Into::into).collect())
    }
}

impl<T: Into<Value>> From<Vec<T>> for Value {
    fn from(values: Vec<T>) -> Self {
        Self::List(values.into_iter().map(Into::into).collect())
    }
}

impl serde::Serialize for Value {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Decimal(text) => serializer.serialize_str(text),
            Self::Int(value) => serializer.serialize_i64(*value),
            Self::Ip(address) => serializer.collect_str(address),
            Self::List(values) => serializer.collect_seq(values),
            Self::Null => serializer.serialize_unit(),
            Self::Text(text) => serializer.serialize_str(text),
        }
    }
}

impl<'de> serde::Deserialize<'de> for Value {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        serde_json::Value::deserialize(deserializer).map(Self::from)
    }
}

impl From<serde_json::Value> for Value {
    /// Objects inside become their JSON text: events flatten objects before they get here.
    fn from(value: serde_json::Value) -> Self {
        match value {
            serde_json::Value::Null => Self::Null,
            serde_json::Value::Bool(value) => Self::Bool(value),
            serde_json::Value::Number(number) => match number.as_i64() {
                Some(integer) => Self::Int(integer),
                None => Self::Decimal(number.to_string().into()),
            },
            serde_json::Value::String(text) => Self::Text(text),
            serde_json::Value::Array(values) => {
                Self::List(values.into_iter().map(Self::from).collect())
            }
            object @ serde_json::Value::Object(_) => Self::Text(object.to_string()),
        }
    }
}
