//! What scripts may call.

use super::serve_support::{ncat, scratch};
use super::{on_wire, script};

/// Runs a script that asserts things when it is loaded; nothing may fail.
#[track_caller]
fn holds(text: &str) {
    let dir = scratch();
    let path = script(dir.path(), &format!("{text}\nreturn {{}}"));
    let (wire, ended) = on_wire(&[path.to_str().unwrap()], b"data\n");
    let ended = ended.expect_code(0);
    assert_eq!(ended.stderr, "");
    assert_eq!(wire, b"data\n");
}

#[test]
fn codecs_work_piece_by_piece() {
    holds(
        "local function both(encoder, decoder, text)
          local coded = encoder:update(text:sub(1, 10)) .. encoder:flush()
          assert(decoder:update(coded) == text:sub(1, 10))
          local rest = encoder:update(text:sub(11)) .. encoder:finish()
          local out = {}
          for at = 1, #rest do out[#out + 1] = assert(decoder:update(rest:sub(at, at))) end
          assert(table.concat(out) == text:sub(11) and decoder:finish() == '')
          assert(not encoder:update('x') and select(2, encoder:update('x')) == 'ERROR')
        end
        local text = ('some text, again and again; '):rep(50)
        both(codec.gzip(), codec.gunzip(), text)
        both(codec.gzip{level = 9}, codec.gunzip{max = #text}, text)
        both(codec.deflate(), codec.inflate(), text)
        both(codec.deflate{raw = true}, codec.inflate{raw = true}, text)
        both(codec.zstd(), codec.unzstd(), text)
        both(codec.zstd{level = 19}, codec.unzstd{window = 16 << 20}, text)
        assert(not pcall(codec.gzip, {level = 10}) and not pcall(codec.zstd, {level = 'x'}))
        -- Members and frames may follow one another.
        local function one(encoder, text) return encoder:update(text) .. encoder:finish() end
        assert(codec.gunzip():update(one(codec.gzip(), 'a') .. one(codec.gzip(), 'b')) == 'ab')
        assert(codec.unzstd():update(one(codec.zstd(), 'a') .. one(codec.zstd(), 'b')) == 'ab')
        for _, make in ipairs {codec.gunzip, codec.inflate, codec.unzstd} do
          local decoder = make()
          local out, code, why = decoder:update('this is nothing of the sort, whatever it is')
          assert(not out and code == 'ERROR' and why)
        end
        local decoder = codec.base64_decoder()
        assert(decoder:update('SEV') == '' and decoder:update('MTE8=SEk=') == 'HELLOHI' and decoder:finish() == '')
        decoder = codec.base64_decoder()
        assert(decoder:update('SEVMT') == 'HEL')
        local out, code, why = decoder:finish()
        assert(not out and code == 'ERROR' and why == 'truncated base64 input')
        decoder = codec.hex_decoder()
        assert(decoder:update('4') == '' and decoder:update('8 45') == 'HE' and decoder:finish() == '')
        local replacer = codec.replacer('foo', 'bar')
        assert(replacer:update('xfo') == 'x' and replacer:update('oyf') == 'bary' and replacer:finish() == 'f')
        replacer = codec.replacer('aab', '-')
        assert(replacer:update('a') .. replacer:update('aa') .. replacer:update('b') .. replacer:finish() == 'a-')",
    );
}

#[test]
fn decoders_do_not_expand_without_end() {
    holds(
        "local function bomb(encoder) return encoder:update(('\\0'):rep(2 << 20)) .. encoder:finish() end
        local function limited(decoder, data)
          local total = 0
          for at = 1, #data, 512 do
            local out, code = decoder:update(data:sub(at, at + 511))
            if not out then return code, total end
            total = total + #out
          end
          return 'whole', total
        end
        local gz, zst = bomb(codec.gzip{level = 9}), bomb(codec.zstd{level = 19})
        assert(limited(codec.gunzip(), gz) == 'whole')
        assert(limited(codec.gunzip{max = 1 << 20}, gz) == 'LIMIT')
        assert(limited(codec.unzstd{max = 1 << 20}, zst) == 'LIMIT')
        -- More than 1024 for one, beside 1 MiB: for that it must be given at once.
        assert(limited(codec.unzstd(), zst) == 'LIMIT')
        assert(limited(codec.unzstd{ratio = 0}, zst) == 'whole')
        local decoder = codec.unzstd{max = 1 << 20}
        limited(decoder, zst)
        assert(select(2, decoder:update('')) == 'LIMIT')",
    );
    // Made and thrown away, they do not fill the memory; kept, they do, and only the script fails.
    holds("for n = 1, 1500 do codec.gzip() end");
    let dir = scratch();
    let path = script(
        dir.path(),
        "return {send = function() local t = {} while true do t[#t + 1] = codec.gzip() end end}",
    );
    let server = super::serve_support::ncat(["-v", "-l", "127.0.0.1", "0"]).held().start();
    let port = super::serve_support::Watch::port(&server).to_string();
    let limit = ["--lua-limit", "memory=32M", "-L"];
    let ran = ncat(["127.0.0.1", &port]).args(limit).args([&path]).bytes("x").run().expect_code(1);
    let said = "Ncat: Lua filter \"x.lua\" (connection 1), send: not enough memory (limit 32 MiB).";
    assert_eq!(ran.first_line(), said);
}

#[test]
fn hashes_and_ciphers() {
    holds(
        "local hex = bytes.hex
        assert(hex(crypto.hash('md5', 'abc')) == '900150983cd24fb0d6963f7d28e17f72')
        assert(hex(crypto.hash('sha1', 'abc')) == 'a9993e364706816aba3e25717850c26c9cd0d89d')
        local hasher = crypto.hasher('sha256')
        hasher:update('a') hasher:update('bc')
        assert(hasher:finish() == crypto.hash('sha256', 'abc') and #crypto.hash('sha512', '') == 64)
        assert(hex(crypto.hmac('sha256', 'Jefe', 'what do ya want for nothing?'))
          == '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843')
        assert(not pcall(crypto.hash, 'rot13', ''))
        for _, name in ipairs {'chacha20-poly1305', 'aes-256-gcm'} do
          local box = crypto.aead(name, ('k'):rep(32))
          local nonce = ncat.random(12)
          local sealed = box:seal(nonce, 'message', 'also')
          assert(#sealed == 23 and box:open(nonce, sealed, 'also') == 'message')
          local plain, code, why = box:open(nonce, sealed, 'else')
          assert(plain == nil and code == 'ERROR' and why)
          assert(not pcall(box.seal, box, 'short', 'x') and not pcall(crypto.aead, name, 'short'))
        end
        assert(#ncat.random(0) == 0 and #ncat.random(1000) == 1000 and ncat.random(16) ~= ncat.random(16))
        assert(not pcall(ncat.random, -1) and not pcall(ncat.random, 1 << 40))",
    );
}

#[test]
fn texts_and_bytes() {
    holds(
        "assert(json.encode({1, 'x', {b = true}, json.null}) == '[1,\"x\",{\"b\":true},null]')
        assert(json.decode('{\"a\":[1,2.5,\"\\\\u00e9\"]}').a[3] == 'é')
        local value, code, why = json.decode('[1,]')
        assert(value == nil and code == 'ERROR' and why)
        assert(select(2, json.encode('\\xff')) == 'ERROR' and json.encode('\\xff', {binary = 'hex'}) == '\"ff\"')
        assert(bytes.base32('foob') == 'MZXW6YQ=' and bytes.unbase32('mzxw6yq') == 'foob')
        assert(bytes.crc32('123456789') == 0xcbf43926 and bytes.adler32('Wikipedia') == 0x11e60398)
        assert(bytes.escape('a\\n\\27') == 'a\\\\n\\\\x1b')
        assert(ncat.hexdump('HELLO\\n') == '0000   48 45 4c 4c 4f 0a' .. (' '):rep(33) .. 'HELLO.' .. (' '):rep(10) .. '\\n')
        assert(type(ncat.version) == 'string')
        -- Each script has tables of its own.
        json.encode = nil codec.gzip = nil crypto.hash = nil bytes.hex = nil",
    );
}
