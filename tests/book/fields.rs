//! Where each parameter stands in the bytes of its set, and what its documentation says: from the interface description.

use serde_json::Value;

use crate::page;

/// One number of a set of parameters.
#[derive(Clone, Debug)]
pub struct Field {
    /// Path as the engine's tables write it.
    pub path: String,
    /// Where it stands in the serialised set.
    offset: usize,
    /// Bytes that it takes.
    width: usize,
    /// What it is.
    pub docs: String,
}

impl Field {
    /// The largest number that it can hold.
    pub fn most(&self) -> u64 {
        u64::MAX >> (64 - 8 * self.width)
    }

    /// Its value.
    pub fn get(&self, bytes: &[u8]) -> u64 {
        let mut value = [0; 8];
        value[..self.width].copy_from_slice(&bytes[self.offset..self.offset + self.width]);
        u64::from_le_bytes(value)
    }

    /// Puts another value in.
    pub fn set(&self, bytes: &mut [u8], value: u64) {
        assert!(value <= self.most(), "{value} in {}", self.path);
        bytes[self.offset..self.offset + self.width].copy_from_slice(&value.to_le_bytes()[..self.width]);
    }
}

/// The fields of a type in the order of its bytes, padding left out.
pub fn of(idl: &Value, name: &str) -> Vec<Field> {
    let mut walk = Walk { idl, offset: 0, fields: Vec::new() };
    walk.defined(name, "");
    walk.fields
}

/// What the interface description says of a type.
pub fn definition<'a>(idl: &'a Value, name: &str) -> &'a Value {
    let types = idl["types"].as_array().expect("types");
    types.iter().find(|t| t["name"] == name).unwrap_or_else(|| panic!("no type {name}"))
}

struct Walk<'a> {
    idl: &'a Value,
    offset: usize,
    fields: Vec<Field>,
}

impl Walk<'_> {
    fn defined(&mut self, name: &str, prefix: &str) {
        let fields = definition(self.idl, name)["type"]["fields"].as_array().expect("a struct").clone();
        for field in &fields {
            let path = format!("{prefix}{}", field["name"].as_str().expect("a name"));
            self.field(&field["type"], &path, &page::docs(field));
        }
    }

    fn field(&mut self, kind: &Value, path: &str, docs: &str) {
        if let Some(name) = kind["defined"]["name"].as_str() {
            return self.defined(name, &format!("{path}."));
        }
        if let Some(array) = kind["array"].as_array() {
            for i in 0..array[1].as_u64().expect("a length") {
                self.field(&array[0], &format!("{path}[{i}]"), docs);
            }
            return;
        }
        let width = match kind.as_str() {
            Some("u8") => 1,
            Some("u16") => 2,
            Some("u32") => 4,
            Some("u64") => 8,
            other => panic!("{path} is of a kind that no table has: {other:?}"),
        };
        if !path.contains("_padding") {
            let (path, docs) = (path.to_string(), docs.to_string());
            self.fields.push(Field { path, offset: self.offset, width, docs });
        }
        self.offset += width;
    }
}
