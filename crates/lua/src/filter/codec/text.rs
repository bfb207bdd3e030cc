//! Decoders of text, and search and replace, whose input may be cut anywhere.

use std::io::Write;

use memchr::memmem;

use super::{Coder, Sink, Trouble, bad};
use crate::filter::bytes_library::{unbase64, unhex};

fn put(out: &mut Sink, data: &[u8]) -> Result<(), Trouble> {
    out.write_all(data).map_err(|error| bad(error.to_string()))
}

/// Base64: units back to back, white space passed over.
#[derive(Default)]
pub(super) struct Base64 {
    rest: Vec<u8>,
}

impl Base64 {
    /// Decodes the letters that make whole groups of four; of the others at most three stay.
    fn take(&mut self, data: &[u8]) -> Vec<u8> {
        let letters = data.iter().filter(|byte| !byte.is_ascii_whitespace());
        let mut text = std::mem::take(&mut self.rest);
        text.extend(letters);
        let whole = text.len() - text.len() % 4;
        self.rest = text.split_off(whole);
        text
    }
}

impl Coder for Base64 {
    fn update(&mut self, data: &[u8], out: &mut Sink) -> Result<(), Trouble> {
        let text = self.take(data);
        match unbase64(&text) {
            Ok(bytes) => put(out, &bytes),
            Err(why) => {
                // What is right before the mistake is given, wherever the input was cut.
                for group in text.chunks(4) {
                    match unbase64(group) {
                        Ok(bytes) => put(out, &bytes)?,
                        Err(_) => break,
                    }
                }
                Err(bad(why))
            }
        }
    }

    fn finish(&mut self, _out: &mut Sink) -> Result<(), Trouble> {
        if self.rest.is_empty() { Ok(()) } else { Err(bad("truncated base64 input")) }
    }

    fn footprint(&self) -> usize {
        self.rest.capacity()
    }
}

/// Hexadecimal digits, white space passed over.
#[derive(Default)]
pub(super) struct Hex {
    rest: Option<u8>,
}

impl Coder for Hex {
    fn update(&mut self, data: &[u8], out: &mut Sink) -> Result<(), Trouble> {
        let mut text: Vec<u8> = self.rest.take().into_iter().collect();
        text.extend(data.iter().filter(|byte| !byte.is_ascii_whitespace()));
        let wrong = text.iter().position(|byte| !byte.is_ascii_hexdigit());
        let right = wrong.unwrap_or(text.len());
        let whole = right - right % 2;
        if let Some(bytes) = unhex(&text[..whole]) {
            put(out, &bytes)?;
        }
        match wrong {
            Some(_) => Err(bad("this is no hexadecimal text")),
            None => {
                self.rest = text.get(whole).copied();
                Ok(())
            }
        }
    }

    fn finish(&mut self, _out: &mut Sink) -> Result<(), Trouble> {
        if self.rest.is_none() { Ok(()) } else { Err(bad("truncated hexadecimal input")) }
    }

    fn footprint(&self) -> usize {
        0
    }
}

/// Plain search and replace, over the borders of pieces too. Nothing is held back that cannot become what
/// is looked for.
pub(super) struct Replacer {
    plain: Vec<u8>,
    with: Vec<u8>,
    held: Vec<u8>,
    /// For each length of a beginning of `plain`: how much of its end is a shorter beginning.
    borders: Vec<usize>,
}

impl Replacer {
    /// `plain` is not empty.
    pub(super) fn new(plain: Vec<u8>, with: Vec<u8>) -> Self {
        let mut borders = vec![0; plain.len()];
        let mut length = 0;
        for at in 1..plain.len() {
            while length > 0 && plain[at] != plain[length] {
                length = borders[length - 1];
            }
            if plain[at] == plain[length] {
                length += 1;
            }
            borders[at] = length;
        }
        Self { plain, with, held: Vec::new(), borders }
    }

    /// How much of the end of `text` is a beginning of what is looked for, which is not whole in it.
    fn begun(&self, text: &[u8]) -> usize {
        let mut length = 0;
        let from = text.len().saturating_sub(self.plain.len() - 1);
        for byte in &text[from..] {
            while length > 0 && *byte != self.plain[length] {
                length = self.borders[length - 1];
            }
            if *byte == self.plain[length] {
                length += 1;
            }
        }
        length
    }
}

impl Coder for Replacer {
    fn update(&mut self, data: &[u8], out: &mut Sink) -> Result<(), Trouble> {
        let mut text = std::mem::take(&mut self.held);
        text.extend_from_slice(data);
        let mut from = 0;
        for at in memmem::find_iter(&text, &self.plain) {
            put(out, &text[from..at])?;
            put(out, &self.with)?;
            from = at + self.plain.len();
        }
        let begun = self.begun(&text[from..]);
        put(out, &text[from..text.len() - begun])?;
        self.held = text.split_off(text.len() - begun);
        Ok(())
    }

    fn finish(&mut self, out: &mut Sink) -> Result<(), Trouble> {
        put(out, &std::mem::take(&mut self.held))
    }

    fn footprint(&self) -> usize {
        self.plain.capacity() * 9 + self.with.capacity() + self.held.capacity()
    }
}
