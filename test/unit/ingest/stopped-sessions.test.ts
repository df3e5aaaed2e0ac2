// What gateways know of sessions that were stopped, and of tokens.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { createStoppedSessions } from '../../../ingest/stopped-sessions.ts';
import { consumerTag, isIssuedFor, issueToken, tagOf } from '../../../ingest/token.ts';

describe('stopped sessions', () => {
  it('are known here at once, elsewhere once they are sealed, and open when nobody can be asked', async () => {
    let now = 0;
    let asked = 0;
    let answer: unknown[] | Error = [];
    const sessions = createStoppedSessions({
      query: async () => {
        asked++;
        if (answer instanceof Error) throw answer;
        return answer as never[];
      },
      monotonicMs: () => now,
      logger: { warn: () => {} },
    });
    sessions.note('site', 'a', 'open');
    assert.equal(await sessions.isStopped('site', 'a'), false);
    assert.equal(asked, 0);
    sessions.note('site', 'a', 'stopped');
    now = 1e9;
    assert.equal(await sessions.isStopped('site', 'a'), true);
    assert.equal(await sessions.isStopped('site', 'b'), false);
    assert.equal(await sessions.isStopped('site', 'b'), false);
    assert.equal(asked, 1);
    answer = new Error('away');
    now += 31_000;
    assert.equal(await sessions.isStopped('site', 'b'), false);
    answer = [{ left: true }];
    assert.equal(await sessions.isStopped('site', 'b'), true);
    assert.equal(await sessions.isStopped('other', 'a'), true);
    assert.equal(asked, 4);
  });
});

describe('tokens', () => {
  const secret = randomBytes(32);

  it('belong to the consumer they were issued for, and to no other', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), fc.string(), fc.nat(31), (consumer, other, unique, place) => {
        const token = issueToken(secret, consumer, unique);
        assert.match(token, /^[0-9a-f]{32}$/);
        assert.equal(tagOf(token), consumerTag(secret, consumer));
        assert.ok(isIssuedFor(secret, consumer, token));
        assert.equal(isIssuedFor(secret, other, token), other === consumer);
        assert.equal(isIssuedFor(randomBytes(32), consumer, token), false);
        const changed = token.slice(0, place) + (token[place] === '0' ? '1' : '0') + token.slice(place + 1);
        assert.equal(isIssuedFor(secret, consumer, changed), false);
      }),
    );
  });

  it('are nothing else', () => {
    for (const text of ['', 'x'.repeat(32), 'A'.repeat(32), '0'.repeat(31), '0'.repeat(33)]) {
      assert.equal(tagOf(text), '');
      assert.equal(isIssuedFor(secret, 'a', text), false);
    }
  });
});
