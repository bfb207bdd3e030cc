#!/usr/bin/env python3
"""Verifies an exported audit log, written from RFC 6962, RFC 8785 and the C2SP pages alone.

usage: check.py LOG_DIRECTORY VERIFIER_KEY
Prints "size root" and, for the events, how many have an intact payload. Exits 1 at the first difference.
With "-" as directory: reads sizes from standard input, one a line, and prints the root of a tree of that many
leaves, leaf n being n as eight big-endian bytes.
"""
import base64
import hashlib
import json
import os
import struct
import sys


def sha(*parts):
    state = hashlib.sha256()
    for part in parts:
        state.update(part)
    return state.digest()


def mth(hashes):
    if not hashes:
        return sha()
    if len(hashes) == 1:
        return hashes[0]
    k = 1
    while k * 2 < len(hashes):
        k *= 2
    return sha(b"\x01", mth(hashes[:k]), mth(hashes[k:]))


def tile_path(kind, n, width):
    groups = ["%03d" % (n % 1000)]
    while n >= 1000:
        n //= 1000
        groups.insert(0, "x%03d" % (n % 1000))
    return "tile/%s/%s%s" % (kind, "/".join(groups), "" if width == 256 else ".p/%d" % width)


def tiles(directory, kind, size):
    for n in range((size + 255) // 256):
        width = min(256, size - n * 256)
        with open(os.path.join(directory, tile_path(kind, n, width)), "rb") as file:
            yield n, width, file.read()


def open_checkpoint(directory, key):
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    with open(os.path.join(directory, "checkpoint"), encoding="utf-8", newline="") as file:
        note = file.read()
    text, signatures = note[: note.rindex("\n\n") + 1], note[note.rindex("\n\n") + 2 :]
    name, key_id, coded = key.split("+", 2)
    public = base64.b64decode(coded, validate=True)
    assert public[0] == 1
    assert sha(name.encode() + b"\n" + public)[:4].hex() == key_id
    line = next(line for line in signatures.splitlines() if line.startswith("\u2014 %s " % name))
    signature = base64.b64decode(line.split(" ")[2], validate=True)
    assert signature[:4].hex() == key_id
    Ed25519PublicKey.from_public_bytes(public[1:]).verify(signature[4:], text.encode())
    origin, size, root = text.splitlines()[:3]
    assert origin == name
    return int(size), base64.b64decode(root, validate=True)


def check(directory, key):
    size, root = open_checkpoint(directory, key)
    leaves, heads, intact = [], {}, 0
    hash_tiles = list(tiles(directory, "0", size))
    bundles = zip(tiles(directory, "entries", size), tiles(directory, "payload", size), hash_tiles)
    for (n, width, bundle), (_, _, payloads), (_, _, hashes) in bundles:
        for place in range(width):
            (length,) = struct.unpack(">H", bundle[:2])
            entry, bundle = bundle[2 : 2 + length], bundle[2 + length :]
            leaf = json.loads(entry)
            canonical = json.dumps(leaf, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
            assert canonical.encode() == entry, "leaf %d is not canonical" % (n * 256 + place)
            seq, head = heads.get(leaf["src"], (0, "0" * 64))
            assert leaf["seq"] == seq + 1 and leaf["prev"] == head
            heads[leaf["src"]] = (leaf["seq"], sha(entry).hex())
            leaves.append(sha(b"\x00", entry))
            assert leaves[-1] == hashes[place * 32 : place * 32 + 32]
            sort, payloads = payloads[0], payloads[1:]
            if sort == 1:
                salt, (length,) = payloads[:16], struct.unpack(">I", payloads[16:20])
                payload, payloads = payloads[20 : 20 + length], payloads[20 + length :]
                assert sha(b"ncat-guard/payload/v1\n", salt, payload).hex() == leaf["pay"]
                assert len(payload) == leaf["paylen"]
                intact += 1
        assert not bundle and not payloads
    assert mth(leaves) == root, "root"
    print(size, root.hex())
    print(intact, "payloads intact")


if __name__ == "__main__":
    if sys.argv[1] == "-":
        every = []
        for line in sys.stdin:
            while len(every) < int(line):
                every.append(sha(b"\x00", struct.pack(">Q", len(every))))
            print(mth(every[: int(line)]).hex())
    else:
        check(sys.argv[1], sys.argv[2])
