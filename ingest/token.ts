// Session tokens that any gateway can judge without asking anybody: 16 bytes in hex, of which 3 point at the consumer they were issued
// for, 8 are random and 5 are a keyed MAC over both. A token gives away nothing and proves nothing but where its events belong.
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';

const TAG_BYTES = 3;
const RANDOM_BYTES = 8;
const MAC_BYTES = 5;
const TOKEN = /^[0-9a-f]{32}$/;

const mac = (secret: Buffer, text: string, bytes: number): Buffer => createHmac('sha256', secret).update(text).digest().subarray(0, bytes);

/** The three bytes in hex under which a consumer is looked up; several may share one. */
export const consumerTag = (secret: Buffer, consumer: string): string => mac(secret, `tag\n${consumer}`, TAG_BYTES).toString('hex');

/** A token for a consumer; `unique` is random text that was never used before. */
export function issueToken(secret: Buffer, consumer: string, unique: string): string {
  const head =
    consumerTag(secret, consumer) +
    createHash('sha256')
      .update(unique)
      .digest('hex')
      .slice(0, 2 * RANDOM_BYTES);
  return head + mac(secret, `token\n${consumer}\n${head}`, MAC_BYTES).toString('hex');
}

/** The tag of a token, '' for what cannot be one. */
export const tagOf = (token: string): string => (TOKEN.test(token) ? token.slice(0, 2 * TAG_BYTES) : '');

/** Was this token issued for this consumer? */
export function isIssuedFor(secret: Buffer, consumer: string, token: string): boolean {
  if (!TOKEN.test(token)) return false;
  const head = token.slice(0, 2 * (TAG_BYTES + RANDOM_BYTES));
  return timingSafeEqual(mac(secret, `token\n${consumer}\n${head}`, MAC_BYTES), Buffer.from(token.slice(head.length), 'hex'));
}
