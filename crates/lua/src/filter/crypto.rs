//! `crypto`: hashes, keyed hashes, and encryption that notices what was changed.
//!
//! Hashes work in every build. The ciphers are OpenSSL's, which a build without TLS has not: there `aead`
//! says so.

use md5::Md5;
use mlua::{Lua, LuaString, Table, UserData, UserDataMethods};
use sha1::Sha1;
use sha2::digest::{Digest, FixedOutputReset};
use sha2::{Sha256, Sha512};

/// A hash under way.
trait Hash: Send + Sync {
    fn add(&mut self, data: &[u8]);
    /// The result; it begins anew.
    fn end(&mut self) -> Vec<u8>;
}

impl<D: Digest + FixedOutputReset + Send + Sync> Hash for D {
    fn add(&mut self, data: &[u8]) {
        Digest::update(self, data);
    }

    fn end(&mut self) -> Vec<u8> {
        self.finalize_reset().to_vec()
    }
}

/// Bytes in a block of a hash, for keyed hashes.
fn block_len(algorithm: &str) -> usize {
    if algorithm == "sha512" { 128 } else { 64 }
}

fn hasher(algorithm: &str) -> mlua::Result<Box<dyn Hash>> {
    Ok(match algorithm {
        "md5" => Box::new(Md5::new()),
        "sha1" => Box::new(Sha1::new()),
        "sha256" => Box::new(Sha256::new()),
        "sha512" => Box::new(Sha512::new()),
        other => {
            let text = format!("{other:?} is no hash; there are md5, sha1, sha256 and sha512");
            return Err(mlua::Error::runtime(text));
        }
    })
}

fn hash(algorithm: &str, data: &[u8]) -> mlua::Result<Vec<u8>> {
    let mut hasher = hasher(algorithm)?;
    hasher.add(data);
    Ok(hasher.end())
}

/// RFC 2104.
fn hmac(algorithm: &str, key: &[u8], data: &[u8]) -> mlua::Result<Vec<u8>> {
    let len = block_len(algorithm);
    let mut block = if key.len() > len { hash(algorithm, key)? } else { key.to_vec() };
    block.resize(len, 0);
    let padded = |with: u8| block.iter().map(|byte| byte ^ with).collect::<Vec<u8>>();
    let mut inner = hasher(algorithm)?;
    inner.add(&padded(0x36));
    inner.add(data);
    let mut outer = hasher(algorithm)?;
    outer.add(&padded(0x5c));
    outer.add(&inner.end());
    Ok(outer.end())
}

/// What a script has of one.
struct Hasher(Box<dyn Hash>);

impl UserData for Hasher {
    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods.add_method_mut("update", |_, own, data: LuaString| {
            own.0.add(&data.as_bytes());
            Ok(())
        });
        methods.add_method_mut("finish", |lua, own, ()| lua.create_string(own.0.end()));
    }
}

/// The table of all of them.
pub(super) fn make(lua: &Lua) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    let hash = |lua: &Lua, (algorithm, data): (String, LuaString)| {
        lua.create_string(hash(&algorithm, &data.as_bytes())?)
    };
    table.raw_set("hash", lua.create_function(hash)?)?;
    let make = |_: &Lua, algorithm: String| Ok(Hasher(hasher(&algorithm)?));
    table.raw_set("hasher", lua.create_function(make)?)?;
    let hmac = |lua: &Lua, (algorithm, key, data): (String, LuaString, LuaString)| {
        lua.create_string(hmac(&algorithm, &key.as_bytes(), &data.as_bytes())?)
    };
    table.raw_set("hmac", lua.create_function(hmac)?)?;
    table.raw_set("aead", lua.create_function(aead)?)?;
    Ok(table)
}

#[cfg(not(feature = "crypto"))]
fn aead(_: &Lua, _: (String, LuaString)) -> mlua::Result<()> {
    Err(mlua::Error::runtime("crypto.aead is not available: this Ncat was built without TLS"))
}

#[cfg(feature = "crypto")]
fn aead(_: &Lua, (algorithm, key): (String, LuaString)) -> mlua::Result<sealing::Sealed> {
    sealing::Sealed::new(&algorithm, &key.as_bytes())
}

#[cfg(feature = "crypto")]
mod sealing {
    use mlua::{LuaString, UserData, UserDataMethods};
    use tls::aead::Aead;

    /// A cipher with its key.
    pub(super) struct Sealed(Aead);

    type Three = (LuaString, LuaString, Option<LuaString>);

    impl Sealed {
        pub(super) fn new(algorithm: &str, key: &[u8]) -> mlua::Result<Self> {
            Aead::new(algorithm, key).map(Self).map_err(mlua::Error::runtime)
        }
    }

    fn extra(given: &Option<LuaString>) -> Vec<u8> {
        given.as_ref().map(|text| text.as_bytes().to_vec()).unwrap_or_default()
    }

    impl UserData for Sealed {
        fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
            methods.add_method("seal", |lua, own, (nonce, text, also): Three| {
                let sealed = own.0.seal(&nonce.as_bytes(), &text.as_bytes(), &extra(&also));
                lua.create_string(sealed.map_err(mlua::Error::runtime)?)
            });
            methods.add_method("open", |lua, own, (nonce, text, also): Three| {
                let opened = own.0.open(&nonce.as_bytes(), &text.as_bytes(), &extra(&also));
                Ok(match opened.map_err(mlua::Error::runtime)? {
                    Some(plain) => (Some(lua.create_string(plain)?), None, None),
                    None => (None, Some("ERROR"), Some("it is not what was sealed with this key")),
                })
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn hashes_are_those_of_their_standards() {
        for (algorithm, wanted) in [
            ("md5", "900150983cd24fb0d6963f7d28e17f72"),
            ("sha1", "a9993e364706816aba3e25717850c26c9cd0d89d"),
            ("sha256", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        ] {
            assert_eq!(hex(&hash(algorithm, b"abc").unwrap()), wanted);
        }
        assert!(
            hex(&hash("sha512", b"abc").unwrap()).starts_with("ddaf35a193617abacc417349ae204131")
        );
        assert!(hash("crc", b"").is_err());
        // RFC 4231, cases 2 and 6.
        assert_eq!(
            hex(&hmac("sha256", b"Jefe", b"what do ya want for nothing?").unwrap()),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
        let text = b"Test Using Larger Than Block-Size Key - Hash Key First";
        assert_eq!(
            hex(&hmac("sha256", &[0xaa; 131], text).unwrap()),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
        );
    }
}
