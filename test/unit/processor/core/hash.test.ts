// Event identities and the checksum (SPEC.md, C6), against a second implementation with big integers and against fixed vectors.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { contentHash, mix, numberedHash, pack52, textHash } from '../../../../processor/core/hash.ts';
import { event } from '../../../support/records.ts';
import { timeline } from '../../../support/scenario.ts';

const MASK = 0xffffffffn;
const times = (a: bigint, b: bigint): bigint => (a * b) & MASK;

function plainText(seed: bigint, text: string): bigint {
  let h = seed;
  for (let i = 0; i < text.length; i++) h = times(h ^ BigInt(text.charCodeAt(i)), 0x01000193n);
  return h;
}
function plainMix(value: bigint): bigint {
  let h = times(value ^ (value >> 16n), 0x85ebca6bn);
  h = times(h ^ (h >> 13n), 0xc2b2ae35n);
  return h ^ (h >> 16n);
}
const plainIdentity = (prefix: string, seq: number): bigint => {
  const half = (seed: bigint): bigint => plainMix((plainText(seed, prefix) + times(BigInt(seq) + 1n, 0x9e3779b1n)) & MASK);
  return (half(0x811c9dc5n) << 32n) | half(0x9747b28cn);
};

describe('identities (C6)', () => {
  it('agrees with the definition in big integers', () => {
    fc.assert(
      fc.property(fc.string(), fc.nat(2_147_483_646), fc.nat(0xffffffff), (text, seq, seed) => {
        assert.equal(BigInt(textHash(seed, text)), plainText(BigInt(seed), text));
        assert.equal(BigInt(mix(seed)), plainMix(BigInt(seed)));
        const high = BigInt(numberedHash(textHash(0x811c9dc5, text), seq));
        const low = BigInt(numberedHash(textHash(0x9747b28c, text), seq));
        assert.equal((high << 32n) | low, plainIdentity(text, seq));
      }),
    );
  });

  it('has not changed', () => {
    assert.equal(plainIdentity('demo/alice/', 0).toString(16), IDENTITY_OF_ALICE_0);
    assert.equal(plainIdentity('demo/alice/', 1).toString(16), IDENTITY_OF_ALICE_1);
  });

  it('a part sums the identities of its events, whatever their order (D20)', () => {
    const { outputs } = timeline(`
      0s  playing@0#0          |
      2s  heartbeat@2000#2     |
      3s  heartbeat@1000#1 at:1000 |
      4s  leave@4000           |
      15s                      | sealed leave received=4
    `);
    const part = outputs[0]?.kind === 'sealed' ? outputs[0].part : assert.fail('not sealed');
    const sum = [0, 1, 2, 3].map((seq) => plainIdentity('demo/alice/', seq)).reduce((a, b) => (a + b) & 0xffffffffffffffffn);
    assert.equal((BigInt(part.checksumHigh) << 32n) | BigInt(part.checksumLow), sum);
  });

  it('tells contents apart and fits an Avro long', () => {
    const base = event({ type: 'heartbeat', positionMs: 5 });
    const hash = contentHash(1, base, 'v', 1_764_000_000_000, 0);
    assert.equal(hash, contentHash(1, { ...base }, 'v', 1_764_000_000_000, 0));
    const others = [
      contentHash(1, { ...base, positionMs: 6 }, 'v', 1_764_000_000_000, 0),
      contentHash(1, base, 'w', 1_764_000_000_000, 0),
      contentHash(1, base, 'v', 1_764_000_000_001, 0),
      contentHash(1, base, 'v', 1_764_000_000_000 + 2 ** 32, 0),
      contentHash(1, base, 'v', 1_764_000_000_000, 1),
      contentHash(1, event({ type: 'heartbeat', positionMs: 5, detail: {} }), 'v', 1_764_000_000_000, 0),
    ];
    assert.equal(new Set([hash, ...others]).size, others.length + 1);
    assert.ok(pack52(0xffffffff, 0xffffffff) < 2 ** 52);
  });
});

const IDENTITY_OF_ALICE_0 = 'aed8972930ae3097';
const IDENTITY_OF_ALICE_1 = 'a06fd58209a54de2';
