//! Types of expressions, and the functions that Kubernetes gives them.

use serde_json::Value;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::LazyLock;

/// The type of an expression.
#[derive(Clone, Debug, PartialEq)]
pub(in super::super) enum Type<'s> {
    /// Whatever comes.
    Dyn,
    /// A type by its letter: see [`FUNCTIONS`].
    Plain(char),
    /// A list.
    List(Rc<Self>),
    /// A map.
    Map(Rc<Self>, Rc<Self>),
    /// A value that may be missing.
    Optional(Rc<Self>),
    /// What a schema describes; the flag says that it is a whole object.
    Schema(&'s Value, bool),
    /// Known fields.
    Fields(Rc<Vec<(String, Self)>>),
}

pub(in super::super) const BOOL: Type<'static> = Type::Plain('b');
pub(in super::super) const TEXT: Type<'static> = Type::Plain('s');
pub(super) const INT: Type<'static> = Type::Plain('i');
pub(super) const UINT: Type<'static> = Type::Plain('u');
pub(super) const DOUBLE: Type<'static> = Type::Plain('d');
pub(super) const BYTES: Type<'static> = Type::Plain('y');
pub(super) const NULL: Type<'static> = Type::Plain('n');

/// What a call takes and gives.
#[derive(Debug)]
pub(super) struct Overload {
    /// Called on a value, which is the first parameter.
    pub is_member: bool,
    /// Forms of the parameters.
    pub parameters: Vec<&'static str>,
    /// Form of the result.
    pub result: &'static str,
}

