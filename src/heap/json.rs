//! Writing JSON: results leave the room as text, so that JavaScript makes its own objects of them and a probe
//! child can put the same text into a file.
//!
//! Knows: JSON. Out of scope: what it says.
//! Limitations: numbers are whole; above 2^53 JavaScript rounds them.

#![forbid(unsafe_code)]

/// A JSON text that is being written. It writes commas and quotes; the caller closes what it opens.
#[derive(Default)]
pub(crate) struct JsonWriter {
    out: String,
    comma: bool,
}

impl JsonWriter {
    pub(crate) fn finish(self) -> String {
        self.out
    }

    fn separate(&mut self) {
        if self.comma {
            self.out.push(',');
        }
        self.comma = false;
    }

    /// `{…}` with what `body` writes.
    pub(crate) fn object(&mut self, body: impl FnOnce(&mut JsonWriter)) {
        self.separate();
        self.out.push('{');
        body(self);
        self.out.push('}');
        self.comma = true;
    }

    /// `[…]` with one value per item.
    pub(crate) fn list<T>(
        &mut self,
        items: impl IntoIterator<Item = T>,
        mut each: impl FnMut(&mut JsonWriter, T),
    ) {
        self.separate();
        self.out.push('[');
        for item in items {
            each(self, item);
        }
        self.comma = false;
        self.out.push(']');
        self.comma = true;
    }

    /// The name of the value that comes next.
    pub(crate) fn key(&mut self, name: &str) -> &mut JsonWriter {
        self.separate();
        self.quote(name);
        self.out.push(':');
        self
    }

    pub(crate) fn text(&mut self, text: &str) {
        self.separate();
        self.quote(text);
        self.comma = true;
    }

    pub(crate) fn number(&mut self, number: impl Into<i128>) {
        self.separate();
        self.out.push_str(&number.into().to_string());
        self.comma = true;
    }

    pub(crate) fn boolean(&mut self, value: bool) {
        self.separate();
        self.out.push_str(if value { "true" } else { "false" });
        self.comma = true;
    }

    pub(crate) fn null(&mut self) {
        self.separate();
        self.out.push_str("null");
        self.comma = true;
    }

    pub(crate) fn optional(&mut self, number: Option<u32>) {
        match number {
            Some(number) => self.number(number),
            None => self.null(),
        }
    }

    fn quote(&mut self, text: &str) {
        self.out.push('"');
        for character in text.chars() {
            match character {
                '"' => self.out.push_str("\\\""),
                '\\' => self.out.push_str("\\\\"),
                '\n' => self.out.push_str("\\n"),
                '\u{0}'..='\u{1f}' => {
                    self.out.push_str(&format!("\\u{:04x}", character as u32));
                }
                _ => self.out.push(character),
            }
        }
        self.out.push('"');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commas_stand_between_values_and_nowhere_else() {
        let mut json = JsonWriter::default();
        json.object(|json| {
            json.key("a").list([1, 2], |json, n| json.number(n));
            json.key("b").object(|_| ());
            json.key("c").list(Vec::<u8>::new(), |_, _| ());
            json.key("d").text("x\"\\\n\u{1}\u{e9}");
            json.key("e")
                .list([0], |json, _| json.object(|json| json.key("f").null()));
            json.key("g").boolean(true);
        });
        assert_eq!(
            json.finish(),
            "{\"a\":[1,2],\"b\":{},\"c\":[],\"d\":\"x\\\"\\\\\\n\\u0001\u{e9}\",\"e\":[{\"f\":null}],\"g\":true}"
        );
    }
}
