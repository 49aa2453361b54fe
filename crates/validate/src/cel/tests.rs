//! Expressions that compile, that do not, and what they say.

use super::*;
use serde_json::json;

fn fault_of(text: &str) -> Option<String> {
    fault(text, &admission_names(false), &[BOOL], false, Release::default())
}

#[test]
fn names_and_calls_are_known_or_named() {
    for good in [
        "true",
        "object.spec.replicas < 5",
        "has(object.spec) && object.spec.x.all(y, y > 1)",
        "object.x.map(y, y.z).join(',') == 'a'",
        "[1, 2].sum() == 3",
        "quantity('1Gi').isGreaterThan(quantity('1Mi'))",
        "object.?x.orValue(1) == 1",
        "optional.of(1).hasValue()",
        "[1, 2].all(i, v, v > 0)",
        "request.operation == 'CREATE'",
        "authorizer.group('').resource('pods').check('get').allowed()",
    ] {
        assert_eq!(fault_of(good), None, "{good}");
    }
    for (wrong, why) in [
        ("1", "must evaluate to bool but got int"),
        ("foo == 1", "undeclared reference to 'foo'"),
        ("nofunc(1)", "undeclared reference to 'nofunc'"),
        ("1 + 'a' == 2", "no matching overload for '_+_' applied to '(int, string)'"),
        ("1 == 'a'", "'(int, string)'"),
        ("request.foo == 1", "undefined field 'foo'"),
        ("if(true)", "reserved identifier"),
        ("'a'.matches('[')", "invalid matches argument"),
        ("[1, 'a'].size() == 2", "expected type 'int' but found 'string'"),
        ("object.x ==", "1:"),
    ] {
        let fault = fault_of(wrong);
        assert!(fault.as_deref().is_some_and(|fault| fault.contains(why)), "{wrong}: {fault:?}");
    }
}

#[test]
fn a_rule_sees_the_fields_of_its_schema_alone() {
    let schema = json!({"type": "object", "properties": {
        "a": {"type": "string"}, "b-c": {"type": "integer"}, "l": {"type": "array", "items": {"type": "string"}},
        "m": {"type": "object", "additionalProperties": {"type": "integer"}},
        "either": {"x-kubernetes-int-or-string": true}, "at": {"type": "string", "format": "date-time"}}});
    let names = [("self", Type::Schema(&schema, false))];
    let fault_of = |text: &str| fault(text, &names, &[BOOL], false, Release::default());
    for good in [
        "self.a == 'x'",
        "self.b__dash__c > 1",
        "self.l.all(x, x.startsWith('a'))",
        "self.m['a'] == 1",
        "'a' in self.m",
        "self.either == 1 || self.either == '5%'",
        "self.at > timestamp('2020-01-01T00:00:00Z')",
    ] {
        assert_eq!(fault_of(good), None, "{good}");
    }
    for wrong in
        ["self.z == 1", "self.a > 1", "self.l.exists(x, x == 1)", "self['a'] == 'x'", "self.at == 'x'"]
    {
        assert!(fault_of(wrong).is_some(), "{wrong}");
    }
}

#[test]
fn a_rule_is_run_on_a_value() {
    let value = json!({"min": 2, "max": 5, "names": ["a", "bb"], "labels": {"x": "y"}});
    let runner = Runner::new("self", &value, None);
    let answer = |text: &str| runner.holds(&parse(text).ok().flatten().expect("it can be read"));
    assert_eq!(answer("self.min <= self.max"), Answer::Yes);
    assert_eq!(answer("self.min > self.max"), Answer::No(None));
    assert_eq!(answer("self.names.all(n, n.size() < 3) && 'x' in self.labels"), Answer::Yes);
    assert!(matches!(answer("self.absent == 1"), Answer::No(Some(_))));
    assert_eq!(answer("quantity('1Gi').isGreaterThan(quantity('1Mi'))"), Answer::Yes);
    assert!(matches!(answer("quantity('x') == quantity('1')"), Answer::No(Some(_))));
    assert_eq!(answer("[1, 2].sum() == 3 && [1, 2].isSorted() && 'a,b'.split(',').size() == 2"), Answer::Yes);
    assert_eq!(answer("semver('1.2.3').major() == 1"), Answer::Yes);
    assert!(matches!(answer("ip('x').family() == 4"), Answer::No(Some(_))));
    assert_eq!(answer("math.ceil(1.5) == 2.0"), Answer::Unknown);
}

#[test]
fn what_would_take_too_long_is_not_run() {
    let value = json!({"l": vec![1; 300]});
    let runner = Runner::new("self", &value, None);
    let deep = "self.l.all(a, self.l.all(b, self.l.all(c, a + b + c > 0)))";
    assert_eq!(runner.holds(&parse(deep).ok().flatten().expect("it can be read")), Answer::Unknown);
}