/// Name, parameters and result; a point before the name of what is called on a value. Letters of forms:
/// `b` bool, `i` int, `u` uint, `d` double, `s` text, `y` bytes, `n` null, `t` timestamp, `D` duration, `T` a type,
/// `Q` quantity, `R` URL, `P` IP address, `C` range of addresses, `V` version, `F` format, `J` JSON patch,
/// `a` authorizer, `p` check of a path, `g` check of a group, `r` check of a resource, `e` decision, `*` anything;
/// `A` and `B` stand for one type each in a call; `L`, `M` and `O` begin a list, a map and an optional value.
const FUNCTIONS: &str = "\
_?_:_ b A A>A;_&&_ b b>b;_||_ b b>b;!_ b>b;-_ i>i;-_ d>d;@not_strictly_false b>b
_==_ A A>b;_!=_ A A>b;@in A LA>b;@in A MAB>b
_+_ i i>i;_+_ u u>u;_+_ d d>d;_+_ s s>s;_+_ y y>y;_+_ LA LA>LA;_+_ t D>t;_+_ D t>t;_+_ D D>D
_-_ i i>i;_-_ u u>u;_-_ d d>d;_-_ t t>D;_-_ t D>t;_-_ D D>D
_*_ i i>i;_*_ u u>u;_*_ d d>d;_/_ i i>i;_/_ u u>u;_/_ d d>d;_%_ i i>i;_%_ u u>u
_[_] LA i>A;_[_] MAB A>B;_[?_] LA i>OA;_[?_] MAB A>OB;_[?_] OLA i>OA;_[?_] OMAB A>OB
size s>i;size y>i;size LA>i;size MAB>i;.size s>i;.size y>i;.size LA>i;.size MAB>i
dyn A>*;type A>T;string s>s;string i>s;string u>s;string d>s;string b>s;string y>s;string t>s;string D>s
string P>s;string C>s;int i>i;int u>i;int d>i;int s>i;int t>i;uint u>u;uint i>u;uint d>u;uint s>u
double d>d;double i>d;double u>d;double s>d;bool b>b;bool s>b;bytes y>y;bytes s>y
timestamp t>t;timestamp s>t;timestamp i>t;duration D>D;duration s>D
.contains s s>b;.startsWith s s>b;.endsWith s s>b;.matches s s>b;matches s s>b
.getFullYear t>i;.getFullYear t s>i;.getMonth t>i;.getMonth t s>i;.getDate t>i;.getDate t s>i;.getDayOfMonth t>i
.getDayOfMonth t s>i;.getDayOfWeek t>i;.getDayOfWeek t s>i;.getDayOfYear t>i;.getDayOfYear t s>i
.getHours t>i;.getHours t s>i;.getHours D>i;.getMinutes t>i;.getMinutes t s>i;.getMinutes D>i;.getSeconds t>i
.getSeconds t s>i;.getSeconds D>i;.getMilliseconds t>i;.getMilliseconds t s>i;.getMilliseconds D>i
.charAt s i>s;.indexOf s s>i;.indexOf s s i>i;.lastIndexOf s s>i;.lastIndexOf s s i>i;.lowerAscii s>s;.upperAscii s>s
.replace s s s>s;.replace s s s i>s;.split s s>Ls;.split s s i>Ls;.substring s i>s;.substring s i i>s;.trim s>s
.join Ls>s;.join Ls s>s;.format s L*>s;strings.quote s>s
.isSorted LA>b;.sum Li>i;.sum Lu>u;.sum Ld>d;.sum LD>D;.max LA>A;.min LA>A;.indexOf LA A>i;.lastIndexOf LA A>i
.slice LA i i>LA;.flatten LA>L*;.flatten LA i>L*;.sort LA>LA;.distinct LA>LA;.reverse LA>LA;lists.range i>Li
.first LA>OA;.last LA>OA
.find s s>s;.findAll s s>Ls;.findAll s s i>Ls
url s>R;isURL s>b;.getScheme R>s;.getHost R>s;.getHostname R>s;.getPort R>s;.getEscapedPath R>s;.getQuery R>MsLs
quantity s>Q;isQuantity s>b;.isInteger Q>b;.asInteger Q>i;.asApproximateFloat Q>d;.add Q Q>Q;.add Q i>Q
.sub Q Q>Q;.sub Q i>Q;.isLessThan Q Q>b;.isGreaterThan Q Q>b;.compareTo Q Q>i
ip s>P;isIP s>b;ip.isCanonical s>b;.family P>i;.isUnspecified P>b;.isLoopback P>b;.isLinkLocalMulticast P>b
.isLinkLocalUnicast P>b;.isGlobalUnicast P>b;cidr s>C;isCIDR s>b;.containsIP C s>b;.containsIP C P>b
.containsCIDR C s>b;.containsCIDR C C>b;.ip C>P;.prefixLength C>i;.masked C>C
semver s>V;semver s b>V;isSemver s>b;isSemver s b>b;.isLessThan V V>b;.isGreaterThan V V>b;.compareTo V V>i
.major V>i;.minor V>i;.patch V>i
format.named s>OF;.validate F s>OLs;format.dns1123Label >F;format.dns1123Subdomain >F;format.dns1035Label >F
format.qualifiedName >F;format.dns1123LabelPrefix >F;format.dns1123SubdomainPrefix >F;format.dns1035LabelPrefix >F
format.labelValue >F;format.uri >F;format.uuid >F;format.byte >F;format.date >F;format.datetime >F
sets.contains LA LA>b;sets.equivalent LA LA>b;sets.intersects LA LA>b
optional.of A>OA;optional.ofNonZeroValue A>OA;optional.none >O*;.hasValue OA>b;.value OA>A;.or OA OA>OA;.orValue OA A>A
.path a s>p;.group a s>g;.serviceAccount a s s>a;.resource g s>r;.subresource r s>r;.namespace r s>r;.name r s>r
.check p s>e;.check r s>e;.allowed e>b;.reason e>s;.errored e>b;.error e>s;.fieldSelector r s>r;.labelSelector r s>r";

/// Only expressions of mutating policies know it.
pub(super) const ESCAPE_KEY: &str = "jsonpatch.escapeKey";

/// The functions by name.
pub(super) static OVERLOADS: LazyLock<HashMap<&'static str, Vec<Overload>>> = LazyLock::new(|| {
    let mut all: HashMap<&'static str, Vec<Overload>> = HashMap::new();
    for line in FUNCTIONS.lines().flat_map(|line| line.split(';')) {
        let Some((head, result)) = line.rsplit_once('>') else { continue };
        let (name, parameters) = head.split_once(' ').unwrap_or((head, ""));
        let name_alone = name.strip_prefix('.').unwrap_or(name);
        all.entry(name_alone).or_default().push(Overload {
            is_member: name_alone.len() < name.len(),
            parameters: parameters.split(' ').filter(|form| !form.is_empty()).collect(),
            result,
        });
    }
    // Numbers compare across their types.
    for name in ["_<_", "_<=_", "_>_", "_>=_"] {
        let numbers = ["i", "u", "d"];
        let pairs = numbers.iter().flat_map(|first| numbers.iter().map(|second| vec![*first, *second]));
        let own = ["b", "s", "y", "t", "D"].iter().map(|form| vec![*form, *form]);
        for parameters in pairs.chain(own) {
            all.entry(name).or_default().push(Overload { is_member: false, parameters, result: "b" });
        }
    }
    all
});

