//! Lookups as documents: what a counter in another language would send.

use serde_json::{Value, json};
use uuid::Uuid;

/// The sample family's father.
pub const BAGAS: &str = "3510161405889901";
/// Its mother.
pub const SEKAR: &str = "3510166307919902";
/// Its newborn daughter.
pub const LARAS: &str = "3510164211269903";
/// Its dead grandfather.
pub const WAGIMAN: &str = "3510161203529904";

/// A lookup in the making.
#[derive(Debug, Clone)]
#[must_use]
pub struct Ask(Value);

impl Ask {
    /// About the father, for this purpose; no record yet.
    pub fn new(purpose: &str) -> Self {
        Self(json!({
            "request_id": Uuid::now_v7(),
            "case_id": "MPP-3510-000123",
            "purpose": purpose,
            "legal_basis": { "kind": "public_task", "reference": "UU 24/2013" },
            "clerk": "clk-7f3a",
            "counter": "B07",
            "subject": { "scheme": "nik", "value": BAGAS },
            "records": [],
            "deadline_ms": 5000,
        }))
    }

    /// The shortest that works: the father's name, to check his identity.
    pub fn identity() -> Self {
        Self::new("identity_check").fields("person-identity/1", &["identity_status", "card_status"])
    }

    /// About someone else.
    pub fn about(self, value: &str) -> Self {
        self.about_by("nik", value)
    }

    /// About someone else, by another kind of identifier.
    pub fn about_by(self, scheme: &str, value: &str) -> Self {
        self.with("/subject", json!({ "scheme": scheme, "value": value }))
    }

    /// Adds a record, with all that may be read.
    pub fn all(self, record: &str) -> Self {
        self.record(json!({ "record": record }))
    }

    /// Adds a record with these fields.
    pub fn fields(self, record: &str, fields: &[&str]) -> Self {
        self.record(json!({ "record": record, "fields": fields }))
    }

    /// Adds a record with claims `(field, op, value)`; `null` is no value.
    pub fn claims(self, record: &str, claims: &[(&str, &str, Value)]) -> Self {
        let claims: Vec<Value> = claims
            .iter()
            .map(|(field, op, value)| match value {
                Value::Null => json!({ "field": field, "op": op }),
                value => json!({ "field": field, "op": op, "value": value }),
            })
            .collect();
        self.record(json!({ "record": record, "claims": claims }))
    }

    /// Adds a record as it stands.
    pub fn record(mut self, query: Value) -> Self {
        let records = self.0["records"].as_array_mut().expect("a list");
        records.push(query);
        self
    }

    /// The service can't go on without the last record.
    pub fn required(mut self) -> Self {
        let records = self.0["records"].as_array_mut().expect("a list");
        records.last_mut().expect("a record")["required"] = json!(true);
        self
    }

    /// How long the caller waits.
    pub fn within_ms(self, deadline: u64) -> Self {
        self.with("/deadline_ms", json!(deadline))
    }

    /// Replaces or adds a member, by its pointer.
    pub fn with(mut self, pointer: &str, value: Value) -> Self {
        let (parent, name) = pointer.rsplit_once('/').expect("a pointer");
        let parent = self.0.pointer_mut(parent).expect("there is such a place");
        match parent {
            Value::Array(items) => items[name.parse::<usize>().expect("a position")] = value,
            parent => parent[name] = value,
        }
        self
    }

    /// Takes a member of the whole away.
    pub fn without(mut self, name: &str) -> Self {
        self.0.as_object_mut().expect("an object").remove(name);
        self
    }

    /// The same as a lookup of its own.
    pub fn anew(&self) -> Self {
        self.clone().with("/request_id", json!(Uuid::now_v7()))
    }

    /// The lookup's id.
    #[must_use]
    pub fn request_id(&self) -> String {
        self.0["request_id"].as_str().expect("a text").to_owned()
    }

    /// The document.
    #[must_use]
    pub fn document(&self) -> &Value {
        &self.0
    }

    /// The document's text.
    #[must_use]
    pub fn text(&self) -> String {
        self.0.to_string()
    }
}
