//! The language as its users meet it, and the specification's own test kit.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests may")]

mod kit;

use oriel_cesql::{EvalError, Event, Expression, Value};
use serde_json::{Value as Json, json};

/// An event as JSON: its attributes, and its data under `data`.
struct JsonEvent(Json);

fn scalar(value: &Json) -> Option<Value<'_>> {
    match value {
        Json::String(text) => Some(text.as_str().into()),
        Json::Bool(truth) => Some((*truth).into()),
        Json::Number(number) => Some(i32::try_from(number.as_i64()?).ok()?.into()),
        _ => None,
    }
}

impl Event for JsonEvent {
    fn attribute(&self, name: &str) -> Option<Value<'_>> {
        self.0.get(name).and_then(scalar)
    }

    fn data(&self, pointer: &str) -> Option<Value<'_>> {
        self.0.get("data")?.pointer(pointer).and_then(scalar)
    }

    fn has_data(&self, pointer: &str) -> bool {
        self.0.get("data").is_some_and(|data| data.pointer(pointer).is_some())
    }
}

fn event() -> JsonEvent {
    JsonEvent(json!({
        "specversion": "1.0", "id": "1", "source": "https://shop.example.com", "type": "order.created", "amount": 120, "test": false,
        "data": {"order": {"country": "CH", "lines": [], "total": 4200, "paid": true}},
    }))
}

fn error(text: &str) -> Option<EvalError> {
    Expression::parse(text).unwrap().evaluate(&event()).error
}

#[test]
fn filters_pass_what_they_say() {
    let cases = [
        ("type LIKE 'order.%' AND amount > 100", true),
        ("type LIKE 'order.%' AND amount > 120", false),
        ("NOT test", true),
        ("NOT (type = 'order.created')", false),
        ("TYPE IN ('order.created', 'order.paid') and not exists subject", true),
        ("type NOT IN ('order.paid')", true),
        ("false AND true OR true", true),
        ("true OR false XOR true", false),
        ("1 + 2 * 3 = 7 AND (1 + 2) * 3 = 9 AND 7 % 4 - -1 = 4", true),
        ("-7 / 2 = -3 AND -7 % 2 = -1", true),
        ("-2147483648 < 2147483647", true),
        (
            "DATA('/order/country') = 'CH' AND DATA('/order/total') >= 4200 AND DATA('/order/paid')",
            true,
        ),
        ("HAS_DATA('/order/lines') AND NOT HAS_DATA('/order/coupon')", true),
        (
            "CONCAT_WS('-', UPPER('a'), TRIM(' b '), LEFT('cd', 1), RIGHT('xe', 1), SUBSTRING('afb', 2, 1)) = 'A-b-c-e-f'",
            true,
        ),
        ("LENGTH('äöü') = 3 AND SUBSTRING('äöü', -2) = 'öü' AND ABS(-3) = 3", true),
        ("BOOL(2) AND INT(TRUE) = 1 AND STRING(12) = '12'", true),
        ("source LIKE \"https://%.example.com\"", true),
        ("'it''s' = 'it\\'s'", true),
        // Whatever is not true does not pass.
        ("amount", false),
        ("missing = 1 OR true", false),
        ("true OR missing = 1", true),
    ];
    for (text, passes) in cases {
        let expression = Expression::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(expression.passes(&event()), passes, "{text}: {:?}", expression.evaluate(&event()));
    }
}

#[test]
fn errors_are_told_beside_a_value() {
    let missing = |name: &str| Some(EvalError::MissingAttribute(name.into()));
    assert_eq!(error("colour = 'red'"), missing("colour"));
    assert_eq!(error("DATA('/nothing')"), missing("data/nothing"));
    assert_eq!(error("DATA('/order')"), missing("data/order"), "an object is no value");
    assert!(matches!(error("1 / 0"), Some(EvalError::Math(_))));
    assert!(matches!(error("2147483647 + 1"), Some(EvalError::Math(_))));
    assert!(matches!(error("-(-2147483648)"), Some(EvalError::Math(_))));
    assert!(matches!(error("type + 1"), Some(EvalError::Cast { .. })));
    assert!(matches!(error("LEFT('a', -1)"), Some(EvalError::Function(_))));
    assert!(matches!(error("SUBSTRING('abc', 1, -1)"), Some(EvalError::Function(_))));
    assert_eq!(error("1 IN ('x', 1)"), None, "one that fits is enough");
    assert!(matches!(error("1 IN ('x', 2)"), Some(EvalError::Cast { .. })));
}

#[test]
fn what_is_no_expression_is_told_with_its_place() {
    let cases = [
        ("", 0, "missing here"),
        ("type =", 6, "missing here"),
        ("(type = 'a'", 11, "`)` is missing"),
        ("type = 'a' b", 11, "an operator or the end"),
        ("type = 'a", 7, "no end"),
        ("type LIKE pattern", 10, "a text in quotes"),
        ("type & 1", 5, "nothing begins with `&`"),
        ("9999999999 = 1", 0, "within -2147483648"),
        ("type IN ()", 9, "missing here"),
        ("EXISTS 'a'", 0, "the name of an attribute"),
        ("my_ext = 1", 0, "no attribute"),
        ("AND true", 0, "where a value should"),
    ];
    for (text, position, message) in cases {
        let error = Expression::parse(text).unwrap_err();
        assert_eq!(error.position, position, "{text}: {error}");
        assert!(error.to_string().contains(message), "{text}: {error}");
    }
}

#[test]
fn functions_that_do_not_exist_are_listed() {
    let expression = Expression::parse("type = 'a' AND SHOUT(type) OR LENGTH() = 1").unwrap();
    assert_eq!(
        expression.unknown_functions(),
        [(15, "SHOUT".to_owned()), (30, "LENGTH".to_owned())]
    );
    assert!(matches!(
        Expression::parse("SHOUT(type)").unwrap().evaluate(&event()).error,
        Some(EvalError::MissingFunction { arguments: 1, .. })
    ));
}

#[test]
fn hostile_expressions_are_refused_or_end_soon() {
    for (open, close) in [("(", ")"), ("NOT ", ""), ("-", ""), ("LENGTH(", ")"), ("NOT (", ")")] {
        let text = format!("{}1{}", open.repeat(1_000), close.repeat(1_000));
        let text = &text[..text.len().min(Expression::MAX_LENGTH)];
        assert!(Expression::parse(text).is_err(), "{open}");
    }
    let error = Expression::parse(&"1+".repeat(5_000)).unwrap_err();
    assert!(error.to_string().contains("at most 8192 bytes"), "{error}");
    let error = Expression::parse(&"1+".repeat(500)).unwrap_err();
    assert!(error.to_string().contains("at most 400 operators"), "{error}");
    assert!(Expression::parse(&format!("1{}", " LIKE '1'".repeat(500))).is_err());
    // Long and flat is fine, and so is nesting that people write.
    assert!(
        Expression::parse(&format!("1{}", " + 1".repeat(400)))
            .unwrap()
            .evaluate(&event())
            .error
            .is_none()
    );
    assert!(Expression::parse(&format!("1 IN (1{})", ", 1".repeat(1_000))).is_ok());
    assert!(Expression::parse(&format!("{}1{}", "(".repeat(30), ")".repeat(30))).is_ok());
    // Text that no rule begins with, wherever it stands, is an error and no panic.
    for text in [
        "ä", "'ä", "a\u{0}b", "'\\", "((((", "))))", "1 2", "IN", "EXISTS", "%", "a LIKE", "a NOT 1",
    ] {
        assert!(Expression::parse(text).is_err(), "{text}");
    }
}