/// What the letters `A` and `B` of a call stand for.
#[derive(Default)]
pub(super) struct Bound<'s> {
    types: [Option<Type<'s>>; 2],
}

impl<'s> Bound<'s> {
    /// Takes an argument where a form stands; what is left of the form, or nothing where it does not fit.
    pub fn take<'f>(&mut self, form: &'f str, argument: &Type<'s>) -> Option<&'f str> {
        let (head, rest) = form.split_at_checked(1)?;
        match head {
            "*" => Some(rest),
            "A" | "B" => {
                let place = usize::from(head == "B");
                match &self.types[place] {
                    None => self.types[place] = Some(argument.clone()),
                    Some(bound) => self.types[place] = Some(join(bound, argument)?),
                }
                Some(rest)
            }
            "L" => match view(argument) {
                Type::List(item) => self.take(rest, &item),
                Type::Dyn => self.take(rest, &Type::Dyn),
                _ => None,
            },
            "O" => match argument {
                Type::Optional(inner) => self.take(rest, inner),
                Type::Dyn => self.take(rest, &Type::Dyn),
                _ => None,
            },
            "M" => match view(argument) {
                Type::Map(key, value) => {
                    let rest = self.take(rest, &key)?;
                    self.take(rest, &value)
                }
                Type::Dyn => {
                    let rest = self.take(rest, &Type::Dyn)?;
                    self.take(rest, &Type::Dyn)
                }
                _ => None,
            },
            letter => {
                let wanted = Type::Plain(letter.chars().next()?);
                join(&wanted, argument).map(|_| rest)
            }
        }
    }

    /// The type of a result's form, and what is left of the form.
    pub fn result<'f>(&self, form: &'f str) -> (Type<'s>, &'f str) {
        let Some((head, rest)) = form.split_at_checked(1) else { return (Type::Dyn, "") };
        match head {
            "A" | "B" => (self.types[usize::from(head == "B")].clone().unwrap_or(Type::Dyn), rest),
            "L" => {
                let (item, rest) = self.result(rest);
                (Type::List(Rc::new(item)), rest)
            }
            "O" => {
                let (inner, rest) = self.result(rest);
                (Type::Optional(Rc::new(inner)), rest)
            }
            "M" => {
                let (key, rest) = self.result(rest);
                let (value, rest) = self.result(rest);
                (Type::Map(Rc::new(key), Rc::new(value)), rest)
            }
            "*" => (Type::Dyn, rest),
            letter => (letter.chars().next().map_or(Type::Dyn, Type::Plain), rest),
        }
    }
}

/// What a schema's type is where it is neither an object nor unknown; other types as they are.
pub(super) fn view<'s>(of: &Type<'s>) -> Type<'s> {
    let Type::Schema(schema, is_object) = of else { return of.clone() };
    if schema["x-kubernetes-int-or-string"] == true {
        return Type::Dyn;
    }
    let format = schema["format"].as_str().unwrap_or_default();
    match schema["type"].as_str().unwrap_or_default() {
        "boolean" => BOOL,
        "integer" => INT,
        "number" => DOUBLE,
        "string" => match format {
            "byte" => BYTES,
            "date-time" | "date" => Type::Plain('t'),
            "duration" => Type::Plain('D'),
            _ => TEXT,
        },
        "array" => Type::List(Rc::new(Type::Schema(&schema["items"], false))),
        "object" if !is_object && schema["additionalProperties"].is_object() => {
            Type::Map(Rc::new(TEXT), Rc::new(Type::Schema(&schema["additionalProperties"], false)))
        }
        "object" => of.clone(),
        _ => Type::Dyn,
    }
}

