"""Proves that verifiers which others wrote accept what secmon writes.

    python tests/outside/verify.py EXPORT_DIR [PROOF_FILE...]

Needs the packages of requirements.txt, openssl 3 and coreutils. Prints what does not hold, and exits with 1 then.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pymerkle
import rfc8785
from sigstore._internal.merkle import verify_merkle_inclusion
from sigstore.errors import VerificationError

BODIES = 2_000  # of a stream whose JSON is compared
SIGNED = 100  # checkpoints at either end of a stream whose signatures openssl checks
ED25519_DER = bytes.fromhex("302a300506032b6570032100")
NOTE = re.compile(r"(([^\n]+)\n(0|[1-9][0-9]*)\n([^\n]+)\n)\n((?:— [^ \n]+ [^ \n]+\n)+)(?:\n|\Z)")
PROOF = re.compile(r"c2sp\.org/tlog-proof@v1\n(?:extra [^\n]*\n)?index (0|[1-9][0-9]*)\n((?:[^\n]+\n)*)\n(.*)", re.S)


class Tally:
    passed = failed = 0

    def check(self, holds: bool, what: str) -> None:
        self.passed += holds
        self.failed += not holds
        if not holds:
            print(f"FAILED: {what}")


@dataclass
class Note:
    text: str  # what is signed
    origin: str
    size: int
    root: bytes
    signatures: list[tuple[str, bytes, bytes]]  # name, key id, signature


@dataclass
class Stream:
    origin: str
    epoch_keys: list[bytes]  # in the order of their use
    stream_keys: list[bytes]  # one or none
    bodies: list[bytes | None] = field(default_factory=list)  # None: gone, its leaf is left
    leaves: list[bytes] = field(default_factory=list)
    rotations: dict[int, dict[str, Any]] = field(default_factory=dict)  # `secmon.key` records by index


def unbase64(text: str) -> bytes:
    value = base64.b64decode(text, validate=True)
    if base64.b64encode(value).decode() != text:
        raise ValueError(f"base64 in another form than the canonical one: {text}")
    return value


def key_id(name: str, public: bytes) -> bytes:
    return hashlib.sha256(name.encode() + b"\n\x01" + public).digest()[:4]


def parse_notes(text: str) -> list[Note]:
    notes: list[Note] = []
    at = 0
    while at < len(text):
        match = NOTE.match(text, at)
        if not match:
            raise ValueError(f"not a signed checkpoint: {text[at : at + 200]!r}")
        at = match.end()
        signed, origin, size, root, lines = match.groups()
        pairs = [line.split(" ")[1:] for line in lines.split("\n")[:-1]]
        signatures = [(name, unbase64(blob)[:4], unbase64(blob)[4:]) for name, blob in pairs]
        notes.append(Note(signed, origin, int(size), unbase64(root), signatures))
    return notes


def node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def rfc9162_roots(leaves: list[bytes], sizes: set[int]) -> dict[int, bytes]:
    """RFC 9162 section 2.1.2, for several sizes in one pass."""
    roots = {0: hashlib.sha256(b"").digest()}
    stack: list[bytes] = []
    for size, leaf in enumerate(leaves, 1):
        stack.append(leaf)
        merge_count = size - 1
        while merge_count & 1:
            stack[-2:] = [node(*stack[-2:])]
            merge_count >>= 1
        if size in sizes:
            rest = stack[:]
            while len(rest) > 1:
                rest[-2:] = [node(*rest[-2:])]
            roots[size] = rest[0]
    return roots


def rfc9162_inclusion(leaf: bytes, index: int, size: int, path: list[bytes]) -> tuple[bytes | None, list[int]]:
    """RFC 9162 section 2.1.3.2: the root, if the path has the right length, and the hashes that stood left (1)."""
    sides: list[int] = []
    fn, sn, r = index, size - 1, leaf
    for p in path:
        if sn == 0:
            return None, sides
        if fn & 1 or fn == sn:
            r = node(p, r)
            sides.append(1)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            r = node(r, p)
            sides.append(0)
        fn, sn = fn >> 1, sn >> 1
    return (r if sn == 0 else None), sides


def pymerkle_accepts(leaf: bytes, index: int, size: int, path: list[bytes], root: bytes) -> bool:
    """Its indices begin at 1, its path with the leaf; its rule holds the sides of the others, and a 0."""
    rule = [*rfc9162_inclusion(leaf, index, size, path)[1], 0]
    proof = pymerkle.InclusionProof("sha256", True, size, index + 1, rule, [leaf, *path])
    try:
        pymerkle.verify_inclusion(leaf, root, proof, index=index + 1, size=size, algorithm="sha256")
    except pymerkle.InvalidProof:
        return False
    return True


def sigstore_accepts(body: bytes, index: int, size: int, path: list[bytes], root: bytes) -> bool:
    """The parts of a Rekor entry that its verifier reads."""
    proof = SimpleNamespace(log_index=index, tree_size=size, hashes=path, root_hash=root)
    entry: Any = SimpleNamespace(_inner=SimpleNamespace(inclusion_proof=proof, canonicalized_body=body))
    try:
        verify_merkle_inclusion(entry)
    except VerificationError:
        return False
    return True


def openssl_accepts(public: bytes, text: str, signature: bytes) -> bool:
    with tempfile.TemporaryDirectory() as folder:
        for name, data in ("pub.der", ED25519_DER + public), ("text", text.encode()), ("sig", signature):
            Path(folder, name).write_bytes(data)
        command = "openssl pkeyutl -verify -pubin -inkey pub.der -keyform DER -rawin -in text -sigfile sig"
        run = subprocess.run(command.split(), cwd=folder, capture_output=True, text=True)
    if run.returncode and "Signature Verification Failure" not in run.stdout + run.stderr:
        raise ValueError(f"openssl does not judge a signature: {run.stderr}")
    return run.returncode == 0


def sha256sum(data: bytes) -> bytes:
    run = subprocess.run(["sha256sum"], input=data, capture_output=True, check=True)
    return bytes.fromhex(run.stdout.split()[0].decode())


def check_signature(tally: Tally, note: Note, public: bytes, what: str, run_openssl: bool = True) -> None:
    own = [s for name, id, s in note.signatures if (name, id) == (note.origin, key_id(note.origin, public))]
    if run_openssl or not own:
        holds = bool(own) and all(openssl_accepts(public, note.text, s) for s in own)
        tally.check(holds, f"{what}: no signature that openssl accepts" if own else f"{what}: no signature line")


def read_stream(tally: Tally, folder: Path) -> Stream:
    lines = [line.split("+", 2) for line in (folder / "vkey").read_bytes().decode().split("\n")[:-1]]
    keys = [unbase64(key) for _, _, key in lines]
    origin = lines[0][0]
    if len(lines) > 2 or not origin.endswith(f"/{folder.name}") or any(len(key) != 33 or key[0] != 1 for key in keys):
        raise ValueError(f"{folder}/vkey: not one or two Ed25519 keys of this stream")
    for (name, id, _), key in zip(lines, keys):
        tally.check((name, id) == (origin, key_id(name, key[1:]).hex()), f"{origin}: name or id of the key {name}+{id}")
    stream = Stream(origin, [keys[0][1:]], [key[1:] for key in keys[1:]])
    for seq, line in enumerate((folder / "records.jsonl").read_bytes().split(b"\n")[:-1]):
        try:
            value = json.loads(line, parse_float=str)  # no float is valid: as a string it differs
            canonical = rfc8785.dumps(value) if seq < BODIES else line
        except ValueError:
            value = canonical = None
        gone = isinstance(value, dict) and value.keys() == {"leaf", "seq"}
        if gone and (value["seq"] != seq or len(unbase64(value["leaf"])) != 32):
            raise ValueError(f"{origin} record {seq}: not the leaf of this record")
        if not gone and seq < BODIES:
            tally.check(canonical == line, f"{origin} record {seq}: not what rfc8785 writes")
        if isinstance(value, dict) and value.get("cat") == "secmon.key":
            stream.rotations[seq] = value
        stream.bodies.append(None if gone else line)
        stream.leaves.append(unbase64(value["leaf"]) if gone else hashlib.sha256(b"\0" + line).digest())
    return stream


def check_checkpoints(tally: Tally, stream: Stream, notes: list[Note]) -> None:
    roots = rfc9162_roots(stream.leaves, {note.size for note in notes})
    tree = None
    if gone := stream.bodies.count(None):
        print(f"{stream.origin}: {gone} records are gone: roots compared by RFC 9162 only, not by pymerkle")
    else:
        tree = pymerkle.InmemoryTree.init_from_entries(stream.bodies, algorithm="sha256")
    last, rotated = 0, set()
    for n, note in enumerate(notes):
        what, size, key = f"{stream.origin} checkpoint {n} of size {note.size}", note.size, stream.epoch_keys[-1]
        if note.origin != stream.origin or not last <= size <= len(stream.leaves):
            tally.check(False, f"{what}: of another stream, smaller than the one before, or beyond the records")
            continue
        last = size
        tally.check(roots[size] == note.root, f"{what}: root by RFC 9162")
        if tree is not None:
            tally.check(tree.get_root(size) == note.root, f"{what}: root by pymerkle")
        near_end = n < SIGNED or n >= len(notes) - SIGNED
        check_signature(tally, note, key, f"{what}: epoch key {len(stream.epoch_keys) - 1}", near_end)
        for stream_key in stream.stream_keys:
            check_signature(tally, note, stream_key, f"{what}: stream key", near_end)
        if n == 0:
            changed = note.text.replace(f"\n{size}\n", f"\n{size + 1}\n")
            accepted = any(openssl_accepts(key, changed, signature) for _, _, signature in note.signatures)
            tally.check(not accepted, f"{what}: openssl accepts it with another size")
        if size - 1 in stream.rotations and size not in rotated:  # the next checkpoint is the new key's
            rotated.add(size)
            rotation = stream.rotations[size - 1]
            tally.check(rotation["epoch"] == len(stream.epoch_keys), f"{what}: its new key is not of the next epoch")
            stream.epoch_keys.append(unbase64(rotation["next"]))
    for seq in stream.rotations:
        if seq < last and seq + 1 not in rotated:
            tally.check(False, f"{stream.origin} record {seq}: a new key that ends no checkpoint")


def check_proof(tally: Tally, streams: dict[str, Stream], path: Path) -> None:
    match = PROOF.fullmatch(path.read_bytes().decode())
    if not match:
        raise ValueError(f"{path}: not a tlog-proof")
    (note,) = parse_notes(match[3])
    index, size, hashes = int(match[1]), note.size, [unbase64(line) for line in match[2].split("\n")[:-1]]
    stream = streams.get(note.origin)
    if not stream or index >= min(size, len(stream.leaves)):
        tally.check(False, f"{path}: of no record in the export")
        return
    ids = [id for _, id, _ in note.signatures]
    epoch_keys = [key for key in stream.epoch_keys if key_id(note.origin, key) in ids]
    tally.check(bool(epoch_keys), f"{path}: no epoch key of this stream signed it")
    for key in epoch_keys + stream.stream_keys:
        check_signature(tally, note, key, f"{path}: key {key_id(note.origin, key).hex()}")

    leaf, body, middle = stream.leaves[index], stream.bodies[index], len(hashes) // 2
    other = hashlib.sha256(b"other").digest()
    cases = [(hashes, note.root, True), (hashes, other, False)]
    if hashes:
        cases.append((hashes[:middle] + [other] + hashes[middle + 1 :], note.root, False))
    for path_, root, good in cases:
        what = f"{path}: {'not ' if good else 'though changed, '}accepted by"
        tally.check((rfc9162_inclusion(leaf, index, size, path_)[0] == root) == good, f"{what} RFC 9162")
        tally.check(pymerkle_accepts(leaf, index, size, path_, root) == good, f"{what} pymerkle")
        if body is not None:
            tally.check(sigstore_accepts(body, index, size, path_, root) == good, f"{what} sigstore")
    if body is None:
        print(f"{path}: record {index} is gone: not judged by sigstore and sha256sum, which need its body")
    else:
        tally.check(sha256sum(b"\0" + body) == leaf, f"{path}: leaf by sha256sum")


def main(export: Path, proofs: list[Path]) -> int:
    tally, streams = Tally(), dict[str, Stream]()
    try:
        for folder in sorted(path for path in export.iterdir() if re.fullmatch("[0-9a-f]{32}", path.name)):
            stream = read_stream(tally, folder)
            streams[stream.origin] = stream
            kept = [(body, leaf) for body, leaf in zip(stream.bodies, stream.leaves) if body is not None]
            for body, leaf in kept[:5]:
                tally.check(sha256sum(b"\0" + body) == leaf, f"{stream.origin}: leaf by sha256sum of {body!r}")
            notes = parse_notes((folder / "checkpoints.txt").read_bytes().decode())
            tally.check(bool(notes), f"{stream.origin}: no checkpoint")
            check_checkpoints(tally, stream, notes)
        tally.check(bool(streams), f"{export}: no stream")
        for path in proofs:
            check_proof(tally, streams, path)
    except (OSError, LookupError, TypeError, ValueError, subprocess.SubprocessError) as error:
        tally.check(False, f"cannot go on: {error!r}")
    print(f"outside verifiers: {tally.passed} passed, {tally.failed} failed")
    return 1 if tally.failed else 0


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    sys.exit(main(Path(sys.argv[1]), [Path(name) for name in sys.argv[2:]]))
