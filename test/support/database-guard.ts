// Destructive helpers go through here: they refuse any database whose name does not say that it is for tests.

/** Throws unless the database named in this connection URL has `test` in its name. */
export function assertTestDatabase(url: string): void {
  const name = new URL(url).pathname.slice(1);
  if (!name.includes('test')) throw new Error(`Refusing to touch the database "${name}": its name does not contain "test".`);
}