/// The one type that two values can be taken for.
pub(super) fn join<'s>(first: &Type<'s>, second: &Type<'s>) -> Option<Type<'s>> {
    let (first, second) = (view(first), view(second));
    Some(match (&first, &second) {
        (Type::Dyn, _) | (_, Type::Dyn) => Type::Dyn,
        (Type::Plain(one), Type::Plain(other)) if one == other => first,
        // Nothing is a value of times, of objects and of types that are opaque.
        (Type::Plain('n'), other) | (other, Type::Plain('n')) => match other {
            Type::Plain(letter) if "bsiudy".contains(*letter) => return None,
            Type::List(_) | Type::Map(..) => return None,
            other => other.clone(),
        },
        (Type::List(one), Type::List(other)) => Type::List(Rc::new(join(one, other)?)),
        (Type::Optional(one), Type::Optional(other)) => Type::Optional(Rc::new(join(one, other)?)),
        (Type::Map(key, value), Type::Map(other_key, other_value)) => {
            Type::Map(Rc::new(join(key, other_key)?), Rc::new(join(value, other_value)?))
        }
        (Type::Schema(one, _), Type::Schema(other, _)) if std::ptr::eq(*one, *other) => first,
        (Type::Fields(one), Type::Fields(other)) if Rc::ptr_eq(one, other) => first,
        _ => return None,
    })
}

/// The name of a type, for messages.
pub(super) fn name(of: &Type<'_>) -> String {
    match view(of) {
        Type::Dyn => "dyn".to_owned(),
        Type::Plain(letter) => match letter {
            'b' => "bool",
            'i' => "int",
            'u' => "uint",
            'd' => "double",
            's' => "string",
            'y' => "bytes",
            'n' => "null_type",
            't' => "timestamp",
            'D' => "duration",
            'T' => "type",
            'Q' => "quantity",
            'R' => "URL",
            'P' => "IP",
            'C' => "CIDR",
            'V' => "semver",
            'J' => "JSONPatch",
            _ => "opaque",
        }
        .to_owned(),
        Type::List(item) => format!("list({})", name(&item)),
        Type::Map(key, value) => format!("map({}, {})", name(&key), name(&value)),
        Type::Optional(inner) => format!("optional({})", name(&inner)),
        Type::Schema(..) | Type::Fields(_) => "object".to_owned(),
    }
}

/// The name by which an expression calls a property.
pub(super) fn escaped(property: &str) -> String {
    if super::is_keyword(property) {
        return format!("__{property}__");
    }
    property
        .replace("__", "__underscores__")
        .replace('.', "__dot__")
        .replace('-', "__dash__")
        .replace('/', "__slash__")
}

/// The type of a field; an error where the value has no fields, nothing where it has not that one.
pub(super) fn field<'s>(of: &Type<'s>, field: &str) -> Result<Option<Type<'s>>, ()> {
    Ok(match view(of) {
        Type::Dyn => Some(Type::Dyn),
        Type::Map(_, value) => Some((*value).clone()),
        Type::Fields(fields) => fields.iter().find(|(name, _)| name == field).map(|(_, value)| value.clone()),
        Type::Schema(schema, is_object) => {
            let is_object = is_object || schema["x-kubernetes-embedded-resource"] == true;
            match field {
                "metadata" if is_object => Some(Type::Fields(Rc::new(vec![
                    ("name".to_owned(), TEXT),
                    ("generateName".to_owned(), TEXT),
                ]))),
                "apiVersion" | "kind" if is_object => Some(TEXT),
                _ => {
                    let own = schema["properties"].as_object();
                    let own = own.and_then(|own| {
                        own.iter().find(|(name, _)| *name == field || escaped(name) == field)
                    });
                    own.map(|(_, schema)| schema)
                        .filter(|schema| is_typed(schema))
                        .map(|schema| Type::Schema(schema, false))
                }
            }
        }
        Type::Optional(inner) => match self::field(&inner, field)? {
            Some(Type::Optional(value)) => Some(Type::Optional(value)),
            Some(value) => Some(Type::Optional(Rc::new(value))),
            None => None,
        },
        _ => return Err(()),
    })
}

/// What has no type can not be looked at.
fn is_typed(schema: &Value) -> bool {
    schema["type"].is_string() || schema["x-kubernetes-int-or-string"] == true
}
