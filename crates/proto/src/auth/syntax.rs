//! The grammar of challenges and credentials (RFC 9110, section 11).

/// One challenge, or one client's credentials.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Auth {
    /// The scheme, as written: `Basic`, `Digest`.
    pub scheme: String,
    /// What follows it when that is one token in base64 and no list.
    pub token68: Option<Vec<u8>>,
    /// The parameters, names in lower case, values without their quotes.
    pub params: Vec<(String, Vec<u8>)>,
}

/// What is written cannot be understood, or says the same thing twice.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the header cannot be understood")]
pub struct BadAuth;

impl Auth {
    /// Whether it is of this scheme.
    pub fn is(&self, scheme: &str) -> bool {
        self.scheme.eq_ignore_ascii_case(scheme)
    }

    /// A parameter that may be given once.
    ///
    /// # Errors
    /// [`BadAuth`] when it is given twice: which one counts would be anybody's guess.
    pub fn param(&self, name: &str) -> Result<Option<&[u8]>, BadAuth> {
        let mut named = self.params.iter().filter(|(one, _)| one == name).map(|(_, v)| &v[..]);
        let first = named.next();
        if named.next().is_some() { Err(BadAuth) } else { Ok(first) }
    }

    /// A parameter that must be given, once.
    ///
    /// # Errors
    /// [`BadAuth`] when it is not.
    pub fn required(&self, name: &str) -> Result<&[u8], BadAuth> {
        self.param(name)?.ok_or(BadAuth)
    }
}

/// Reads the value of `Proxy-Authenticate`: one challenge or several.
///
/// # Errors
/// [`BadAuth`].
pub fn parse_challenges(value: &[u8]) -> Result<Vec<Auth>, BadAuth> {
    let mut cursor = Cursor { rest: value };
    let mut all: Vec<Auth> = Vec::new();
    loop {
        // Lists may have empty elements (RFC 9110, section 5.6.1).
        while cursor.skip_blanks().take(b',') {}
        if cursor.rest.is_empty() {
            return Ok(all);
        }
        let name = cursor.token().ok_or(BadAuth)?;
        let blanks = cursor.skip_blanks_counted();
        match all.last_mut() {
            Some(auth) if auth.token68.is_none() && cursor.take(b'=') => {
                let value = cursor.skip_blanks().value().ok_or(BadAuth)?;
                auth.params.push((name.to_ascii_lowercase(), value));
            }
            _ => {
                let mut auth = Auth { scheme: name, ..Auth::default() };
                if !matches!(cursor.rest.first(), None | Some(b',')) {
                    if blanks == 0 {
                        return Err(BadAuth);
                    }
                    cursor.first_of(&mut auth)?;
                }
                all.push(auth);
            }
        }
        if !matches!(cursor.skip_blanks().rest.first(), None | Some(b',')) {
            return Err(BadAuth);
        }
    }
}

/// Reads the value of `Proxy-Authorization`: one client's credentials.
///
/// # Errors
/// [`BadAuth`], also for none and for more than one.
pub fn parse_credentials(value: &[u8]) -> Result<Auth, BadAuth> {
    let mut all = parse_challenges(value)?;
    let one = all.pop().ok_or(BadAuth)?;
    if all.is_empty() { Ok(one) } else { Err(BadAuth) }
}

/// A quoted string; `None` for what has control characters, which no quotes make harmless.
pub fn quoted(text: &[u8]) -> Option<Vec<u8>> {
    if text.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t') {
        return None;
    }
    let mut out = Vec::with_capacity(text.len() + 2);
    out.push(b'"');
    for byte in text {
        if matches!(byte, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(*byte);
    }
    out.push(b'"');
    Some(out)
}

struct Cursor<'a> {
    rest: &'a [u8],
}

impl Cursor<'_> {
    fn skip_blanks(&mut self) -> &mut Self {
        self.skip_blanks_counted();
        self
    }

    fn skip_blanks_counted(&mut self) -> usize {
        let n = self.rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        self.rest = &self.rest[n..];
        n
    }

    fn take(&mut self, byte: u8) -> bool {
        let is_next = self.rest.first() == Some(&byte);
        if is_next {
            self.rest = &self.rest[1..];
        }
        is_next
    }

    /// At least one byte of a token (RFC 9110, section 5.6.2), which is ASCII.
    fn token(&mut self) -> Option<String> {
        let is_token =
            |byte: &&u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
        let (token, rest) = self.rest.split_at(self.rest.iter().take_while(is_token).count());
        self.rest = rest;
        (!token.is_empty()).then(|| String::from_utf8_lossy(token).into_owned())
    }

    /// A token or a quoted string.
    fn value(&mut self) -> Option<Vec<u8>> {
        if !self.take(b'"') {
            return self.token().map(String::into_bytes);
        }
        let mut out = Vec::new();
        loop {
            let (&byte, rest) = self.rest.split_first()?;
            self.rest = rest;
            match byte {
                b'"' => return Some(out),
                b'\\' => {
                    let (&escaped, rest) = self.rest.split_first()?;
                    self.rest = rest;
                    out.push(escaped);
                }
                other => out.push(other),
            }
            if out.last().is_some_and(|byte| byte.is_ascii_control() && *byte != b'\t') {
                return None;
            }
        }
    }

    /// What follows a scheme: a parameter where it is one, else a token in base64. `a=` and `a==` are
    /// not parameters, for a value cannot be empty or begin with `=`.
    fn first_of(&mut self, auth: &mut Auth) -> Result<(), BadAuth> {
        let before = self.rest;
        if let Some(name) = self.token()
            && self.skip_blanks().take(b'=')
            && let Some(value) = self.skip_blanks().value()
        {
            auth.params.push((name.to_ascii_lowercase(), value));
            return Ok(());
        }
        self.rest = before;
        let is_digit = |byte: &&u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(byte);
        let digits = before.iter().take_while(is_digit).count();
        let padding = before[digits..].iter().take_while(|byte| **byte == b'=').count();
        if digits == 0 {
            return Err(BadAuth);
        }
        let (token, rest) = before.split_at(digits + padding);
        auth.token68 = Some(token.to_vec());
        self.rest = rest;
        Ok(())
    }
}
